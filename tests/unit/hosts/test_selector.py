"""Selectors."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import SelectorError, UsageError
from fleetctl.hosts import Group, Inventory, select
from fleetctl.hosts.selector import split_terms
from fleetctl.model import Host

HOSTS = [
    Host(
        name="web-01",
        tags={"role": "web", "env": "prod"},
        groups=("web", "eu"),
        zone="eu",
        patch_group="web-prod",
    ),
    Host(
        name="web-02",
        tags={"role": "web", "env": "prod"},
        groups=("web", "eu"),
        zone="eu",
        patch_group="web-prod",
    ),
    Host(
        name="web-03",
        tags={"role": "web", "env": "test"},
        groups=("web",),
        platform="Debian",
        transport="fabric",
    ),
    Host(name="db-1", tags={"role": "db", "env": "prod", "zone": "own"}, groups=("eu",), platform="rocky"),
    Host(name="win-1", tags={"role": "ad", "os": "windows"}, transport="winrm"),
]
INVENTORY = Inventory(
    hosts={host.name: host for host in HOSTS},
    groups={
        name: Group(name=name, hosts=tuple(host.name for host in HOSTS if name in host.groups))
        for name in ("eu", "web")
    },
)


def chosen(selector, **options):
    return [host.name for host in select(INVENTORY, selector, **options)]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("all", ["web-01", "web-02", "web-03", "db-1", "win-1"]),
        ("*", ["web-01", "web-02", "web-03", "db-1", "win-1"]),
        ("web", ["web-01", "web-02", "web-03"]),
        ("web-02", ["web-02"]),
        ("web-0*", ["web-01", "web-02", "web-03"]),
        ("w*1", ["web-01", "win-1"]),
        ("db-?", ["db-1"]),
        ("e*", ["web-01", "web-02", "db-1"]),
        ("web-[01-02]", ["web-01", "web-02"]),
        ("web-[02-09]", ["web-02", "web-03"]),
        ("web-[01,03]", ["web-01", "web-03"]),
        ("w??-0[1-2]*", ["web-01", "web-02"]),
        ("role=web", ["web-01", "web-02", "web-03"]),
        ("role=*b", ["web-01", "web-02", "web-03", "db-1"]),
        ("tag:role=db", ["db-1"]),
        ("os=debian", ["web-03"]),
        ("platform=ROCKY", ["db-1"]),
        ("os=windows", ["win-1"]),
        ("zone=eu", ["web-01", "web-02"]),
        ("zone=*", ["web-01", "web-02", "db-1"]),
        ("tag:zone=own", ["db-1"]),
        ("group=eu", ["web-01", "web-02", "db-1"]),
        ("transport=winrm", ["win-1"]),
        ("patch-group=web-prod", ["web-01", "web-02"]),
        ("web,&env=prod,!web-02", ["web-01"]),
        ("web , & env=prod , ! web-02", ["web-01"]),
        ("win-1,web-01", ["web-01", "win-1"]),
        ("web,!web,db-1", ["db-1"]),
        ("web,!nothing-like-it", ["web-01", "web-02", "web-03"]),
        ("!web", ["db-1", "win-1"]),
        ("&role=db", ["db-1"]),
        ("web-01,", ["web-01"]),
    ],
)
def test_selectors_choose(selector, names):
    assert chosen(selector) == names


@pytest.mark.parametrize(
    ("selector", "message", "hint"),
    [
        ("webb", "'webb' matches no host, group or tag", "did you mean 'web'"),
        ("web,db-2", "'db-2' matches no host", "did you mean 'db-1'"),
        ("WEB-01", "'WEB-01' matches no host", "'web-01'"),
        ("role=wbe", "'role=wbe' matches no host", "did you mean 'role=web'"),
        ("rloe=web", "'rloe=web' matches no host", "did you mean 'role=web'"),
        ("zone=us", "'zone=us' matches no host", "'zone=eu'"),
        ("group=webs", "'group=webs' matches no host", "'group=web'"),
        ("zzzzzz", "'zzzzzz' matches no host", "known: eu, web, web-01"),
        ("web,&role=xx", "'role=xx' matches no host", None),
        ("web,&win-1", "'web,&win-1' leaves no host", None),
        ("web,!web", "'web,!web' leaves no host", None),
        ("", "it is empty", "every host is 'all'"),
        ("  ", "it is empty", None),
        ("web,,db-1", "nothing between two commas", None),
        (",web", "nothing between two commas", None),
        ("!", "'!' is no term", None),
        ("!!web", "'!!web' is no term", None),
        ("&!web", "'&!web' is no term", None),
        ("role=", "'role=' is no term", "TAG=VALUE"),
        ("=web", "'=web' is no term", None),
        ("web-[1", "brackets do not match", None),
        ("web-1]", "brackets do not match", None),
        ("web-[a-b]", "is no range", None),
        ("web-[1-99999999]", "more than 1000000", None),
        ("@failed", "'@failed' is no term", "@failed:RUN"),
        ("@failed:last", "no runs are known here", None),
    ],
)
def test_what_is_wrong_is_said(selector, message, hint):
    with pytest.raises(SelectorError) as caught:
        chosen(selector)
    assert message in caught.value.message
    if hint:
        assert hint in caught.value.hint


def test_hosts_of_a_run_come_from_the_caller():
    asked = []

    def resolve(kind, run):
        asked.append((kind, run))
        return ["web-02", "gone", "db-1"]

    assert chosen("@failed:20261123-ab12,!db-1", resolve_run=resolve) == ["web-02"]
    assert asked == [("failed", "20261123-ab12")]


def test_a_run_without_such_hosts_matches_nothing():
    with pytest.raises(SelectorError, match="'@unreachable:last' matches no host"):
        chosen("@unreachable:last", resolve_run=lambda *_: [])


def test_a_run_whose_hosts_are_gone_is_said():
    with pytest.raises(SelectorError, match="none of its 1 hosts is in the inventory"):
        chosen("@failed:last", resolve_run=lambda *_: ["gone"])


def test_limit_takes_the_first_in_inventory_order():
    assert chosen("win-1,web", limit=2) == ["web-01", "web-02"]
    assert chosen("web", limit=10) == ["web-01", "web-02", "web-03"]
    with pytest.raises(UsageError):
        chosen("web", limit=0)


def test_exclude_leaves_out():
    assert chosen("all", exclude="web,win-*") == ["db-1"]
    assert chosen("db-1", exclude="nothing-like-it") == ["db-1"]
    with pytest.raises(SelectorError, match="'web' without 'role=web' leaves no host"):
        chosen("web", exclude="role=web")
    with pytest.raises(SelectorError, match="makes no sense"):
        chosen("web", exclude="!web-01")


def test_limit_counts_after_exclude():
    assert chosen("web", exclude="web-01", limit=1) == ["web-02"]


def test_an_inventory_without_hosts_matches_nothing():
    with pytest.raises(SelectorError, match="the inventory has no hosts"):
        select(Inventory(hosts={}), "all")


def test_brackets_in_values_of_tags_are_text():
    inventory = Inventory(
        hosts={"a": Host(name="a", tags={"x": "[1]"}), "b": Host(name="b", tags={"x": "1"})}
    )
    assert [host.name for host in select(inventory, "x=[1]")] == ["a"]


def test_commas_inside_brackets_do_not_separate():
    assert split_terms("a[1,2],b , c[3]d[4,5]") == ["a[1,2]", "b", "c[3]d[4,5]"]


# The naive model: every term is a predicate, the list is folded from the left over sets.

ATOMS = [
    "web-01",
    "web-02",
    "db-1",
    "win-1",
    "web",
    "eu",
    "web-0*",
    "*-1",
    "role=web",
    "env=prod",
    "role=*",
    "zone=eu",
    "all",
]


def naive_match(atom, host):
    if atom == "all":
        return True
    key, equals, value = atom.partition("=")
    if equals:
        own = [host.tags.get(key)] + ([host.zone] if key == "zone" else [])
        return any(text is not None and fnmatchcase(text, value) for text in own)
    return fnmatchcase(host.name, atom) or any(fnmatchcase(group, atom) for group in host.groups)


def naive(terms):
    everything = [host.name for host in HOSTS]
    result = set(everything) if terms[0][0] else set()
    for sign, atom in terms:
        found = {host.name for host in HOSTS if naive_match(atom, host)}
        if sign == "&":
            result &= found
        elif sign == "!":
            result -= found
        else:
            result |= found
    return [name for name in everything if name in result]


@given(st.lists(st.tuples(st.sampled_from(["", "&", "!"]), st.sampled_from(ATOMS)), min_size=1, max_size=6))
def test_selectors_agree_with_sets(terms):
    text = ",".join(sign + atom for sign, atom in terms)
    expected = naive(terms)
    if expected:
        assert chosen(text) == expected
    else:
        with pytest.raises(SelectorError):
            chosen(text)


@given(st.text(alphabet="web-01,&!=[]*?@: all\0\n", max_size=20))
def test_any_text_selects_or_is_refused_with_words(text):
    try:
        names = chosen(text)
    except SelectorError:
        return
    assert names
