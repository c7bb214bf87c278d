"""Ansible's inventories, held against what `ansible-inventory --list` (ansible-core 2.19) printed of them.

To add a case: a folder below `golden/`, or a file in it, and the output beside it. Where ansible-inventory is installed, the
recorded output itself is held against it.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fleetctl.hosts import load
from fleetctl.hosts.declared import Origin
from fleetctl.hosts.merge import merge
from fleetctl.hosts.sources.ansible import Ansible

GOLDEN = Path(__file__).parent / "golden"
CASES = {
    "ini": (GOLDEN / "ini/inventory.ini", GOLDEN / "ini/list.json"),
    "yaml": (GOLDEN / "yaml/inventory.yml", GOLDEN / "yaml/list.json"),
    "folder": (GOLDEN / "folder", GOLDEN / "folder.list.json"),
}


def members(listed, group):
    body = listed.get(group, {})
    return set(body.get("hosts", [])).union(*(members(listed, child) for child in body.get("children", [])))


@pytest.fixture(params=CASES)
def case(request):
    path, recorded = CASES[request.param]
    return merge([Ansible().read(str(path), Origin(folder=Path()))]), json.loads(recorded.read_text())


def test_the_hosts_are_those_of_ansible(case):
    inventory, listed = case
    assert set(inventory.hosts) == members(listed, "all")


def test_the_groups_are_those_of_ansible(case):
    inventory, listed = case
    named = set(listed) - {"_meta", "all", "ungrouped"}
    assert {name: set(inventory.groups[name].hosts) for name in named} == {
        name: members(listed, name) for name in named
    }


def test_the_variables_are_those_of_ansible(case):
    inventory, listed = case
    hostvars = listed["_meta"]["hostvars"]
    assert {name: dict(host.vars) for name, host in inventory.hosts.items()} == {
        name: {key: value for key, value in hostvars.get(name, {}).items() if not key.startswith("ansible_")}
        for name in inventory.hosts
    }


@pytest.mark.parametrize(
    ("field", "variable"), [("address", "ansible_host"), ("port", "ansible_port"), ("user", "ansible_user")]
)
def test_the_connection_is_that_of_ansible(case, field, variable):
    inventory, listed = case
    hostvars = listed["_meta"]["hostvars"]
    assert {name: getattr(host, field) for name, host in inventory.hosts.items()} == {
        name: hostvars.get(name, {}).get(variable) for name in inventory.hosts
    }


def test_the_recorded_list_itself_is_an_inventory_with_the_same_hosts(case, tmp_path):
    inventory, listed = case
    path = tmp_path / "list.json"
    path.write_text(json.dumps(listed))
    again = load([path])
    assert {name: dict(host.vars) for name, host in again.hosts.items()} == {
        name: dict(host.vars) for name, host in inventory.hosts.items()
    }


@pytest.mark.parametrize("name", CASES)
def test_the_record_is_what_ansible_prints(name, tmp_path):
    program = shutil.which("ansible-inventory")
    if program is None:
        pytest.skip("ansible-inventory is not installed; its recorded output is tested")
    path, recorded = CASES[name]
    done = subprocess.run(
        [program, "-i", path, "--list"],
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert json.loads(done.stdout) == json.loads(recorded.read_text())
