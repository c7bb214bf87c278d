"""A mount: what is mounted at a path, and how."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from fleetctl.resource.facts import Facts
from fleetctl.resource.protocol import Line, Resource
from fleetctl.resource.verdict import Findings, Verdict

__all__ = ["Mount"]


class Mount(Resource):
    """A mount point as it is now; fstab is not looked at."""

    type: ClassVar[str] = "mount"
    path: str = Field(max_length=4096, pattern=r"^/[^\x00\n\r]*$")
    state: Literal["mounted", "unmounted"] = "mounted"
    fstype: Line | None = None
    source: Line | None = None
    options: tuple[Line, ...] = Field(default=(), description="it has each of these: nodev, nosuid")
    lacks: tuple[Line, ...] = Field(default=(), description="it has none of these")

    @model_validator(mode="after")
    def _together(self) -> Mount:
        told = self.model_fields_set - {"path", "state"}
        if self.state == "unmounted" and told:
            raise ValueError(f"what is not mounted has no {min(told)}")
        return self

    @property
    def name(self) -> str:
        """What it is called."""
        return f"mount {self.path}"

    def words(self) -> tuple[str, ...]:
        """Return what the host is asked: the path as the kernel writes it, proc_pid_mounts(5)."""
        path = self.path.rstrip("/") or "/"
        return (re.sub(r"[ \t\n\\]", lambda found: f"\\{ord(found[0]):03o}", path),)

    def judge(self, facts: Facts) -> Verdict:
        """Compare with the last mount at that path: it hides the ones before."""
        if not facts.flag("table"):
            return Verdict.unknown("this host does not tell its mounts (no /proc/self/mounts)")
        found = facts.all("mount")
        findings = Findings()
        told = {True: "mounted", False: "unmounted"}
        wanted = self.state == "mounted"
        findings.hold(self.name, expected=told[wanted], found=told[bool(found)], ok=bool(found) == wanted)
        parts = found[-1].split(" ") if found else []
        if wanted and len(parts) >= 3:
            findings.equal("source", self.source, parts[0])
            findings.equal("fstype", self.fstype, parts[1])
            options = parts[2].split(",")
            for option in self.options:
                findings.hold("options", expected=option, found=parts[2], ok=option in options)
            for option in self.lacks:
                findings.hold(
                    "options", expected=f"without {option}", found=parts[2], ok=option not in options
                )
        return findings.verdict()
