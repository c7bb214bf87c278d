"""What ssh_config says about a host, held against the real `ssh -G`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import ConfigError
from fleetctl.transport.ssh_config import Settings, SshConfig


def oracle(path: Path, host: str, *arguments: str) -> dict[str, list[str]]:
    done = subprocess.run(
        ["ssh", "-G", "-F", path, *arguments, host],
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    told: dict[str, list[str]] = {}
    for text in done.stdout.splitlines():
        keyword, _, value = text.partition(" ")
        told.setdefault(keyword, []).append(value)
    return told


def agree(settings: Settings, told: dict[str, list[str]]) -> None:
    """Compare everything that matters for reaching a host."""

    def first(keyword: str) -> str | None:
        value = told.get(keyword, ["none"])[0]
        return None if value == "none" else value

    assert settings.hostname == first("hostname")
    assert settings.port is None or str(settings.port) == first("port")
    assert settings.user is None or settings.user == first("user")
    assert settings.proxy_jump == first("proxyjump")
    assert settings.host_key_alias == first("hostkeyalias")
    assert settings.identities_only == (first("identitiesonly") == "yes")
    assert settings.hash_known_hosts == (first("hashknownhosts") == "yes")
    assert settings.tcp_keepalive == (first("tcpkeepalive") == "yes")
    assert settings.compression == (first("compression") == "yes")
    assert settings.address_family == first("addressfamily")

    def expanded(text: str) -> str:
        """`ssh -G` leaves tokens of some options as they are."""
        for token, keyword in (("%r", "user"), ("%p", "port"), ("%h", "hostname")):
            text = text.replace(token, told[keyword][0])
        return str(Path(text).expanduser())

    if settings.identity_files:
        assert [str(path) for path in settings.identity_files] == list(map(expanded, told["identityfile"]))
    if settings.user_known_hosts:
        files = told["userknownhostsfile"][0].split()
        assert [str(path) for path in settings.user_known_hosts] == list(map(expanded, files))


def read(tmp_path: Path, text: str) -> SshConfig:
    path = tmp_path / "config"
    path.write_text(text)
    return SshConfig(path)


CONFIG = """\
# a comment
Host web-*  !web-9
    HostName %h.example.net
    User = deploy
    Port=2222
    IdentityFile ~/.ssh/web_%r_%p
    IdentityFile "/keys/with space"   # both
    ProxyJump bastion.example.net:2200,other

Host web-1 db
  User other
  HostKeyAlias alias-%n
  HashKnownHosts yes
  IdentityFile /keys/db

Host *.example.net
    ProxyJump none
    TCPKeepAlive no

Match host web-2.example.net user deploy
    Compression yes
    AddressFamily inet

Match originalhost web-3 !user deploy
    Compression yes

Match user root
    IdentitiesOnly yes

Match localuser nobody-here
    Port 1

Match exec "test %n = web-4"
    UserKnownHostsFile /k/%h /k/two

Host *
    Port 2200
    UserKnownHostsFile ~/.ssh/kh_%n
    IdentityFile /keys/all
