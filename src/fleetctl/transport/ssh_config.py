"""Answer what `~/.ssh/config` says about a host, as `ssh -G` would (ssh_config(5)).

The files are read once; each host then costs only the matching of `Host` lines. Written here because asyncssh parses the
files again for every connection (some milliseconds for a long file, more than the connection itself) and paramiko knows
no `Include`. `tests/unit/transport/test_ssh_config.py` holds it against the real `ssh -G`.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from fleetctl.errors import ConfigError
from fleetctl.transport.ssh_config_file import Directive, read_config

__all__ = ["Settings", "SshConfig", "local_user"]

_EXEC_SECONDS = 5.0
_MANY = frozenset({"identityfile", "certificatefile"})
_ENVIRONMENT = re.compile(r"\$\{([^}]*)\}")


def local_user() -> str:
    """Return the name of the user who runs fleetctl."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's uid without a name
        return str(os.getuid())


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the configuration says about one host; `None` and empty mean that it says nothing.

    Attributes:
        hostname: where to connect to.
        identity_files: with `~` and tokens expanded; they need not exist.
        proxy_command: for `sh -c`, tokens expanded.
        algorithms: `kexalgorithms`, `ciphers`, `macs`, `hostkeyalgorithms` as written.
    """

    hostname: str
    user: str | None = None
    port: int | None = None
    identity_files: tuple[Path, ...] = ()
    certificate_files: tuple[Path, ...] = ()
    identities_only: bool = False
    identity_agent: str | None = None
    proxy_jump: str | None = None
    proxy_command: str | None = None
    user_known_hosts: tuple[Path, ...] | None = None
    global_known_hosts: tuple[Path, ...] | None = None
    host_key_alias: str | None = None
    hash_known_hosts: bool = False
    bind_address: str | None = None
    address_family: str = "any"
    compression: bool = False
    tcp_keepalive: bool = True
    preferred_authentications: tuple[str, ...] = ()
    methods_off: frozenset[str] = frozenset()
    algorithms: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Reading:
    """One walk over the files for one host."""

    original: str
    user: str | None
    port: int | None
    final: bool = False
    wants_final: bool = False
    values: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)

    def first(self, keyword: str) -> str | None:
        found = self.values.get(keyword)
        return found[0][0] if found else None

    @property
    def hostname(self) -> str:
        tokens = {"%": "%", "h": self.original}
        return re.sub(
            r"%(.)", lambda found: tokens.get(found[1], found[0]), self.first("hostname") or self.original
        )


_SHELL_TEXT = re.compile(r"""[\s\x00-\x1f\x7f'`"$;&<>|(){}]|\\(?!\w)""")  # DOMAIN\user is a name


class SshConfig:
    """The configuration files of a run.

    Args:
        path: one file that stands for all, as `ssh -F` does; `None` means the user's and then the machine's.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._memo: dict[tuple[str, str | None, int | None], Settings] = {}
        self._executed: dict[str, bool] = {}

    @cached_property
    def _directives(self) -> tuple[tuple[Directive, ...], ...]:
        user = Path.home() / ".ssh"
        if self._path is not None:
            return (read_config(self._path, includes_from=user),)
        system = Path("/etc/ssh")
        return (
            read_config(user / "config", includes_from=user),
            read_config(system / "ssh_config", includes_from=system),
        )

    @cached_property
    def may_block(self) -> bool:
        """Whether an answer may take time, because a `Match exec` runs a program."""
        return any(_has_exec(directives) for directives in self._directives)

    def settings(self, name: str, *, user: str | None = None, port: int | None = None) -> Settings:
        """Return what is set for the host that `ssh name` would mean.

        Args:
            name: what would be typed after `ssh`.
            user: login name that is already decided; `Match user` sees it.
            port: TCP port that is already decided.

        Raises:
            ConfigError: a file cannot be read, or says something that is not possible.
        """
        key = name, user, port
        if key not in self._memo:
            reading = _Reading(original=name, user=user, port=port)
            self._walk_all(reading)
            if reading.wants_final:
                reading.final = True
                self._walk_all(reading)
            self._memo[key] = _settings(reading)
        return self._memo[key]

    def _walk_all(self, reading: _Reading) -> None:
        for directives in self._directives:
            self._walk(directives, reading, active=True)

    def _walk(self, directives: Iterable[Directive], reading: _Reading, *, active: bool) -> None:
        outer = active
        for directive in directives:
            keyword = directive.keyword
            if keyword == "end-of-file":
                active = outer
            elif keyword == "host":
                active = outer and _matches_list(reading.original, directive.words)
            elif keyword == "match":
                active = self._match(directive, reading, possible=outer)
            elif keyword == "include":
                self._walk(directive.included, reading, active=active)
            elif active:
                _take(directive, reading)

    def _match(self, directive: Directive, reading: _Reading, *, possible: bool) -> bool:
        words = [part for word in directive.words for part in _split_criterion(word)]
        result = possible
        while words:
            criterion = words.pop(0).lower()
            negated = criterion.startswith("!")
            criterion = criterion.removeprefix("!")
            if criterion == "all":
                matched = True
            elif criterion in {"final", "canonical"}:
                reading.wants_final |= criterion == "final"
                matched = reading.final
            elif not words:
                raise ConfigError(f"Match {criterion} has no value", where=directive.where)
            else:
                value = words.pop(0)
                # A program runs only where everything before it matched, as in OpenSSH.
                matched = result and self._criterion(criterion, value, reading, directive)
            result = result and matched != negated
        return result

    def _criterion(self, criterion: str, value: str, reading: _Reading, directive: Directive) -> bool:
        names = {
            "host": reading.hostname,
            "originalhost": reading.original,
            "user": reading.user or reading.first("user") or local_user(),
            "localuser": local_user(),
            "tagged": reading.first("tag") or "",
        }
        if criterion in names:
            return _matches_list(names[criterion], value.split(","))
        if criterion == "exec":
            return self._exec(_for_shell(value, reading))
        raise ConfigError(
            f"'Match {criterion}' is not supported",
            hint="match on host, originalhost, user, localuser, tagged or exec, or give another file with --ssh-config",
            where=directive.where,
        )

    def _exec(self, command: str) -> bool:
        if command not in self._executed:
            try:
                done = subprocess.run(  # noqa: S602 - the user's own configuration asks for a shell
                    command,
                    shell=True,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=_EXEC_SECONDS,
                    check=False,
                )
                self._executed[command] = done.returncode == 0
            except (subprocess.TimeoutExpired, OSError):
                self._executed[command] = False
        return self._executed[command]


def _has_exec(directives: Iterable[Directive]) -> bool:
    return any(
        (one.keyword == "match" and any(word.lower().lstrip("!").startswith("exec") for word in one.words))
        or _has_exec(one.included)
        for one in directives
    )


def _split_criterion(word: str) -> list[str]:
    """`host=web` is two words, but an `=` inside a program or a pattern is not a separator."""
    criterion, equals, value = word.partition("=")
    known = {"host", "originalhost", "user", "localuser", "tagged", "exec", "localnetwork"}
    return [criterion, value] if equals and criterion.lower().lstrip("!") in known else [word]


def _matches_list(name: str, patterns: Iterable[str]) -> bool:
    """Match as OpenSSH's match_pattern_list: one negated match refuses all."""
    found = False
    for pattern in patterns:
        plain = pattern.removeprefix("!")
        if _matches(name, plain):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _matches(name: str, pattern: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return name == pattern
    return _compiled(pattern).fullmatch(name) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern))


