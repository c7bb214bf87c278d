"""Debian's security tracker: what Debian says about each CVE, source package and release.

Source of the form: the tracker's own JSON export and its documentation ("The security tracker", section on status and urgency).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from fleetctl.feeds.files import FeedFile
from fleetctl.feeds.json_stream import JsonStream
from fleetctl.feeds.model import CVE, EVERY, Claim, Entry, Ranges, before
from fleetctl.feeds.protocol import Sample
from fleetctl.feeds.severity import severity_word
from fleetctl.feeds.shape import WrongShape, mapping, text

__all__ = ["DebianTracker"]

_STATUSES: Final = ("resolved", "open", "undetermined")


class DebianTracker:
    """Reads `https://security-tracker.debian.org/tracker/data/json`."""

    name: ClassVar[str] = "debian-tracker"
    title: ClassVar[str] = "Debian security tracker"
    url: ClassVar[str] = "https://security-tracker.debian.org/tracker/data/json"

    def recognises(self, sample: Sample) -> bool:
        """Tell it by the first package: an object of issues, each with releases."""
        for package in list(sample.members.values())[:1]:
            issues = list(package.items())[:1] if isinstance(package, dict) else []
            return any(isinstance(issue, dict) and "releases" in issue for _, issue in issues)
        return False

    def partial(self, sample: Sample) -> bool:  # noqa: ARG002 - a FeedKind
        """It always comes whole."""
        return False

    def read(self, file: FeedFile) -> Iterator[Entry]:
        """Yield one entry for each issue of each source package."""
        for document in file.documents():
            stream = JsonStream(document)
            for package, issues in stream.members():
                try:
                    yield from _package(package, mapping(issues, "what stands behind the name"))
                except WrongShape as exc:
                    stream.fail(f"{package}: {exc}")


def _package(package: str, issues: dict[str, Any]) -> Iterator[Entry]:
    for issue, told in issues.items():
        if not CVE.fullmatch(issue):  # TEMP-0000000-ABCDEF: no CVE yet
            continue
        releases = mapping(mapping(told, issue).get("releases"), f"{issue}: releases")
        claims = tuple(
            _claim(package, mapping(state, f"{issue}: {release}"), release, f"{issue}: {release}")
            for release, state in releases.items()
        )
        yield Entry(id=f"{package}/{issue}", cves=(issue,), claims=claims)


def _claim(package: str, state: dict[str, Any], release: str, what: str) -> Claim:
    status = text(state.get("status"), f"{what}: status")
    if status not in _STATUSES:
        raise WrongShape(f"{what}: the status '{status}' is not known ({', '.join(_STATUSES)})")
    fixed = text(state["fixed_version"], f"{what}: fixed_version") if state.get("fixed_version") else ""
    urgency = state.get("urgency") or ""
    notes = ["end of life"] if urgency == "end-of-life" else []
    notes += [str(state[key]) for key in ("nodsa_reason", "nodsa") if state.get(key)]
    if status == "resolved" and not fixed:
        notes.append("resolved, but by which version is not told")
    return Claim(
        ecosystem=f"Debian:{release}",
        package=package,
        ranges=_ranges(status, fixed),
        undetermined=status == "undetermined" or (status == "resolved" and not fixed),
        severity=severity_word(str(urgency).rstrip("*")),
        note=", ".join(notes),
    )


def _ranges(status: str, fixed: str) -> Ranges:
    if status == "undetermined":
        return ()
    # The tracker: a fixed version of 0 means that the release never had a vulnerable one. An open issue may have a fixed version that
    # is not in the archive yet.
    if fixed == "0":
        return EVERY if status == "open" else ()
    if fixed:
        return before(fixed)
    return EVERY if status == "open" else ()
