"""Inventories that are written read the same."""

from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import Where
from fleetctl.hosts import load
from fleetctl.hosts.convert import to_yaml
from fleetctl.hosts.declared import HOST, Declared, GroupEntry, HostEntry, Settings
from fleetctl.hosts.merge import merge
from fleetctl.hosts.native import read
from fleetctl.hosts.schema import schema
from fleetctl.model import Become
from fleetctl.spec.yaml import parse_document

GOLDEN = Path(__file__).parent / "sources/golden"
HERE = Where("x")


def again(inventory):
    text = to_yaml(inventory, source="a\nb")
    document = parse_document(text, file="again.yaml")
    jsonschema.validate(document.data, schema())
    return merge([read(document, folder=Path())])


def same(one, other):
    assert list(one.hosts) == list(other.hosts)
    assert one.hosts == other.hosts
    assert one.groups == other.groups


@pytest.mark.parametrize(
    "path", [GOLDEN / "ini/inventory.ini", GOLDEN / "yaml/inventory.yml", GOLDEN / "folder/10-first.yml"]
)
def test_ansible_inventories_round_trip(path):
    inventory = load([path])
    same(inventory, again(inventory))


NAMES = st.from_regex(r"[a-c]-?[0-9]{1,2}", fullmatch=True)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "address": st.sampled_from(["10.0.0.1", "x.example"]),
        "port": st.integers(1, 65535),
        "user": st.sampled_from(["no", "0o17", "deploy", "1e3", "a b"]),
        "identity_file": st.sampled_from([("a",), ("a", "b")]),
        "transport": st.sampled_from(["fabric", "winrm"]),
        "become": st.sampled_from([Become(), Become(method="su"), Become(user="app")]),
        "jump": st.sampled_from(["bastion", "none"]),
        "zone": st.just("eu"),
        "patch_group": st.just("yes"),
    },
)
SETTINGS = st.builds(
    lambda values, tags, free: Settings(values=values, tags=tags, vars=free),
    VALUES,
    st.dictionaries(st.sampled_from(["role", "env"]), st.sampled_from(["web", "1.10", "no", ""])),
    st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from([1, True, "1", None, [1], {"a": "b"}])),
)


@given(
    st.dictionaries(NAMES, SETTINGS, max_size=12),
    st.lists(st.sets(NAMES, max_size=5), max_size=3),
    st.booleans(),
)
def test_any_inventory_round_trips(hosts, groups, nested):
    declared = Declared(file="x")
    declared.hosts = [
        HostEntry(name=name, where=HERE, settings=said, rank=HOST) for name, said in hosts.items()
    ]
    for number, members in enumerate(groups):
        child = ((f"g{number - 1}", HERE),) if nested and number else ()
        listed = tuple(sorted(members & hosts.keys()))
        declared.groups.append(GroupEntry(name=f"g{number}", where=HERE, hosts=listed, children=child))
    inventory = merge([declared])
    same(inventory, again(inventory))


def test_what_hosts_share_stands_once(inventory):
    text = to_yaml(inventory("hosts: {'w-[1-3]': {user: x, port: 2}, d: {user: x}}"), source="here")
    assert text == (
        "# Made by 'fleetctl hosts import' from here\n\n"
        "defaults: {user: x}\n\n"
        "hosts:\n  w-[1-3]: {port: 2}\n  d: {}\n"
    )


def test_an_empty_inventory_is_one_too(inventory):
    assert again(inventory("")).hosts == {}
