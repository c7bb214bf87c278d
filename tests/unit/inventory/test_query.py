"""Queries are read and answered; those that are wrong show where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import UsageError
from fleetctl.inventory.match import match
from fleetctl.inventory.query import And, Condition, Has, Not, Or, parse_query
from fleetctl.inventory.types import TYPES

DEB = {"PackageManager": "dpkg"}
HOST = {
    "Application": (
        {"Name": "openssl", "Version": "3.0.14", "Release": "1~deb12u2", **DEB},
        {"Name": "bind9", "Version": "9.18.28", "Release": "1", "Epoch": "1", **DEB},
        {"Name": "old", "Version": "1.0~rc1", **DEB},
        {"Name": "musl", "Version": "1.2_rc5", "Release": "r2", "PackageManager": "apk"},
    ),
    "Network": ({"Name": "eth0", "IPV4": "10.0.0.7"}, {"Name": "eth1"}),
    "Service": (),
    "InstanceDetailedInformation": ({"CPUs": "16", "MemoryMB": "2048"},),
}


def ask(text, host=HOST):
    return match(parse_query(text), host.get)


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("Application.Name=openssl", True),
        ("Application.Name=openssl and Application.Version<3.0.14", False),
        ("Application.Name=openssl and Application.Version<=3.0.14", True),
        ("Application.Name=openssl and Application.Version<3.0.15", True),
        ("Application.Name=openssl and Application.Version>=3.0.9", True),
        ("Application.Name=openssl and Application.Version<3.0.14-1", True),
        ("Application.Name=openssl and Application.Version=3.0.14-1~deb12u2", True),
        ("Application.Name=bind9 and Application.Version=9.18.28", True),
        ("Application.Name=bind9 and Application.Version<2:1", True),
        ("Application.Name=old and Application.Version<1.0", True),
        ("Application.Name=openssl and Application.Version>9", False),
        ("Application.Name=musl and Application.Version<1.2", True),
        ("Application.Name=musl and Application.Version>1.2_rc5-r10", False),
        ("Application.Name=openssl and Network.Name=eth0", True),
        ("Application.Name=openssl and not Application.Version^=3.0", False),
        ("not Application.Name=openssl", False),
        ("not Application.Name=nginx", True),
        ("not (Application.Name=openssl and Application.Version<3)", True),
        ("Application.Name=openssl and Application.Name=bind9", False),
        ("has (Application.Name=openssl) and has (Application.Name=bind9)", True),
        ("not has (Application.Name=openssl)", False),
        ("Application.Name=old and not has (Application.Name=openssl)", False),
        ("Application.Name=openssl and (Application.Version<3 or Network.Name=eth0)", True),
        ("Application.Name=openssl and (Application.Version>9 or Network.Name=eth9)", False),
        ("Network.IPV4 exists and Network.Name=eth1", False),
        ("network.ipv4 EXISTS", True),
        ("Service exists", False),
        ("Network.IPV4!=10.0.0.7", True),
        ("InstanceDetailedInformation.CPUs>9", True),
        ("InstanceDetailedInformation.MemoryMB<10000", True),
        ("AWS:Network.Name = 'eth0'", True),
    ],
)
def test_a_query_holds_or_not(query, holds):
    assert ask(query).holds is holds


def test_the_items_that_fit_are_told_once_each():
    found = ask("Application.Name=openssl or Application.Version>=3 or Network.Name=eth1").items
    assert [item["Name"] for item in found["Application"]] == ["openssl", "bind9"]
    assert [item["Name"] for item in found["Network"]] == ["eth1"]


def test_what_was_never_collected_is_not_known_and_never_taken_for_absent():
    told = ask("not Process.User=root")
    assert (told.holds, told.missing) == (None, ("Process",))
    assert ask("Application.Name=openssl and Process exists").holds is None
    assert ask("Application.Name=openssl or Process exists").holds is True


def test_and_binds_closer_than_or_and_words_are_known_in_any_case():
    one, two = (Condition("Network", "Name", "=", name) for name in "ab")
    read = parse_query("Network.Name=a OR Network.Name=b And NOT has(Network.Name=a)")
    assert read == Or((one, And((two, Not(Has(one))))))


@pytest.mark.parametrize(
    ("query", "place", "says"),
    [
        ("", 1, "expected a condition"),
        ("Application.Name=", 18, "expected a value"),
        ("Aplication.Name=x", 1, "no inventory type"),
        ("Application.Nme=x", 13, "has no field 'Nme'"),
        ("Application.=x", 13, "expected a field"),
        ("Application=x", 1, "name a field"),
        ("Application.Name x", 18, "expected one of"),
        ("(Application.Name=x", 1, "has no ')'"),
        ("Application.Name=x)", 19, "expected 'and', 'or' or the end"),
        ("Application.Name=x y", 20, "expected 'and'"),
        ("Application.Name='x", 18, "expected a value"),
        ("'x", 1, "has no end"),
        ("has Application.Name=x", 5, "expected '('"),
        ("not " * 80 + "Application.Name=x", 201, "nested deeper"),
    ],
)
def test_a_wrong_query_shows_where(query, place, says):
    with pytest.raises(UsageError) as caught:
        parse_query(query)
    assert says in caught.value.message
    assert caught.value.message.endswith(f"at character {place}")
    shown, caret = caught.value.hint.split("\n")[:2]
    assert shown in query
    assert caret.index("^") <= 60


def test_a_query_of_too_many_alternatives_is_refused():
    query = " and ".join(["(Network.Name=a or Network.Name=b)"] * 11)
    with pytest.raises(UsageError, match="alternatives"):
        ask(query)


@given(st.text(max_size=80))
def test_any_text_is_a_query_or_a_usage_error(text):
    hint = "^"
    try:
        parse_query(text)
    except UsageError as exc:
        hint = exc.hint
    assert "^" in hint


fields = st.sampled_from([(form.name, field) for form in TYPES.values() for field in form.fields])
conditions = st.builds(
    lambda place, op, value: Condition(*place, op, value),
    fields,
    st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "^="]),
    st.text(st.characters(codec="utf-8", exclude_characters="'", exclude_categories=("C", "Z")), max_size=9),
)
nodes = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(Has, inner),
        st.builds(lambda parts: And(tuple(parts)), st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda parts: Or(tuple(parts)), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=8,
)


def written(node):
    match node:
        case Condition(type_, field, op, value):
            return f"{type_}.{field} {op} '{value}'"
        case Not(part):
            return f"not ({written(part)})"
        case Has(part):
            return f"has ({written(part)})"
        case And(parts):
            return " and ".join(f"({written(part)})" for part in parts)
        case Or(parts):
            return " or ".join(f"({written(part)})" for part in parts)


@given(nodes)
def test_a_query_that_is_written_is_read_as_it_was(node):
    assert parse_query(written(node)) == node


@given(nodes)
def test_a_host_is_in_a_query_or_in_its_denial_never_in_both(node):
    whole = {name: HOST.get(name, ()) for name in TYPES}
    assert match(node, whole.get).holds is not match(Not(Has(node)), whole.get).holds
