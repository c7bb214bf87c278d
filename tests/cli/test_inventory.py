"""`fleetctl inventory` as its users meet it, on this machine as hosts."""

import csv
import io
import json
import subprocess

import jsonschema
import pytest


@pytest.fixture
def collected(fleetctl):
    done = fleetctl("inventory", "collect", "web-[1-2],dead-1", "-q")
    assert done.code == 4
    return fleetctl


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def schema(fleetctl):
    return fleetctl("schema", "inventory-report").json


def test_collect_tells_hosts_that_cannot_be_reached_and_keeps_the_others(fleetctl):
    done = fleetctl("inventory", "collect", "web-1,dead-1")
    assert done.code == 4
    assert "InstanceInformation (1)" in done.stdout
    assert "Undeliverable[refused] dead-1" in done.stderr
    assert [row["InstanceId"] for row in rows(fleetctl("inventory", "list", "--format", "csv").stdout)][
        :1
    ] == ["web-1"]
    again = fleetctl("inventory", "collect", "web-1", "--type", "InstanceInformation")
    assert again.code == 0
    assert "nothing" in again.stdout


def test_nothing_collected_yet_says_how_to_begin(fleetctl):
    assert "fleetctl inventory collect all" in fleetctl("inventory", "list").stderr
    done = fleetctl("inventory", "show", "web-1")
    assert (done.code, "fleetctl inventory collect web-1" in done.stderr) == (2, True)


def test_json_of_list_show_query_and_export_fits_the_published_schema(collected):
    published = schema(collected)
    for args in (
        ("list",),
        ("show", "web-1"),
        ("query", "InstanceInformation.PlatformType=Linux or Process exists"),
        ("query", "Process exists"),
        ("export",),
    ):
        jsonschema.validate(collected("inventory", *args, "--format", "json").json, published)


def test_query_prints_hosts_a_line_and_those_of_which_it_cannot_tell(collected):
    done = collected("inventory", "query", "InstanceInformation.PlatformType=Linux", "--format", "lines")
    assert (done.code, done.stdout) == (0, "web-1\nweb-2\n")
    done = collected("inventory", "query", "not Process.User=root", "web-1")
    assert (done.code, done.stdout) == (0, "")
    assert "not known: web-1: Process was never collected there" in done.stderr


def test_a_wrong_query_shows_the_place_with_a_caret(collected):
    done = collected("inventory", "query", "Application.Nme=x")
    assert done.code == 2
    assert "  hint: Application.Nme=x\n  hint:             ^ Application has no field 'Nme'" in done.stderr


def test_custom_inventory_of_a_script_is_asked_shown_and_compared(collected, project):
    script = project / "rack.sh"
    for unit in ("7", "8"):
        script.write_text(f"echo Unit={unit}; echo Location=R1")
        assert collected("inventory", "collect", "web-1", "--custom", f"Rack={script}").code == 0
    found = collected("inventory", "query", "Custom:Rack.Unit>7", "--format", "lines")
    assert found.stdout == "web-1\n"
    told = collected("inventory", "diff", "web-1", "--type", "Custom:Rack", "--format", "json").json
    (change,) = told["Changes"]
    assert change["Fields"] == [{"Field": "Unit", "Old": "7", "New": "8"}]
    for bad in ("rack", "rack=rack.sh", "Rack=nowhere.sh"):
        assert collected("inventory", "collect", "web-1", "--custom", bad).code == 2


def test_files_and_processes_come_only_when_asked_for(collected, tmp_path):
    folder = tmp_path / "a folder"
    (folder / "deep").mkdir(parents=True)
    for name in ("one.conf", "two words.conf", "deep/three.conf", "other.txt", "$(reboot).conf", "'.conf"):
        (folder / name).write_text("x")
    listed = collected("inventory", "show", "web-1", "--format", "json").json["Entities"][0]["Data"]
    assert not {"File", "Process"} & set(listed)
    assert (
        collected(
            "inventory", "collect", "web-1", "--file", f"{folder}/*.conf", "--recursive", "--process"
        ).code
        == 0
    )
    files = rows(collected("inventory", "export", "web-1", "--format", "csv", "--type", "File").stdout)
    names = {"one.conf", "two words.conf", "three.conf", "$(reboot).conf", "'.conf"}
    assert {row["Name"].removeprefix("'") or row["Name"] for row in files} == {
        name.removeprefix("'") for name in names
    }
    assert collected("inventory", "query", "Process.ProcessId=1", "--format", "lines").stdout == "web-1\n"
    for bad in ("*.conf", "/etc/*/x", "/etc/"):
        assert collected("inventory", "collect", "web-1", "--file", bad).code == 2


def test_more_than_five_hundred_files_are_cut_and_said(collected, tmp_path):
    for number in range(510):
        (tmp_path / f"{number}.conf").touch()
    done = collected("inventory", "collect", "web-1", "--type", "File", "--file", f"{tmp_path}/*.conf")
    assert "File (500)" in done.stdout
    assert "File is cut at 500 files" in done.stderr


def test_two_hosts_are_compared(collected):
    done = collected("inventory", "diff", "web-1", "web-2", "--type", "InstanceInformation")
    assert "InstanceId: web-1 -> web-2" in done.stdout
    assert collected("inventory", "diff", "web-1", "web-2", "--from", "3d").code == 2
    assert collected("inventory", "diff", "web-*").code == 2


def test_the_runs_between_two_looks_are_named(collected):
    run = collected("run", "web-1", "--format", "json", "--", "true").json["CommandId"]
    collected("run", "web-2", "--", "true")
    collected("inventory", "collect", "web-1", "-q")
    told = collected("inventory", "diff", "web-1", "--from", "yesterday", "--format", "json")
    assert [each["CommandId"] for each in told.json["Runs"]] == [run]
    assert "the first look stands in" in told.stderr


def test_history_lists_every_look_and_what_it_found(collected):
    collected("inventory", "collect", "web-1", "--type", "InstanceInformation", "-q")
    told = collected(
        "inventory", "history", "web-1", "--type", "InstanceInformation", "--format", "json"
    ).json
    assert [look["Changed"] for look in told] == [None, False]


def test_delete_asks_and_forgets(collected):
    assert collected("inventory", "delete").code == 2
    assert collected("inventory", "delete", "web-1").code == 2
    assert "would be deleted" in collected("inventory", "delete", "web-1", "--dry-run").stderr
    assert collected("inventory", "delete", "web-1", "--yes").code == 0
    assert collected("inventory", "show", "web-1").code == 2
    assert collected("inventory", "show", "web-2", "--type", "InstanceInformation").code == 0


@pytest.mark.parametrize("text", ["2026-13-01", "soon", "-1d", "9999999999d", "", "2026-11-20T99"])
def test_what_is_no_date_is_a_usage_error(collected, text):
    done = collected("inventory", "diff", "web-1", "--from", text or " ")
    assert (done.code, "is no date" in done.stderr) == (2, True)


def test_bills_of_materials_name_every_package(collected, tmp_path):
    if subprocess.run(["sh", "-c", "command -v dpkg-query"], capture_output=True, check=False).returncode:
        pytest.skip("this machine has no dpkg")
    for format_, key in (("cyclonedx", "components"), ("spdx", "packages")):
        path = tmp_path / format_
        assert collected("inventory", "export", "web-1", "--format", format_, "-o", str(path)).code == 0
        assert len(json.loads(path.read_text())[key]) > 10
