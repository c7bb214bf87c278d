"""What fleetctl makes of Ansible's inventories, and how it says what is wrong with them."""

import pytest

from fleetctl.errors import FleetError, ProblemsError
from fleetctl.hosts import load
from fleetctl.hosts.declared import Origin
from fleetctl.hosts.sources.ansible import Ansible
from fleetctl.hosts.sources.ansible_jump import find_jump
from fleetctl.hosts.sources.ansible_ranges import expand_ansible, split_port
from fleetctl.model import Become


@pytest.fixture
def ini(tmp_path):
    def read(text, **files):
        path = tmp_path / "hosts.ini"
        path.write_text(text)
        for name, content in files.items():
            place = tmp_path / name.replace("__", "/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
        return load([path])

    return read


@pytest.fixture
def problems(ini):
    def read(text, **files):
        with pytest.raises(ProblemsError) as caught:
            ini(text, **files)
        return [(problem.where.line, problem.message) for problem in caught.value.problems]

    return read


def test_connection_variables_become_settings(ini):
    host = ini(
        "web ansible_host=10.0.0.1 ansible_port=2222 ansible_user=deploy ansible_connection=paramiko_ssh "
        "ansible_ssh_private_key_file=~/.ssh/web ansible_become=true ansible_become_method=doas ansible_become_user=app x=1"
    ).hosts["web"]
    assert (host.address, host.port, host.user, host.transport) == ("10.0.0.1", 2222, "deploy", "ssh")
    assert host.identity_file == ("~/.ssh/web",)
    assert host.become == Become(method="doas", user="app")
    assert host.vars == {"x": 1}


@pytest.mark.parametrize(
    ("connection", "transport"), [("local", "local"), ("winrm", "winrm"), ("psrp", "winrm"), ("smart", "ssh")]
)
def test_connections_become_transports(ini, connection, transport):
    assert ini(f"a ansible_connection={connection}").hosts["a"].transport == transport


@pytest.mark.parametrize("word", ["no", "false", "False", "0"])
def test_become_can_be_switched_off(ini, word):
    assert ini(f"a ansible_become={word}\n[all:vars]\nansible_become=yes\n").hosts["a"].become is None


def test_a_host_without_a_transport_here_is_left_out_and_said(ini):
    inventory = ini("[net]\nsw1 ansible_connection=network_cli\nweb\n")
    assert list(inventory.hosts) == ["web"]
    assert inventory.groups["net"].hosts == ("web",)
    assert "ansible_connection=network_cli are left out" in inventory.warnings[0].message


def test_values_that_are_no_python_literals_are_text(ini):
    text = (
        r"""[all:vars]
escape='\d+'
call=print(1)
tuple=(1, 2)
deep="""
        + "(" * 5000
    )
    found = ini(f"a\n{text}\n").hosts["a"].vars
    assert found == {"escape": r"\d+", "call": "print(1)", "tuple": "(1, 2)", "deep": "(" * 5000}


def test_passwords_are_not_read_and_that_is_said(ini):
    inventory = ini("a ansible_password=hunter2 ansible_become_pass=hunter3\n")
    assert "hunter" not in repr(inventory)
    assert len(inventory.warnings) == 2


def test_templates_of_connection_variables_are_rendered_from_the_host_s_own(ini):
    text = (
        "web-1.example.com site=eu\n[all:vars]\nansible_host={{ inventory_hostname_short }}.{{ site }}.lan\n"
    )
    assert ini(text).hosts["web-1.example.com"].address == "web-1.eu.lan"


def test_a_template_that_needs_more_is_a_problem(problems):
    ((line, text),) = problems("web ansible_host=\"{{ lookup('env', 'X') }}\"\n")
    assert line == 1
    assert "ansible_host is a template that fleetctl cannot render: 'lookup' is undefined" in text


def test_values_of_ansible_vault_are_left_out_and_said(ini):
    secret = "password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\nplain: 1\nnested: {a: !vault x}\n"
    inventory = ini("web\n", host_vars__web="plain: 1\n", group_vars__all=secret)
    assert inventory.hosts["web"].vars == {"plain": 1}
    assert sorted(warning.message for warning in inventory.warnings) == [
        "'nested' is encrypted with ansible-vault, and left out",
        "'password' is encrypted with ansible-vault, and left out",
    ]


def test_a_file_of_ansible_vault_is_left_out_and_said(ini):
    inventory = ini("web\n", host_vars__web="$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    assert inventory.hosts["web"].vars == {}
    assert "encrypted with ansible-vault" in str(inventory.warnings[0])


def test_an_encrypted_connection_variable_is_a_problem(problems):
    ((_, text),) = problems("web\n", host_vars__web="ansible_user: !vault x\n")
    assert "ansible_user is encrypted" in text


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[web]\na\n[prod:children]\nwbe\n[x:vars]\n", 5, "[x:vars] names a group that is nowhere: 'x'"),
        ("a b\n", 1, "expected name=value behind the host, got 'b'"),
        ("[web:vars]\nnothing\n[web]\n", 2, "expected name=value in [web:vars]"),
        ("[web:child]\n", 1, "a section is [web], [web:children] or [web:vars]"),
        ("a 'b\n", 1, "the line cannot be read"),
        ("web[1-3]\n", 1, "is no range: Ansible writes [01:20] or [a:f]"),
        ("web[01:1]\n", 1, "must be equally long"),
        ("web[1:99999999]\n", 1, "more than 1000000 hosts"),
        ("web[5:1]\n", 1, "empty range"),
        ("web:99999\n", 1, "the port is not between"),
        ("web ansible_port=x\n", 1, "ansible_port is 'x'"),
        ("we/b\n", 1, "'we/b' is no name for a host"),
        ("[a:children]\nb\n[b:children]\na\n", 1, "groups that contain themselves"),
        ("[a:children]\na\n", 1, "groups that contain themselves"),
    ],
)
def test_faults_of_ini_have_their_line(problems, text, line, words):
    found = problems(text)
    assert [number for number, _ in found] == [line]
    assert words in found[0][1]