def _take(directive: Directive, reading: _Reading) -> None:
    keyword = directive.keyword
    values = reading.values
    if keyword == "proxyjump" and "proxycommand" in values:
        return  # whichever comes first decides
    if keyword == "proxycommand" and "proxyjump" in values:
        return
    if keyword == "port" and not directive.words[0].isdecimal():
        raise ConfigError(f"'{directive.words[0]}' is not a port", where=directive.where)
    if keyword in _MANY:
        taken = values.setdefault(keyword, [])
        if directive.words not in taken:
            taken.append(directive.words)
    elif keyword not in values:
        values[keyword] = [directive.words]


def _expand(text: str, reading: _Reading) -> str:
    """Expand `%` tokens and `${NAME}` (ssh_config(5), TOKENS); one that is not known stays as it is."""
    if "%" not in text and "${" not in text:
        return text
    node = socket.gethostname()
    user = reading.user or reading.first("user") or local_user()
    port = str(reading.port or reading.first("port") or 22)
    jump = reading.first("proxyjump") or ""
    identity = f"{node}{reading.hostname}{port}{user}{jump if jump.lower() != 'none' else ''}"
    tokens = {
        "%": "%",
        "h": reading.hostname,
        "n": reading.original,
        "p": port,
        "r": user,
        "u": local_user(),
        "l": node,
        "L": node.partition(".")[0],
        "d": str(Path.home()),
        "i": str(os.getuid()),
        "k": reading.first("hostkeyalias") or reading.original,
        "j": jump,
        "C": hashlib.sha1(identity.encode(), usedforsecurity=False).hexdigest(),
    }
    expanded = re.sub(r"%(.)", lambda found: tokens.get(found[1], found[0]), text)
    return _ENVIRONMENT.sub(lambda found: os.environ.get(found[1], ""), expanded)


