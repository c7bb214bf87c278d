"""A package of the host's own package manager."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal

from pydantic import Field, field_validator

from fleetctl.packages.alpmversion import alpm_version_key
from fleetctl.packages.apkversion import apk_version_key
from fleetctl.packages.debversion import deb_version_key
from fleetctl.packages.rpmversion import rpm_version_key
from fleetctl.resource.facts import Facts
from fleetctl.resource.protocol import Resource
from fleetctl.resource.verdict import Findings, Verdict

__all__ = ["Package"]

_CONDITION: Final = re.compile(r"(=|!=|<=|>=|<|>)\s*(\S+)")
_KEYS: Final[dict[str, Callable[[str], Any]]] = {
    "dpkg": deb_version_key,
    "rpm": rpm_version_key,
    "pacman": alpm_version_key,
    "apk": apk_version_key,
}
_HOLDS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


class Package(Resource):
    """A package is installed, or is not."""

    type: ClassVar[str] = "package"
    package: str = Field(max_length=4096, alias="name", pattern=r"^[A-Za-z0-9][A-Za-z0-9+._:@-]*$")
    state: Literal["present", "absent"] = "present"
    version: tuple[str, ...] = Field(
        default=(), description="conditions such as '>= 3.0.14-1'; text, or a list of which all must hold"
    )

    @field_validator("version", mode="before")
    @classmethod
    def _conditions(cls, value: Any) -> Any:
        found = [value] if isinstance(value, str) else value
        for text in found if isinstance(found, list | tuple) else ():
            if isinstance(text, str) and not _CONDITION.fullmatch(text.strip()):
                raise ValueError(f"'{text}' is no condition: write '>= 1.2-3', with one of = != < <= > >=")
        return found

    @property
    def name(self) -> str:
        """What it is called."""
        return f"package {self.package}"

    def words(self) -> tuple[str, ...]:
        """Return what the host is asked."""
        return (self.package,)

    def judge(self, facts: Facts) -> Verdict:
        """Compare what is installed; several versions of one package (kernels) must each fit."""
        manager = facts.one("manager") or "none"
        if manager == "none":
            return Verdict.unknown("no package manager that fleetctl knows")
        installed = [text.split()[-1] for text in facts.all("installed") if " ok installed " in f" {text} "]
        if manager != "dpkg":
            installed = [
                text.removeprefix("ok ") for text in facts.all("installed") if text.startswith("ok ")
            ]
        if not installed and (why := _unsure(facts, manager)):
            return Verdict.unknown(why)
        findings = Findings()
        told = ", ".join(installed) or "not installed"
        if self.state == "absent":
            findings.hold(self.package, expected="not installed", found=told, ok=not installed)
            return findings.verdict()
        findings.hold(self.package, expected="installed", found=told, ok=bool(installed))
        if installed and self.version and manager not in _KEYS:
            return Verdict.unknown(f"versions of {manager} cannot be compared")
        for text in self.version if installed else ():
            self._compare(text, installed, findings, key=_KEYS[manager])
        return findings.verdict()

    def _compare(
        self, text: str, installed: list[str], findings: Findings, *, key: Callable[[str], Any]
    ) -> None:
        found = _CONDITION.fullmatch(text.strip())
        if found is None:
            return
        holds, wanted = _HOLDS[found[1]], key(found[2])
        for version in installed:
            findings.hold(self.package, expected=text, found=version, ok=holds(key(version), wanted))


def _unsure(facts: Facts, manager: str) -> str:
    """Say why "it is not there" cannot be believed; empty if it can."""
    asked = facts.number("asked")
    if asked is None:
        return f"{manager} did not answer"
    said = " ".join(facts.lines).lower()
    plain = {"dpkg": asked in {0, 1}, "apk": asked in {0, 1}}
    if manager == "rpm":
        return "" if "is not installed" in said else f"rpm: {facts.noise or 'no answer'}"
    if manager == "pacman":
        return "" if "was not found" in said else f"pacman: {facts.noise or 'no answer'}"
    return "" if plain[manager] else f"{manager} exited with {asked}"
