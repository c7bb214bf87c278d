"""The YAML inventory: what it may say, and how it says what is wrong."""

import pytest

from fleetctl.errors import ProblemsError, Where
from fleetctl.hosts import load
from fleetctl.model import Become

DESIGN = """\
defaults: {user: deploy, become: sudo}
groups:
  web:
    tags: {role: web, env: prod}
    patch_group: web-prod
    hosts:
      web-[01-20].example.net:
      web-21.example.net: {address: 10.0.0.21, port: 2222}
  eu: {children: [web], zone: eu, jump: bastion-eu}
hosts:
  win-1: {transport: winrm, user: Administrator, tags: {role: ad}}
"""


def test_the_inventory_of_the_design_is_read_whole(inventory):
    found = inventory(DESIGN)
    assert len(found.hosts) == 22
    web = found.hosts["web-07.example.net"]
    assert (web.user, web.become, web.patch_group, web.zone, web.jump) == (
        "deploy",
        Become(method="sudo"),
        "web-prod",
        "eu",
        "bastion-eu",
    )
    assert web.tags == {"role": "web", "env": "prod"}
    assert web.groups == ("web", "eu")
    assert web.source == Where("inv.yaml", 7, 7)
    last = found.hosts["web-21.example.net"]
    assert (last.target, last.port) == ("10.0.0.21", 2222)
    windows = found.hosts["win-1"]
    assert (windows.transport, windows.user, windows.tags, windows.groups) == (
        "winrm",
        "Administrator",
        {"role": "ad"},
        (),
    )


def test_hosts_keep_the_order_of_the_file(inventory):
    text = "hosts: {z: , a: }\ngroups:\n  g: {hosts: [m, a, b]}\n"
    assert list(inventory(text).hosts) == ["z", "a", "m", "b"]


def test_hosts_may_be_a_list(inventory):
    assert list(inventory("hosts: ['db-[1-2]', mail]").hosts) == ["db-1", "db-2", "mail"]


def test_a_range_of_addresses_is_dealt_out(inventory):
    hosts = inventory("hosts: {'db-[1-3]': {address: '10.0.1.[11-13]'}}").hosts
    assert [host.address for host in hosts.values()] == ["10.0.1.11", "10.0.1.12", "10.0.1.13"]


def test_tags_are_text_as_written(inventory):
    tags = inventory("hosts: {a: {tags: {version: 1.10, mode: 0755, on: yes, flag: true}}}").hosts["a"].tags
    assert tags == {"version": "1.10", "mode": "0755", "on": "yes", "flag": "true"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("sudo", Become(method="sudo")),
        ("doas", Become(method="doas")),
        ("{method: su, user: app}", Become(method="su", user="app")),
        ("{user: app}", Become(method="sudo", user="app")),
        ("false", None),
    ],
)
def test_become_has_three_forms(inventory, written, meant):
    text = f"defaults: {{become: {{method: doas, user: x}}}}\nhosts: {{a: {{become: {written}}}}}"
    assert inventory(text).hosts["a"].become == meant


@pytest.mark.parametrize(("written", "meant"), [("~/.ssh/a", ("~/.ssh/a",)), ("[a, b]", ("a", "b"))])
def test_identity_files_are_one_or_several(inventory, written, meant):
    assert inventory(f"hosts: {{a: {{identity_file: {written}}}}}").hosts["a"].identity_file == meant


def test_what_is_null_says_nothing(inventory):
    text = "defaults: {user: deploy}\nhosts: {a: {user: , tags: , vars: , port: ~}}\ngroups: {g: }\n"
    assert inventory(text).hosts["a"].user == "deploy"


def test_vars_may_be_anything(inventory):
    text = "hosts: {a: {vars: {ports: [80, 443], tls: {on: true}, when: 22:30}}}"
    assert inventory(text).hosts["a"].vars == {"ports": [80, 443], "tls": {"on": True}, "when": "22:30"}


def test_an_empty_file_has_no_hosts(inventory):
    assert inventory("").hosts == {}