def test_all_faults_of_a_file_come_at_once(problems):
    assert [line for line, _ in problems("a b\nok\nc d\n")] == [1, 3]


def test_faults_of_vars_files_name_that_file(ini, tmp_path):
    with pytest.raises(ProblemsError) as caught:
        ini("web\n", host_vars__web="a: [\n", group_vars__all="- x\n")
    assert {
        str(problem.where).removeprefix(f"{tmp_path}/").split(":")[0] for problem in caught.value.problems
    } == {
        "host_vars/web",
        "group_vars/all",
    }


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("all:\n  host: {a: }\n", (2, 3), "all: unknown key 'host'"),
        ("all:\n  hosts: [a]\n", (2, 10), "all.hosts: expected a map"),
        ("all:\n  hosts:\n    a[1-2]:\n", (3, 5), "is no range"),
        ("all:\n  children:\n    web: {hosts: {a: 5}}\n", (3, 22), "expected a map"),
    ],
)
def test_faults_of_yaml_have_their_place(tmp_path, text, place, words):
    path = tmp_path / "inventory.yml"
    path.write_text(text)
    with pytest.raises(ProblemsError) as caught:
        Ansible().read("inventory.yml", Origin(folder=tmp_path))
    (problem,) = caught.value.problems
    assert (problem.where.line, problem.where.column) == place
    assert words in problem.message


@pytest.mark.parametrize("argument", [None, 5, "", ["a"], {"x": 1}, "none.ini"])
def test_what_is_no_path_is_refused(tmp_path, argument):
    with pytest.raises(FleetError):
        Ansible().read(argument, Origin(folder=tmp_path))


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("web", ["web"]),
        ("w[1:3]", ["w1", "w2", "w3"]),
        ("w[08:10].x", ["w08.x", "w09.x", "w10.x"]),
        ("w[:2]", ["w0", "w1", "w2"]),
        ("w[1:10:4]", ["w1", "w5", "w9"]),
        ("w[a:c]", ["wa", "wb", "wc"]),
        ("r[1:2]n[a:b]", ["r1na", "r1nb", "r2na", "r2nb"]),
    ],
)
def test_ranges_of_ansible(pattern, names):
    assert expand_ansible(pattern) == names


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("web", ("web", None)),
        ("web:22", ("web", 22)),
        ("w[1:3]:22", ("w[1:3]", 22)),
        ("w[1:3]", ("w[1:3]", None)),
        ("2001:db8::1", ("2001:db8::1", None)),
        ("[2001:db8::1]:22", ("2001:db8::1", 22)),
        ("[2001:db8::1]", ("2001:db8::1", None)),
    ],
)
def test_ports_behind_names(pattern, parts):
    assert split_port(pattern) == parts


@pytest.mark.parametrize(
    ("options", "jump"),
    [
        ("-J bastion", ("bastion", False)),
        ("-Jme@bastion:2222", ("me@bastion:2222", False)),
        ("-o ProxyJump=a,b", ("a,b", False)),
        ("-oProxyJump=a", ("a", False)),
        ("-o 'ProxyJump a'", ("a", False)),
        ("-o StrictHostKeyChecking=no -o ProxyJump=a", ("a", True)),
        ("""-o ProxyCommand="ssh -W %h:%p -q me@bastion" """, ("me@bastion", False)),
        ("""-o ProxyCommand="ssh -p 2222 -l me -W %h:%p bastion" """, ("me@bastion:2222", False)),
        ("""-o ProxyCommand="ssh -i key -W %h:%p bastion" """, (None, True)),
        ("""-o ProxyCommand="nc %h %p" """, (None, True)),
        ("-C -o ControlMaster=auto", (None, True)),
        ("", (None, False)),
    ],
)
def test_the_jump_host_in_options_of_ssh(options, jump):
    assert find_jump(options) == jump
