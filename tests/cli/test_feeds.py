"""`fleetctl feeds`, `patch cve` and `patch cves` as their users meet them; the hosts told long ago what the goldens say."""

import csv
import io
import json
import os
from pathlib import Path

import jsonschema
import pytest

GOLDEN = Path(__file__).parents[1] / "golden"
FEEDS = GOLDEN / "feeds"
INVENTORY = """\
defaults: {transport: ssh, port: 1}
hosts: {deb-1: {address: 127.0.0.1}, deb-2: , rocky-1: , new-1: }
"""
HOSTS = {"deb-1": "apt/deb12-fresh", "deb-2": "apt/bookworm-behind", "rocky-1": "dnf/el9-fresh"}


@pytest.fixture
def scanned(project, fleetctl):
    """A project whose hosts were scanned; none of them can be reached."""
    (project / "inventories" / "hosts.yaml").write_text(INVENTORY)
    run = project / ".fleetctl" / "runs" / "20261123T000000.000-aaaaaa"
    for name, golden in HOSTS.items():
        (run / "out" / name).mkdir(parents=True)
        for stream in ("stdout", "stderr"):
            (run / "out" / name / stream).write_bytes((GOLDEN / golden / stream).read_bytes())
    order = {"DocumentName": "AWS-RunPatchBaseline", "RequestedDateTime": "2026-11-23T20:00:00+00:00"}
    (run / "run.json").write_text(json.dumps(order))
    return fleetctl


def brought(fleetctl, *names):
    done = fleetctl("feeds", "import", "--date", "2024-06-10", *(FEEDS / name for name in names))
    assert done.code == 0, done.stderr
    return fleetctl


@pytest.fixture
def with_feeds(scanned):
    return brought(scanned, "tracker.json", "rocky.json", "kev.json", "epss.csv")


def test_feeds_are_imported_listed_shown_and_forgotten(fleetctl):
    assert "fleetctl feeds import" in fleetctl("feeds", "list").stderr
    done = fleetctl("feeds", "import", FEEDS / "tracker.json", FEEDS / "secdb.json", FEEDS / "kev.json")
    assert (done.code, done.stdout) == (0, "")
    assert "Debian security tracker: debian-tracker:Debian, 4 entries of" in done.stderr
    rows = fleetctl("feeds", "list", "--format", "json").json
    assert [row["Feed"] for row in rows] == ["alpine-secdb:v3.20/main", "debian-tracker:Debian", "kev"]
    shown = fleetctl("feeds", "show", "DEBIAN-TRACKER:debian")
    assert "Debian:bookworm" in shown.stdout
    assert "https://security-tracker.debian.org/tracker/data/json" in shown.stdout
    assert "https://secdb.alpinelinux.org/v3.20/main.json" in fleetctl("feeds", "show", "alpine-secdb").stdout
    assert fleetctl("feeds", "rm", "debian-tracker:Debian").code == 0
    assert "debian-tracker" not in fleetctl("feeds", "list").stdout
    done = fleetctl("feeds", "rm", "kve")
    assert (done.code, "error[not-found]" in done.stderr, "kev" in done.stderr) == (2, True, True)


def test_an_old_feed_is_warned_of(fleetctl, tmp_path):
    path = tmp_path / "tracker.json"
    path.write_bytes((FEEDS / "tracker.json").read_bytes())
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert "fetch it again" in fleetctl("feeds", "import", path).stderr
    done = fleetctl("feeds", "list")
    assert "2023-11-14 (of the file)" in done.stdout
    assert "warning: debian-tracker:Debian is" in done.stderr
    assert fleetctl("feeds", "list", "--format", "json").json[0]["Stale"] is True


def test_a_wrong_file_is_told_with_its_place_and_those_before_it_stay(fleetctl, tmp_path):
    cut = tmp_path / "cut.json"
    cut.write_bytes((FEEDS / "tracker.json").read_bytes()[:400])
    done = fleetctl("feeds", "import", FEEDS / "kev.json", cut)
    assert done.code == 2
    assert f"error[bad-feed]: {cut}:" in done.stderr
    assert [row["Feed"] for row in fleetctl("feeds", "list", "--format", "json").json] == ["kev"]
    for wrong in (tmp_path, tmp_path / "none", "--date=soon", "--date=2099-01-01"):
        done = fleetctl("feeds", "import", str(wrong), FEEDS / "kev.json")
        assert done.code == 2
        assert "Traceback" not in done.stderr


