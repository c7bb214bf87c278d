"""What a package manager is asked to change, what it says it would do, and what became of it.

A patch run goes on in three steps, each a script and a pure function that reads its answer: **simulate** (nothing is written; it
tells exactly what would be installed and removed), **apply** (exactly that, as a detached job), and the scan that looks again and
decides. A manager that can do this is a `PackageChanger` beside being a `PackageManager`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from fleetctl.packages.sections import Sections

__all__ = [
    "Applied",
    "Change",
    "ChangeKind",
    "PackageChanger",
    "Simulation",
    "Trouble",
    "TroubleKind",
    "Wanted",
    "beyond",
    "removals_of",
]

ChangeKind: TypeAlias = Literal["install", "upgrade", "downgrade", "reinstall", "remove", "configure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A package that is to have exactly this version."""

    name: str
    version: str
    arch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One package that would change.

    Attributes:
        before: version on the host; empty for a new package.
        after: version then; empty for one that is removed.
        repository: where it comes from, as the manager names it.
        size: bytes to download, where known.
    """

    kind: ChangeKind
    name: str
    arch: str = ""
    before: str = ""
    after: str = ""
    repository: str = ""
    size: int | None = None


class TroubleKind(StrEnum):
    """Why a package manager did not do what it was asked for: one class for each remedy."""

    LOCKED = "locked"
    NOT_ROOT = "not-root"
    MIRROR = "mirror"
    SIGNATURE = "signature"
    DISK_FULL = "disk-full"
    READ_ONLY = "read-only"
    GONE = "gone"
    DEPENDENCIES = "dependencies"
    UNLISTED = "unlisted"
    SCRIPT = "script"
    BROKEN = "broken"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that went wrong, or would.

    Attributes:
        message: one sentence, with the tool's own words where they help.
        mend: the command line that mends it, for root on the host; empty if there is none.
        packages: which ones it is about; empty: all.
    """

    kind: TroubleKind
    message: str
    mend: str = ""
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What a package manager would do.

    Attributes:
        changes: everything, what comes along by dependencies included, in the manager's order.
        download: bytes to fetch in all; None if it does not say.
        disk: bytes that will be used more (negative: less) afterwards; None if it does not say.
        free: bytes free where packages are unpacked, and where they are downloaded to: the lesser of the two.
        troubles: why it would not, or not all of it.
        notes: what a person should know before it is done, in sentences; nothing that stops it.
    """

    changes: tuple[Change, ...] = ()
    download: int | None = None
    disk: int | None = None
    free: int | None = None
    troubles: tuple[Trouble, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def removals(self) -> tuple[str, ...]:
        """Names of packages that would be removed, or replaced by an older version."""
        return removals_of(self.changes)


def removals_of(changes: Iterable[Change]) -> tuple[str, ...]:
    """Return the names of packages that are removed, or replaced by an older version."""
    return tuple(dict.fromkeys(change.name for change in changes if change.kind in {"remove", "downgrade"}))


def beyond(names: Sequence[str]) -> Trouble:
    """Tell that packages would go of which nobody was told."""
    return Trouble(
        kind=TroubleKind.DEPENDENCIES,
        message=f"it would now remove or downgrade what was not planned, and nothing was done: {', '.join(names)}",
        packages=tuple(names),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a package manager says it did. The verdict comes from looking again, not from this.

    Attributes:
        ok: whether it reported success.
        changes: what it says it changed, as far as it tells.
        kept_files: configuration files where the local version was kept (`.dpkg-dist`, `.rpmnew`, `.pacnew`, `.apk-new` lies beside it).
        troubles: what went wrong.
        waited: seconds for the manager's lock.
    """

    ok: bool
    changes: tuple[Change, ...] = ()
    kept_files: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    waited: float = 0.0


class PackageChanger(Protocol):
    """What a package manager can do beside telling (`fleetctl.packages.protocol.PackageManager`).

    Scripts are complete POSIX sh texts that frame what they print in sections (`fleetctl.packages.sections`), with `LC_ALL=C`. Versions
    and names are quoted within; they come from the host itself, and may hold anything.
    """

    name: str

    def simulate_script(self, wanted: Sequence[Wanted]) -> str:
        """Return a script that says what bringing these packages to these versions would do. It writes nothing, and takes no lock."""

    def parse_simulation(self, sections: Sections) -> Simulation:
        """Read its answer. Pure; never raises."""

    def apply_script(
        self, wanted: Sequence[Wanted], *, lock_seconds: int, removals: Sequence[str] = ()
    ) -> str:
        """Return a script that does it, asks nothing, keeps local configuration files, and takes away nothing but what was told before.

        When nobody holds the lock any more it rehearses once more. Where that would remove or downgrade a package that `removals` does
        not name, nothing is done, and it is told which (`DEPENDENCIES`).

        Args:
            wanted: exactly these versions; one that is gone from the repositories is told (`GONE`), never replaced by another.
            lock_seconds: how long to wait for whoever holds the manager's lock; then it is told who that is (`LOCKED`).
            removals: names of packages that may go, as `Simulation.removals` of an earlier rehearsal has them.
        """

    def parse_application(self, sections: Sections) -> Applied:
        """Read its answer. Pure; never raises."""