"""


@pytest.mark.parametrize(
    "host", ["web-1", "web-2", "web-3", "web-4", "web-9", "db", "x.example.net", "WEB-1", "10.0.0.1", "other"]
)
@pytest.mark.parametrize("given_", [(), ("-l", "root"), ("-p", "99"), ("-l", "deploy", "-p", "7")])
def test_agrees_with_ssh(tmp_path, host, given_):
    config = read(tmp_path, CONFIG)
    options = dict(zip(given_[::2], given_[1::2], strict=True))
    settings = config.settings(
        host, user=options.get("-l"), port=int(options["-p"]) if "-p" in options else None
    )
    agree(settings, oracle(tmp_path / "config", host, *given_))


def test_includes_are_conditional_and_end_where_they_end(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "10.conf").write_text("User first\nHost nobody\n  Port 1\n")
    (tmp_path / "d" / "20.conf").write_text("Port 2022\nHost web-1\n  HostKeyAlias inner\n")
    config = read(
        tmp_path,
        f"Host web-*\n  Include {tmp_path}/d/*.conf\n  HashKnownHosts yes\nHost *\n  Include {tmp_path}/none\n",
    )
    for host in ("web-1", "web-2", "db"):
        agree(config.settings(host), oracle(tmp_path / "config", host))
    assert config.settings("web-1").host_key_alias == "inner"
    assert config.settings("web-2").hash_known_hosts
    assert config.settings("db").user is None


def test_match_final_is_a_second_pass(tmp_path):
    config = read(
        tmp_path,
        "Host web\n  HostName real.example.net\nMatch final host real.example.net\n  User late\nMatch final\n  Port 99\n",
    )
    for host in ("web", "other"):
        agree(config.settings(host), oracle(tmp_path / "config", host))
    assert config.settings("web").user == "late"


@pytest.mark.parametrize("name", ["x;touch${IFS}y;", "$(id)", "`id`", "a|b", "-oProxyCommand=id", "a&b", "'"])
@pytest.mark.parametrize("line", ["ProxyCommand nc %h 22", "Match exec 'test %n'\n  Port 1"])
def test_a_name_that_is_shell_text_reaches_no_shell(tmp_path, name, line):
    config = read(tmp_path, f"{line}\n")
    with pytest.raises(ConfigError, match="a shell would act upon"):
        config.settings(name)


def test_a_user_that_is_shell_text_reaches_no_shell(tmp_path):
    config = read(tmp_path, "ProxyCommand connect %r@%h\n")
    with pytest.raises(ConfigError, match="user '\\$\\(id\\)'"):
        config.settings("web", user="$(id)")
    assert config.settings("web", user="DOMAIN\\me").proxy_command == "connect DOMAIN\\me@web"
    assert read(tmp_path, "ProxyCommand nc %h 22\n").settings("web", user="a b").proxy_command == "nc web 22"


def test_a_proxy_command_comes_whole_with_its_tokens(tmp_path):
    config = read(tmp_path, "Host web\n  User deploy\n  ProxyCommand  nc -X 5 'a b' \"%h\" %p # %r %% x\n")
    settings = config.settings("web", port=2222)
    assert settings.proxy_command == "nc -X 5 'a b' \"web\" 2222 # deploy % x"
    assert oracle(tmp_path / "config", "web")["proxycommand"][0].startswith("nc -X 5 'a b'")


@pytest.mark.parametrize(
    "text", ["ProxyJump a\nProxyCommand b", "ProxyCommand b\nProxyJump a", "ProxyCommand none\nProxyJump a"]
)
def test_the_first_of_jump_and_command_decides(tmp_path, text):
    settings = read(tmp_path, text).settings("web")
    told = oracle(tmp_path / "config", "web")
    assert (settings.proxy_jump is None) == ("proxyjump" not in told)


HOSTS = st.sampled_from(["web-1", "web-2", "db.example.net", "10.0.0.1"])
WORDS = st.sampled_from(["web-1", "web-*", "!web-2", "*", "db.*", "?eb-1", "10.0.*", "!*.net"])
BLOCKS = st.tuples(
    st.sampled_from(["Host", "Match host", "Match originalhost"]),
    st.lists(WORDS, min_size=1, max_size=3),
    st.lists(
        st.sampled_from(
            ["User a", "User b", "Port 1022", "Port 2022", "HostName %h.x", "HostName 10.0.0.1", "IdentityFile /k/%h",
             "HostKeyAlias k", "ProxyJump j", "ProxyJump none", "HashKnownHosts yes", "IdentitiesOnly yes"]
        ),
        max_size=4,
    ),
)  # fmt: skip


@given(blocks=st.lists(BLOCKS, max_size=5), host=HOSTS)
def test_agrees_with_ssh_on_any_blocks(blocks, host, tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    text = ""
    for keyword, words, lines in blocks:
        joined = " ".join(words) if keyword == "Host" else ",".join(words)
        text += f"{keyword} {joined}\n" + "".join(f"  {line}\n" for line in lines)
    agree(read(folder, text).settings(host), oracle(folder / "config", host))


def test_a_program_runs_once_and_only_where_all_before_it_matched(tmp_path):
    count = tmp_path / "count"
    config = read(tmp_path, f'Match host web exec "echo x >> {count}"\n  User ran\n')
    assert config.may_block
    assert config.settings("db").user is None
    assert not count.exists()
    assert [config.settings("web", port=port).user for port in (1, 2)] == ["ran", "ran"]
    assert count.read_text() == "x\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("User\n", "'user' has no value"),
        ('User "open\n', "a quotation is not closed"),
        ("Port many\n", "'many' is not a port"),
        ("Match sunshine x\n", "'Match sunshine' is not supported"),
        ("Match host\n", "Match host has no value"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, says):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, "Host *\n" + text).settings("web")
    assert says in caught.value.message
    assert str(caught.value.where).startswith(f"{tmp_path}/config:2")


def test_an_unreadable_file_is_an_error_and_a_missing_one_is_not(tmp_path):
    assert SshConfig(tmp_path / "none").settings("web") == Settings(hostname="web")
    with pytest.raises(ConfigError, match="cannot read"):
        SshConfig(tmp_path).settings("web")


def test_files_that_include_one_another_are_an_error(tmp_path):
    path = tmp_path / "config"
    config = read(tmp_path, f"Include {path}\n")
    with pytest.raises(ConfigError, match="too deeply"):
        config.settings("web")
