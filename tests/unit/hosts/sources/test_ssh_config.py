"""Hosts of OpenSSH configurations."""

import pytest

from fleetctl.errors import FleetError
from fleetctl.hosts import load
from fleetctl.hosts.declared import Origin
from fleetctl.hosts.sources.ssh_config import SshConfig

CONFIG = """\
# mine
Include conf.d/*

Host web-1 web-2 !web-3   # two of them
    HostName %h.example.com
    User deploy
    Port=2222
Host db* !db-9
    User postgres
Host "db-1" db-9
    ProxyJump bastion
Match host web-1
    User somebody
Host *
    User nobody
    IdentityFile ~/.ssh/one
    IdentityFile "~/.ssh/the second"
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh/conf.d").mkdir(parents=True)
    return tmp_path


def test_concrete_names_are_hosts_and_patterns_are_not(home):
    path = home / "config"
    path.write_text(CONFIG)
    (home / ".ssh/conf.d/more").write_text("Host included\n  User inner\n")
    inventory = load([path])
    assert list(inventory.hosts) == ["included", "web-1", "web-2", "db-1", "db-9"]
    assert inventory.hosts["web-2"].source.line == 4
    assert inventory.hosts["included"].source.file.endswith("conf.d/more")


def test_values_are_the_first_that_apply(home):
    path = home / "config"
    path.write_text(CONFIG)
    (home / ".ssh/conf.d/more").write_text("Host included\n  User inner\n")
    hosts = load([path]).hosts
    web, db1, db9 = hosts["web-1"], hosts["db-1"], hosts["db-9"]
    assert (web.address, web.port, web.user) == ("web-1.example.com", 2222, "deploy")
    assert web.identity_file == ("~/.ssh/one", "~/.ssh/the second")
    assert (db1.user, db1.jump, db1.address) == ("postgres", "bastion", None)
    assert (db9.user, db9.jump) == ("nobody", "bastion")
    assert hosts["included"].user == "inner"


def test_a_block_goes_on_behind_an_include(home):
    path = home / "config"
    path.write_text("Host a b\n  Include conf.d/x\n  User outer\n")
    (home / ".ssh/conf.d/x").write_text("Host b\n  User inner\n")
    hosts = load([path]).hosts
    assert (hosts["a"].user, hosts["b"].user) == ("outer", "inner")


def test_of_the_user_s_own_file_only_names_are_taken(home):
    path = home / ".ssh/config"
    path.write_text(CONFIG)
    host = load([path]).hosts["web-1"]
    assert (host.address, host.port, host.user, host.identity_file) == (None, None, None, ())


def test_the_home_folder_is_understood(home):
    (home / ".ssh/config").write_text("Host a\n")
    declared = SshConfig().read("~/.ssh/config", Origin(folder=home))
    assert [entry.name for entry in declared.hosts] == ["a"]


def test_a_port_that_is_none_is_a_problem(home):
    (home / "config").write_text("Host a\n  Port ssh\n")
    with pytest.raises(FleetError, match="a: 'ssh' is no port"):
        load([home / "config"])


def test_files_that_include_one_another_end(home):
    (home / ".ssh/config").write_text("Include config\nHost a\n")
    with pytest.raises(FleetError, match="nested too deeply"):
        load([home / ".ssh/config"])


@pytest.mark.parametrize("argument", [None, 5, "", "none", "."])
def test_what_is_no_file_is_refused(home, argument):
    with pytest.raises(FleetError):
        SshConfig().read(argument, Origin(folder=home))
