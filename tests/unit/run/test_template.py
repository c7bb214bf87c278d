from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import TemplateError
from fleetctl.model import Host
from fleetctl.run.template import template

HOST = Host(
    name="web-1",
    address="10.0.0.1",
    port=2222,
    groups=("web", "eu"),
    tags={"env": "prod"},
    vars={"port": 80, "name": "shop"},
)


def render(text: str, **variables: object) -> str:
    return template(text, name="motd.j2", variables=variables)(HOST)


def test_a_template_sees_the_host_and_its_vars() -> None:
    assert (
        render("{{ host.name }} {{ host.address }}:{{ host.port }} {{ port }} {{ name }}")
        == "web-1 10.0.0.1:2222 80 shop"
    )
    assert (
        render("{{ host.tags.env }} {{ host.groups | join('+') }} {{ host.vars.port }}") == "prod web+eu 80"
    )


def test_the_project_s_values_are_weaker_than_the_host_s() -> None:
    assert render("{{ port }} {{ colour }}", port=1, colour="red") == "80 red"


def test_nothing_is_escaped_for_html_and_the_last_newline_stays() -> None:
    assert render("a < b && c\n") == "a < b && c\n"


@given(value=st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",))))
def test_quote_makes_one_word_of_anything(value: str) -> None:
    line = render("printf %s {{ value | quote }}", value=value)
    assert subprocess.run(["sh", "-c", line], capture_output=True, check=True).stdout.decode() == value


def test_an_undefined_name_is_an_error_with_host_and_line() -> None:
    with pytest.raises(TemplateError, match="web-1: 'nope' is undefined") as caught:
        render("one\ntwo\n{{ nope }}")
    assert str(caught.value.where) == "motd.j2:3"
    assert "default(" in (caught.value.hint or "")


def test_bad_syntax_is_an_error_with_its_line() -> None:
    with pytest.raises(TemplateError) as caught:
        template("ok\n{% if %}", name="motd.j2")
    assert str(caught.value.where) == "motd.j2:2"


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "{{ host.__init__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ host.tags.update({'a': 1}) }}",
        "{% include '/etc/passwd' %}",
        "{{ 1 / 0 }}",
        "{{ 'a' + 1 }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
    ],
)
def test_what_a_template_must_not_do_is_an_error(text: str) -> None:
    with pytest.raises(TemplateError, match="web-1"):
        render(text)
