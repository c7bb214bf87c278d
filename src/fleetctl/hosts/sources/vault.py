"""Values that ansible-vault encrypted: fleetctl does not read them, and never mistakes them for text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

__all__ = ["ANSIBLE_TAGS", "VAULT_HEADER", "Vaulted", "holds_vault", "plain"]

VAULT_HEADER: Final = "$ANSIBLE_VAULT;"


class Vaulted:
    """An encrypted value, which nothing can be done with."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<encrypted with ansible-vault>"


def _vaulted(_text: str) -> Vaulted:
    return Vaulted()


ANSIBLE_TAGS: Final[dict[str, Callable[[str], Any]]] = {
    "!vault": _vaulted,
    "!vault-encrypted": _vaulted,
    "!unsafe": str,
}


def plain(value: Any) -> Any:
    """Turn the marks of Ansible's `--list` JSON (`__ansible_vault`, `__ansible_unsafe`) into what they stand for."""
    if isinstance(value, dict):
        if "__ansible_vault" in value:
            return Vaulted()
        if value.keys() == {"__ansible_unsafe"}:
            return plain(value["__ansible_unsafe"])
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def holds_vault(value: Any) -> bool:
    """Tell whether something encrypted is anywhere in a value."""
    if isinstance(value, dict):
        return any(map(holds_vault, value.values()))
    if isinstance(value, list):
        return any(map(holds_vault, value))
    return isinstance(value, Vaulted)
