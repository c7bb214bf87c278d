"""Programs that print hosts."""

import json
import stat

import pytest

from fleetctl.errors import InventoryError, ProblemsError, Where
from fleetctl.hosts import load
from fleetctl.hosts.declared import Origin
from fleetctl.hosts.sources.command import CommandOutput

LIST = {
    "web": {"hosts": ["a", "b"], "vars": {"ansible_user": "u", "x": 1}},
    "plain": ["c"],
    "up": {"children": ["web"]},
    "_meta": {"hostvars": {"a": {"ansible_host": "192.0.2.1", "x": 2}, "d": {}}},
}


@pytest.fixture
def program(tmp_path):
    def make(body):
        path = tmp_path / "inventory"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make


def printing(value):
    return f"cat <<'END'\n{json.dumps(value)}\nEND"


def read(argument, folder):
    return CommandOutput().read(argument, Origin(folder=folder, where=Where("hosts.yaml", 3, 5)))


def test_hosts_groups_and_variables_are_read(program):
    inventory = load([program(printing(LIST))])
    assert list(inventory.hosts) == ["a", "b", "c", "d"]
    assert inventory.hosts["a"].address == "192.0.2.1"
    assert inventory.hosts["a"].user == "u"
    assert [inventory.hosts[name].vars.get("x") for name in "abc"] == [2, 1, None]
    assert inventory.groups["up"].hosts == ("a", "b")
    assert inventory.hosts["d"].groups == ()


def test_a_bare_program_is_given_list_as_ansible_does(program, tmp_path):
    program('[ "$*" = --list ] && echo \'{"g": ["yes"]}\'')
    assert [entry.name for entry in read(["./inventory"], tmp_path).hosts] == ["yes"]
    assert [entry.name for entry in read("./inventory", tmp_path).hosts] == ["yes"]


def test_arguments_are_passed_as_written(program, tmp_path):
    program('printf \'{"g": ["%s"]}\' "$#-$1"')
    assert [entry.name for entry in read(["./inventory", "x y".replace(" ", "_")], tmp_path).hosts] == [
        "1-x_y"
    ]


def test_it_runs_in_the_folder_of_the_file(program, tmp_path):
    (tmp_path / "data.json").write_text('{"g": ["here"]}')
    assert [entry.name for entry in read(["cat", "data.json"], tmp_path).hosts] == ["here"]


@pytest.mark.parametrize(
    ("body", "words", "hint"),
    [
        ("echo no credentials >&2; exit 3", "ended with exit code 3", "no credentials"),
        ("exit 1", "ended with exit code 1", "it said nothing"),
        ("kill -9 $$", "was killed by signal 9", "it said nothing"),
        ("echo '{'; echo odd >&2", "did not print JSON", "odd"),
        ("echo hello", "did not print JSON", "hello"),
    ],
)
def test_a_program_that_fails_is_said_with_its_own_words(program, tmp_path, body, words, hint):
    program(body)
    with pytest.raises(InventoryError, match=words) as caught:
        read(["./inventory"], tmp_path)
    assert hint in caught.value.hint
    assert caught.value.where == Where("hosts.yaml", 3, 5)


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(InventoryError, match="cannot be run: No such file"):
        read(["./none"], tmp_path)


def test_a_program_that_may_not_be_run(tmp_path):
    (tmp_path / "inventory").write_text("#!/bin/sh\n")
    with pytest.raises(InventoryError) as caught:
        read(["./inventory"], tmp_path)
    assert caught.value.hint == "chmod +x it"


@pytest.mark.parametrize("argument", [None, [], [1], "", {"a": 1}, ["a\0b"]])
def test_what_is_no_argv_is_refused(tmp_path, argument):
    with pytest.raises(InventoryError):
        read(argument, tmp_path)


@pytest.mark.parametrize(
    "value",
    [
        [],
        5,
        {"web": 5},
        {"web": {"hosts": "a"}},
        {"web": {"hosts": ["a/b"]}},
        {"_meta": {"hostvars": []}},
        {"_meta": {"hostvars": {"a": 1}}},
        {"a": {"children": ["b"]}, "b": {"children": ["a"]}},
        {"all": {"children": ["all"]}},
    ],
)
def test_json_of_another_form_is_a_problem(program, value):
    with pytest.raises(ProblemsError):
        load([program(printing(value))])
