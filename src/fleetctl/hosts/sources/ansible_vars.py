"""What fleetctl makes of Ansible's connection variables.

Source of the names: https://docs.ansible.com/ansible/latest/inventory_guide/connection_details.html and the options of the
connection plugins ssh, paramiko_ssh, local, winrm and psrp.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

from fleetctl.errors import Problem, Where
from fleetctl.hosts.declared import Settings
from fleetctl.hosts.sources.ansible_jump import find_jump
from fleetctl.hosts.sources.vault import holds_vault
from fleetctl.model import Become

__all__ = ["Translator"]

_CONNECTIONS: Final = {
    "ssh": "ssh",
    "ansible.builtin.ssh": "ssh",
    "smart": "ssh",
    "paramiko": "ssh",
    "paramiko_ssh": "ssh",
    "ansible.netcommon.paramiko": "ssh",
    "local": "local",
    "ansible.builtin.local": "local",
    "winrm": "winrm",
    "ansible.builtin.winrm": "winrm",
    "psrp": "winrm",
    "ansible.builtin.psrp": "winrm",
}
_TRUE: Final = frozenset({"true", "yes", "on", "1", "t", "y"})
_PASSWORD: Final = re.compile(r"^ansible_.*(pass|password|passphrase)$")


class Translator:
    """Turns the variables of hosts into settings.

    Args:
        problems: what cannot be understood is put there.
        warnings: what is left out is put there, each kind once.
        file: for messages.
    """

    def __init__(self, problems: list[Problem], warnings: list[Problem], *, file: str) -> None:
        self._problems = problems
        self._warnings = warnings
        self._file = file
        self._warned: set[str] = set()

    def translate(
        self, name: str, values: dict[str, Any], *, groups: list[str], where: Where
    ) -> Settings | None:
        """Return a host's settings, or None for a host that fleetctl cannot reach and so leaves out."""
        said = _Variables(name, values, groups=groups)
        try:
            connection = said.text("ansible_connection")
            if connection and connection not in _CONNECTIONS:
                self._warn(
                    f"ansible_connection={connection}",
                    f"hosts with ansible_connection={connection} are left out: there is no such transport",
                )
                return None
            found = self._connection(said, _CONNECTIONS.get(connection) if connection else None)
        except ValueError as exc:
            self._problems.append(Problem(f"{name}: {exc}", where))
            return None
        free = {key: value for key, value in values.items() if not key.startswith("ansible_")}
        return Settings(values=found, vars=self._readable(values, free))

    def _connection(self, said: _Variables, transport: str | None) -> dict[str, Any]:
        key_file = said.text("ansible_ssh_private_key_file", "ansible_private_key_file")
        found: dict[str, Any] = {
            "transport": transport,
            "address": said.text("ansible_host", "ansible_ssh_host"),
            "port": said.port("ansible_port", "ansible_ssh_port"),
            "user": said.text("ansible_user", "ansible_ssh_user"),
            "identity_file": (key_file,) if key_file else None,
            "become": self._become(said),
            "jump": self._jump(said),
        }
        return {key: value for key, value in found.items() if value is not None}

    def _become(self, said: _Variables) -> Become | Literal[False] | None:
        wanted = said.text("ansible_become")
        if wanted is None:
            return None
        if wanted.lower() not in _TRUE:
            return False
        method = said.text("ansible_become_method") or "sudo"
        method = method.removeprefix("community.general.").removeprefix("ansible.builtin.")
        user = said.text("ansible_become_user") or "root"
        if method not in {"sudo", "doas", "su"}:
            self._warn(
                f"become {method}", f"ansible_become_method={method} is left out: there are sudo, doas and su"
            )
            return None
        return Become(method=method, user=user)  # type: ignore[arg-type] # one of the three

    def _jump(self, said: _Variables) -> str | None:
        for variable in ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"):
            text = said.text(variable)
            jump, rest = find_jump(text) if text else (None, False)
            if rest:
                self._warn(
                    variable,
                    f"only a jump host is taken from {variable}; put other options into ~/.ssh/config",
                )
            if jump:
                return jump
        return None

    def _readable(self, values: dict[str, Any], free: dict[str, Any]) -> dict[str, Any]:
        for key in values:
            if _PASSWORD.match(key):
                self._warn(
                    key,
                    f"{key} is not read: fleetctl takes passwords from the keyring, a command or a prompt",
                )
        hidden = [key for key, value in free.items() if holds_vault(value)]
        for key in hidden:
            self._warn(key, f"'{key}' is encrypted with ansible-vault, and left out")
        return {key: value for key, value in free.items() if key not in hidden} if hidden else free

    def _warn(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self._warnings.append(Problem(text, Where(self._file)))


class _Variables:
    """A host's variables, read by their names and older names."""

    def __init__(self, name: str, values: dict[str, Any], *, groups: list[str]) -> None:
        self._name = name
        self._values = values
        self._groups = groups

    def text(self, *names: str) -> str | None:
        """Return the first that is set, rendered where it is a template; None if none is, or it is empty.

        Raises:
            ValueError: it is encrypted, no scalar, or a template that needs more than the host's variables.
        """
        for name in names:
            value = self._values.get(name)
            if value is None or value == "":
                continue
            if holds_vault(value):
                raise ValueError(f"{name} is encrypted with ansible-vault, which fleetctl does not read")
            if not isinstance(value, str | int | float):
                raise ValueError(f"{name} must be text, and is a {type(value).__name__}")  # noqa: TRY004 - a file's fault
            text = str(value)
            text = self._render(name, text) if "{{" in text or "{%" in text else text
            if any(char < " " or char == "\x7f" for char in text):
                raise ValueError(f"{name} holds control characters")
            return text or None
        return None

    def port(self, *names: str) -> int | None:
        """Return a port number.

        Raises:
            ValueError: it is none.
        """
        text = self.text(*names)
        if text is None:
            return None
        if not text.isdecimal() or not 0 < int(text[:9]) < 65536:
            raise ValueError(f"{names[0]} is '{text}', and no port between 1 and 65535")
        return int(text)

    def _render(self, name: str, text: str) -> str:
        from jinja2 import StrictUndefined, TemplateError  # noqa: PLC0415 - few inventories need it
        from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

        context = {
            **{key: value for key, value in self._values.items() if not holds_vault(value)},
            "inventory_hostname": self._name,
            "inventory_hostname_short": self._name.partition(".")[0],
            "group_names": sorted(self._groups),
        }
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        try:
            return environment.from_string(text).render(context)
        except (TemplateError, TypeError, ValueError, ArithmeticError) as exc:
            raise ValueError(f"{name} is a template that fleetctl cannot render: {exc}") from exc