def test_sources_are_read_beside_the_file(inventory, tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old/hosts.ini").write_text("[web]\nweb-1 ansible_port=2222\n")
    (tmp_path / "ssh").write_text("Host db-1\n  User postgres\n")
    (tmp_path / "list.json").write_text('{"cloud": ["c-1"]}')
    found = inventory(
        "defaults: {user: deploy}\n"
        "groups: {web: {tags: {role: web}}}\n"
        "sources:\n  - ansible: old/hosts.ini\n  - ssh_config: ssh\n  - command: [cat, list.json]\n"
        "hosts: {web-1: {port: 22}}\n"
    )
    assert list(found.hosts) == ["web-1", "db-1", "c-1"]
    web = found.hosts["web-1"]
    assert (web.port, web.user, web.tags) == (22, "deploy", {"role": "web"})
    assert found.hosts["db-1"].user == "postgres"
    assert found.groups["cloud"].hosts == ("c-1",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hosts:\n  web-1: {prot: 22}", "inv.yaml:2:11: hosts.web-1: unknown key 'prot'"),
        ("hosts: {a: {transport: shs}}", "inv.yaml:1:13: hosts.a.transport: unknown transport 'shs'"),
        ("hosts: {'web-[1-': }", "inv.yaml:1:9: hosts.web-[1-: 'web-[1-' is no name and no range"),
        ("hosts: {'web-[a-c]': }", "'[a-c]' in 'web-[a-c]' is no range: write [01-20], [1-9/2] or [1,3,5]"),
        ("hosts: {'web-[3-1]': }", "is an empty range"),
        ("hosts: {'w[1-9999][1-9999]': }", "names 99980001 hosts, more than 1000000"),
        ("hosts: {'a b': }", "'a b' is no name for a host"),
        ("hosts: {../x: }", "'../x' is no name for a host"),
        ("hosts: {'-x': }", "'-x' is no name for a host"),
        ("hosts: {'a,b': }", "'a,b' is no name for a host"),
        ("hosts: {'': }", "'' is no name for a host"),
        (f"hosts: {{{'x' * 300}: }}", "at most 200 characters"),
        ("groups: {'a b': }", "inv.yaml:1:10: groups.a b: 'a b' is no name for a group"),
        ("groups: {all: {user: x}}", "give settings to all hosts under 'defaults'"),
        ("hosts: {'db-[1-3]': {address: 10.0.0.1}}", "hosts.db-[1-3].address: 1 address for 3 hosts"),
        ("hosts: {'db-[1-3]': {address: '10.0.0.[1-2]'}}", "2 addresses for 3 hosts"),
        ("hosts: {a: {address: '-oProxyCommand=x'}}", "hosts.a.address: expected text that matches"),
        ("hosts: {a: {address: 'a b'}}", "hosts.a.address: expected text that matches"),
        ("hosts: {a: {tags: {'a=b': x}}}", "'a=b' is no key here"),
        ("sources: [{ansibel: x}]", "inv.yaml:1:12: sources[0].ansibel: unknown source 'ansibel'"),
        ("sources: [{ansible: x, command: y}]", "sources[0]: one source each"),
        ("sources: [{ansible: none.ini}]", "inv.yaml:1:12: there is no inventory none.ini"),
        ("sources: [{command: ['false', x]}]", "inv.yaml:1:12: 'false' ended with exit code 1"),
        ("hosts: {a: {user: !vault x}}", "inv.yaml:1:19: the tag !vault is not supported"),
    ],
)
def test_a_fault_is_said_with_its_place(problems, text, problem):
    (found,) = problems(text)
    assert problem in found


def test_all_faults_come_at_once(problems):
    text = "hosts:\n  a: {transport: shs}\n  'b c': {}\n  'd[': {}\nsources: [{x: 1}]\n"
    assert [line.split(":")[1] for line in problems(text)] == ["2", "3", "4", "5"]


def test_hints_say_what_was_meant(tmp_path):
    path = tmp_path / "inv.yaml"
    path.write_text("hosts: {a: {transport: fabrik}}\nsources: [{ansibel: x}]\n")
    with pytest.raises(ProblemsError) as caught:
        load([path])
    assert [problem.hint for problem in caught.value.problems] == [
        "did you mean 'fabric'?",
        "did you mean 'ansible'?",
    ]
