"""`fleetctl hosts`, as a user runs it."""

import csv
import io
import json

import pytest
import yaml

FIELDS = [
    "name",
    "address",
    "port",
    "user",
    "transport",
    "groups",
    "tags",
    "zone",
    "platform",
    "patch_group",
    "jump",
    "become",
    "identity_file",
    "vars",
]


@pytest.fixture
def hosts(project):
    path = project / "inventories/hosts.yaml"
    path.write_text(
        """\
defaults: {user: deploy, become: sudo}
groups:
  web:
    tags: {role: web, env: prod}
    patch_group: web-prod
    hosts: {'web-[01-03]': , web-04: {address: 10.0.0.4, port: 2222, vars: {x: [1, 2]}}}
  eu: {children: [web], zone: eu, jump: bastion-eu}
hosts:
  win-1: {transport: winrm, user: Administrator, tags: {role: ad}}
"""
    )
    return path


def test_list_takes_a_selector(fleetctl, hosts):
    done = fleetctl("hosts", "list", "web,&env=prod,!web-03", "--format", "names")
    assert (done.code, done.stdout) == (0, "web-01\nweb-02\nweb-04\n")


def test_list_is_a_table_by_default(fleetctl, hosts):
    lines = fleetctl("hosts", "list").stdout.splitlines()
    assert lines[0].split() == ["HOST", "ADDRESS", "USER", "TRANSPORT", "GROUPS", "ZONE", "TAGS"]
    assert lines[4].split() == [
        "web-04",
        "10.0.0.4:2222",
        "deploy",
        "ssh",
        "web,eu",
        "eu",
        "role=web,env=prod",
    ]
    assert len(lines) == 6


def test_list_as_json_has_every_field(fleetctl, hosts):
    found = {item["name"]: item for item in fleetctl("hosts", "list", "--format", "json").json}
    assert list(found) == ["web-01", "web-02", "web-03", "web-04", "win-1"]
    assert list(found["web-04"]) == FIELDS
    assert found["web-04"] == {
        "name": "web-04",
        "address": "10.0.0.4",
        "port": 2222,
        "user": "deploy",
        "transport": "ssh",
        "groups": ["web", "eu"],
        "tags": {"role": "web", "env": "prod"},
        "zone": "eu",
        "platform": None,
        "patch_group": "web-prod",
        "jump": "bastion-eu",
        "become": {"method": "sudo", "user": "root"},
        "identity_file": [],
        "vars": {"x": [1, 2]},
    }
    assert found["web-01"]["address"] == "web-01"


