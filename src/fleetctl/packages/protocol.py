"""The contract between Patch Manager and every package manager.

A manager is one class without state: a few lines of POSIX sh that make the native tools talk, and a pure function that reads
what they said. A new one is one file (and its `scripts/NAME.sh`) and one line under
`[project.entry-points."fleetctl.packages"]`; `tests/contract/test_packages.py` then runs over it unasked.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from fleetctl.packages.model import HostFacts, PackageState
from fleetctl.packages.sections import Sections

__all__ = ["PackageManager"]


class PackageManager(Protocol):
    """Knows one family of native tools.

    Attributes:
        name: entry point name; also the `NAME` of the sh function `scan_NAME`.
        families: values of os-release's `ID` and `ID_LIKE` for which it is the host's own manager. A Debian host may have rpm
            installed: the family decides first, the presence of tools second.
        detect: a sh command line, quiet, that succeeds where the tools are present (also on hosts of no known family).
        refresh: the command line that brings the package lists up to date, for root; what a hint tells people to run.
    """

    name: ClassVar[str]
    families: ClassVar[tuple[str, ...]]
    detect: ClassVar[str]
    refresh: ClassVar[str]

    def scan_script(self) -> str:
        """Return sh text that defines `scan_NAME`, which prints sections with `section NAME COMMAND ...`.

        POSIX sh only; it writes nothing on the host, refreshes nothing, takes no lock, and works for an unprivileged user: exit code 126
        of a section says that it wants root, 127 that its tool is not there. Names of functions, variables and sections begin with the manager's name.
        """

    def refresh_script(self) -> str:
        """Return sh text that defines `refresh_NAME`: the one write that a scan may be asked for.

        It brings the package lists up to date and does nothing else, asks nothing, and exits with another code than 0 where any
        list could not be fetched. It is no part of `scan_script`: a scan that was not asked to write could not.
        """

    def parse(self, sections: Sections, facts: HostFacts) -> PackageState:
        """Read the answer. Pure; never raises, whatever the host has printed: what cannot be read is an error of the state."""

    def version_key(self, version: str) -> Any:
        """Return a key that sorts version texts as the manager does. Never raises."""