def _for_shell(text: str, reading: _Reading) -> str:
    """Expand tokens of a command that a shell of this machine gets.

    Names may come from a dynamic inventory, that is from whoever may name a machine: they must not bring shell text along
    (CVE-2023-51385; OpenSSH refuses the same characters since 9.6).

    Raises:
        ConfigError: one does.
    """
    names = {
        "%h": ("address", reading.hostname),
        "%n": ("address", reading.original),
        "%k": ("address", reading.original),
        "%r": ("user", reading.user or ""),
    }
    for token, (what, name) in names.items():
        if token in text and (name.startswith("-") or _SHELL_TEXT.search(name)):
            raise ConfigError(
                f"the {what} {name!r} holds what a shell would act upon, and ProxyCommand or Match exec gives it to one",
                hint=f"correct the {what} in the inventory",
            )
    return _expand(text, reading)


def _paths(groups: Iterable[tuple[str, ...]], reading: _Reading) -> tuple[Path, ...]:
    words = [word for group in groups for word in group]
    return tuple(Path(_expand(word, reading)).expanduser() for word in words if word.lower() != "none")


def _settings(reading: _Reading) -> Settings:
    values = reading.values

    def text(keyword: str) -> str | None:
        value = reading.first(keyword)
        return None if value is None or value.lower() == "none" else value

    def on(keyword: str, *, default: bool = False) -> bool:
        value = reading.first(keyword)
        return default if value is None else value.lower() in {"yes", "true"}

    command, agent, port = text("proxycommand"), text("identityagent"), reading.port or reading.first("port")
    if reading.first("identityagent") and agent is None:
        agent = ""  # `none`: use no agent
    elif agent and agent.startswith("$") and not agent.startswith("${"):
        agent = os.environ.get(agent[1:], "")
    elif agent == "SSH_AUTH_SOCK":
        agent = None
    off = {
        "publickey": on("pubkeyauthentication", default=True),
        "password": on("passwordauthentication", default=True),
        "keyboard-interactive": on(
            "kbdinteractiveauthentication", default=on("challengeresponseauthentication", default=True)
        ),
    }
    preferred = text("preferredauthentications")
    return Settings(
        hostname=reading.hostname.lower(),
        user=reading.user or text("user"),
        port=int(port) if port else None,
        identity_files=_paths(values.get("identityfile", ()), reading),
        certificate_files=_paths(values.get("certificatefile", ()), reading),
        identities_only=on("identitiesonly"),
        identity_agent=str(Path(_expand(agent, reading)).expanduser()) if agent else agent,
        proxy_jump=_expand(text("proxyjump") or "", reading) or None,
        proxy_command=_for_shell(command, reading) if command else None,
        user_known_hosts=_paths(found, reading) if (found := values.get("userknownhostsfile")) else None,
        global_known_hosts=_paths(found, reading) if (found := values.get("globalknownhostsfile")) else None,
        host_key_alias=text("hostkeyalias"),
        hash_known_hosts=on("hashknownhosts"),
        bind_address=text("bindaddress"),
        address_family=(text("addressfamily") or "any").lower(),
        compression=on("compression"),
        tcp_keepalive=on("tcpkeepalive", default=True),
        preferred_authentications=tuple(preferred.split(",")) if preferred else (),
        methods_off=frozenset(method for method, enabled in off.items() if not enabled),
        algorithms=tuple(
            (keyword, value)
            for keyword in ("kexalgorithms", "ciphers", "macs", "hostkeyalgorithms")
            if (value := text(keyword))
        ),
    )