def test_the_formats_agree(fleetctl, hosts):
    listed = fleetctl("hosts", "list", "--format", "json").json
    lines = fleetctl("hosts", "list", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == listed
    assert yaml.safe_load(fleetctl("hosts", "list", "--format", "yaml").stdout) == listed
    table = list(csv.DictReader(io.StringIO(fleetctl("hosts", "list", "--format", "csv").stdout)))
    assert [row["name"] for row in table] == [item["name"] for item in listed]
    assert table[3]["tags"] == "role=web;env=prod"


def test_limit_and_exclude(fleetctl, hosts):
    done = fleetctl("hosts", "list", "--limit", "2", "--exclude", "web-01", "--format", "names")
    assert done.stdout == "web-02\nweb-03\n"


def test_output_goes_to_a_file(fleetctl, hosts, project):
    done = fleetctl("hosts", "list", "--format", "names", "--output", "names.txt")
    assert done.stdout == ""
    assert (project / "names.txt").read_text().startswith("web-01\n")


def test_nothing_matched_is_exit_2_with_the_nearest_name(fleetctl, hosts):
    done = fleetctl("hosts", "list", "webb")
    assert done.code == 2
    assert "error[selector]: 'webb' matches no host, group or tag" in done.stderr
    assert "did you mean 'web'" in done.stderr


def test_show_tells_all_of_one_host(fleetctl, hosts):
    done = fleetctl("hosts", "show", "web-04")
    assert ["port", "2222"] in [line.split() for line in done.stdout.splitlines()]
    assert "sudo to root" in done.stdout
    assert "hosts.yaml:6:30" in done.stdout
    assert fleetctl("hosts", "show", "web-04", "--format", "json").json["source"].endswith("hosts.yaml:6:30")


def test_show_of_an_unknown_host_names_the_nearest(fleetctl, hosts):
    done = fleetctl("hosts", "show", "web-4")
    assert done.code == 2
    assert "error[not-found]: there is no host 'web-4'" in done.stderr
    assert "'web-04'" in done.stderr


def test_graph_draws_groups(fleetctl, hosts):
    assert "    └── web (4 hosts): web-[01-04]\n" in fleetctl("hosts", "graph").stdout.replace("│", " ")


def test_check_counts_what_is_right(fleetctl, hosts):
    assert fleetctl("hosts", "check").stdout == "ok: 1 file, 5 hosts, 2 groups\n"


def test_check_tells_everything_that_is_wrong_with_its_place(fleetctl, hosts):
    hosts.write_text("hosts:\n  web-1: {prot: 22}\n  web-2: {transport: shs}\n")
    done = fleetctl("hosts", "check", "inventories/hosts.yaml")
    assert done.code == 2
    assert done.stderr == (
        "error[problems]: inventories/hosts.yaml:2:11: hosts.web-1: unknown key 'prot'\n"
        "  hint: did you mean 'port'?\n"
    )
    hosts.write_text("hosts:\n  web-1: {transport: shs}\n  a b: {}\n  web-1: {}\n")
    assert "duplicate key 'web-1', first at line 2" in fleetctl("hosts", "check").stderr


def test_check_takes_several_paths(fleetctl, hosts, project):
    (project / "more.ini").write_text("[db]\ndb-1\n")
    done = fleetctl("hosts", "check", "inventories", "more.ini")
    assert done.stdout == "ok: 2 files, 6 hosts, 3 groups\n"


def test_import_writes_what_reads_the_same(fleetctl, project):
    (project / "hosts.ini").write_text("[web]\nweb[1:3] ansible_user=u x=1\n[prod:children]\nweb\n")
    before = fleetctl("-i", "hosts.ini", "hosts", "list", "--format", "json").json
    done = fleetctl("hosts", "import", "hosts.ini", "--output", "new.yaml")
    assert (done.code, done.stdout) == (0, "")
    assert fleetctl("-i", "new.yaml", "hosts", "list", "--format", "json").json == before


def test_import_tells_what_it_left_out(fleetctl, project):
    (project / "hosts.ini").write_text("a ansible_password=hunter2\n")
    done = fleetctl("hosts", "import", "hosts.ini")
    assert "hunter2" not in done.stdout + done.stderr
    assert "warning: hosts.ini: ansible_password is not read" in done.stderr


@pytest.mark.parametrize("place", [("-i", "a,b,"), ("-i", "a,", "-i", "b,")])
def test_hosts_on_the_command_line(fleetctl, project, place):
    assert fleetctl(*place, "hosts", "list", "--format", "names").stdout == "a\nb\n"


@pytest.mark.parametrize(
    "text",
    [
        "hosts: [",
        "hosts: {a: 5}",
        "- a",
        "groups: {a: {children: [b]}}",
        "hosts: {a: , a: }",
        "\tx",
        "x: !!python/name:os x",
    ],
)
def test_bad_inventories_are_exit_2_without_a_traceback(fleetctl, hosts, text):
    hosts.write_text(text)
    done = fleetctl("hosts", "list")
    assert done.code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error[")
    assert "hosts.yaml:" in done.stderr


def test_the_installed_program_lists_hosts(program, hosts):
    done = program("hosts", "list", "win-1", "--format", "json")
    assert [item["name"] for item in json.loads(done.stdout)] == ["win-1"]