def test_a_cve_is_told_for_all_hosts_without_reaching_any(with_feeds):
    done = with_feeds("patch", "cve", "cve-2024-0001")
    assert done.code == 5
    head, _, _, *lines = done.stdout.splitlines()
    assert head == "CVE-2024-0001; critical; known exploited since 2024-05-11, due 2024-06-01; EPSS 94.3%"
    told = {line.split()[0]: line.split()[1] for line in lines}
    assert told == {"deb-1": "AFFECTED", "rocky-1": "AFFECTED", "new-1": "UNKNOWN", "deb-2": "NOT_AFFECTED"}
    assert "1.0-1+deb12u1, approved" in done.stdout
    assert "scan of 2026-11-23" in done.stdout
    assert "2 affected, 0 fixed, 1 not affected, 1 not known" in done.stderr


def test_exit_codes_say_affected_not_known_and_nobody(with_feeds):
    assert with_feeds("patch", "cve", "CVE-2024-0001", "deb-2").code == 0
    assert with_feeds("patch", "cve", "CVE-2024-0001", "new-1,deb-2").code == 3
    assert with_feeds("patch", "cve", "CVE-2024-0001", "new-1,deb-1").code == 5
    assert with_feeds("patch", "cves", "new-1").code == 3


@pytest.mark.parametrize("text", ["CVE-24-1", "openssl", "CVE-2024-0001x", ""])
def test_what_is_no_cve_is_told(scanned, text):
    done = scanned("patch", "cve", text)
    assert (done.code, "is no CVE id" in done.stderr, "patch cves" in done.stderr) == (2, True, True)


def test_json_fits_the_published_schemas(with_feeds):
    told = with_feeds("patch", "cve", "CVE-2024-0001", "--format", "json").json
    jsonschema.validate(told, with_feeds("schema", "cve-report").json)
    assert {v["Source"] for h in told["Hosts"] for p in h["Packages"] for v in p["Verdicts"]} == {
        "debian-tracker:Debian", "host-advisories", "osv:Rocky Linux",
    }  # fmt: skip
    told = with_feeds("patch", "cves", "--format", "json").json
    jsonschema.validate(told, with_feeds("schema", "cves-report").json)


def test_every_host_has_a_row_in_a_table_for_machines(with_feeds):
    text = with_feeds("patch", "cve", "CVE-2024-0001", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["InstanceId"]: row["Status"] for row in rows}["new-1"] == "UNKNOWN"
    assert {row["FixedVersion"] for row in rows if row["InstanceId"] == "deb-1"} == {"1.0-1+deb12u1"}


def test_open_cves_are_ranked_filtered_and_cut(with_feeds):
    done = with_feeds("patch", "cves", "--top", "2")
    assert done.code == 5
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["CVE", "CVE-2024-0001", "CVE-2024-0102"]
    assert "due 2024-06-01" in done.stdout
    assert "2 shown; 1 that vendors call unimportant are left out" in done.stderr
    assert "not known: new-1" in done.stderr
    rows = list(csv.DictReader(io.StringIO(with_feeds("patch", "cves", "--kev", "--format", "csv").stdout)))
    assert [(row["Cve"], row["KnownExploited"], row["Hosts"]) for row in rows] == [
        ("CVE-2024-0001", "True", "deb-1 rocky-1")
    ]
    assert with_feeds("patch", "cves", "deb-2", "--epss", "0.5").code == 0


def test_a_filter_without_its_feed_is_no_empty_list(scanned):
    for flag in (("--kev",), ("--epss", "0.5")):
        done = scanned("patch", "cves", *flag)
        assert (done.code, "error[not-found]" in done.stderr, "https://" in done.stderr) == (2, True, True)
    assert scanned("patch", "cves", "--epss", "5").code == 2


def test_a_host_that_cannot_be_scanned_now_is_judged_by_what_it_told_before(with_feeds):
    done = with_feeds("patch", "cve", "CVE-2024-0001", "deb-1", "--scan")
    assert done.code == 5
    assert "refused" in done.stderr
    assert "scan of 2026-11-23" in done.stdout


def test_without_any_feed_the_hosts_own_advisories_answer_and_that_is_said(scanned):
    done = scanned("patch", "cve", "CVE-2024-0001", "rocky-1")
    assert done.code == 5
    assert "host-advisories of 2026-11-23: AFFECTED (FLSA-2024:0001)" in done.stdout
    assert "no feed is kept" in done.stderr


def test_hosts_that_were_not_looked_at_for_long_are_warned_of(with_feeds, project):
    (run,) = (project / ".fleetctl" / "runs").glob("*/run.json")
    run.write_text(run.read_text().replace("2026-11-23", "2024-11-23"))
    done = with_feeds("patch", "cve", "CVE-2024-0001", "deb-1,rocky-1,new-1")
    assert "last seen more than 7 days ago: deb-1,rocky-1: look again with --scan" in done.stderr
