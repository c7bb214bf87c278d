"""OSV: advisories of many distributions in one form (OSV schema 1.x), one of them, a list of them, or the `all.zip` of a distribution."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from fleetctl.feeds.files import Document, FeedFile
from fleetctl.feeds.json_stream import JsonStream
from fleetctl.feeds.model import CVE, Claim, Entry, Event, Ranges, before, day
from fleetctl.feeds.protocol import Sample
from fleetctl.feeds.severity import severity_of, severity_word
from fleetctl.feeds.shape import WrongShape, cves_in, listing, mapping, text

__all__ = ["SYSTEMS", "Osv"]

# Distributions whose packages hosts are known to have. Others (PyPI, npm, GIT) are about what no package manager of a host knows.
SYSTEMS: Final = frozenset({
    "AlmaLinux", "Alpine", "Azure Linux", "Chainguard", "Debian", "Mageia", "Red Hat", "Rocky Linux", "SUSE", "Ubuntu", "Wolfi",
    "openEuler", "openSUSE",
})  # fmt: skip
_OF_A_CVE: Final = re.compile(r"(?:DEBIAN|UBUNTU|ALPINE|ECHO|MINI|AZL)-(CVE-[0-9]{4}-[0-9]{4,19})", re.ASCII)
_EVENTS: Final = ("introduced", "fixed", "last_affected")


class Osv:
    """Reads `https://storage.googleapis.com/osv-vulnerabilities/Debian/all.zip` and its parts."""

    name: ClassVar[str] = "osv"
    title: ClassVar[str] = "OSV"
    url: ClassVar[str] = "https://storage.googleapis.com/osv-vulnerabilities/{scope}/all.zip"

    def recognises(self, sample: Sample) -> bool:
        """Tell it by an advisory's id, its time of change, and what it affects."""
        told = sample.first if sample.shape == "array" else sample.members
        return (
            isinstance(told, dict)
            and {"id", "modified"} <= told.keys()
            and ("affected" in told or "schema_version" in told or "withdrawn" in told)
        )

    def partial(self, sample: Sample) -> bool:
        """One advisory by itself is added to those that are kept."""
        return sample.shape == "object" and not sample.archive

    def read(self, file: FeedFile) -> Iterator[Entry]:
        """Yield one entry for each advisory that was not withdrawn."""
        for document in file.documents():
            stream = JsonStream(document)
            if stream.shape == "object":
                yield _checked(document, dict(stream.members()))
                continue
            for _, item in stream.members():
                yield _checked(document, item)


def _checked(document: Document, item: Any) -> Entry:
    try:
        return _entry(mapping(item, "an advisory"))
    except WrongShape as exc:
        named = item.get("id") if isinstance(item, dict) else None
        document.fail(f"{named}: {exc}" if isinstance(named, str) else str(exc))


def _entry(item: dict[str, Any]) -> Entry:
    id_ = text(item.get("id"), "id")
    modified = day(text(item.get("modified"), "modified"))
    if modified is None:
        raise WrongShape(f"modified: '{item['modified']}' is no date")
    affected = [
        mapping(part, f"affected[{number}]")
        for number, part in enumerate(listing(item.get("affected"), "affected"))
    ]
    claims: list[Claim] = []
    if not item.get("withdrawn"):
        overall = _severity(item)
        for number, part in enumerate(affected):
            claims += _claims(part, f"affected[{number}]", id_=id_, overall=overall)
    return Entry(id=id_, cves=tuple(_cves(id_, item)), claims=tuple(claims), dated=modified)


def _cves(id_: str, item: dict[str, Any]) -> list[str]:
    """Return the CVEs that an advisory is about: `related` counts only where nothing else names one (AlmaLinux, older SUSE)."""
    own = [id_] if CVE.fullmatch(id_) else [found[1]] if (found := _OF_A_CVE.fullmatch(id_)) else []
    named = [cve for key in ("aliases", "upstream") for cve in cves_in(item.get(key), key)]
    return list(dict.fromkeys(own + named)) or list(dict.fromkeys(cves_in(item.get("related"), "related")))


def _claims(part: dict[str, Any], where: str, *, id_: str, overall: str) -> Iterator[Claim]:
    if part.get("package") is None:  # OSV: what is about a repository's commits alone has no package
        return
    package = mapping(part["package"], f"{where}.package")
    ecosystem = text(package.get("ecosystem"), f"{where}.package.ecosystem")
    name = text(package.get("name"), f"{where}.package.name")
    if ecosystem.partition(":")[0] not in SYSTEMS:
        return
    ranges = [
        _events(mapping(told, f"{where}.ranges"), f"{where}.ranges[{number}]")
        for number, told in enumerate(listing(part.get("ranges"), f"{where}.ranges"))
        if mapping(told, f"{where}.ranges[{number}]").get("type") == "ECOSYSTEM"
    ]
    versions = [
        text(told, f"{where}.versions") for told in listing(part.get("versions"), f"{where}.versions")
    ]
    severity = _severity(part) or overall
    for package_name, own in _binaries(part, ecosystem, ranges) or [(name, tuple(ranges))]:
        yield Claim(
            ecosystem=ecosystem,
            package=package_name,
            ranges=own,
            # Where there are ranges, the versions are those of the ranges counted out: megabytes that say nothing more.
            versions=() if own else tuple(versions),
            severity=severity,
            advisory="" if CVE.fullmatch(id_) or _OF_A_CVE.fullmatch(id_) else id_,
        )


def _events(told: dict[str, Any], where: str) -> tuple[Event, ...]:
    events: list[Event] = []
    for event in listing(told.get("events"), f"{where}.events"):
        for kind, version in mapping(event, f"{where}.events").items():
            if kind in _EVENTS:
                events.append((kind, text(version, f"{where}.events: {kind}")))
            elif kind != "limit":
                raise WrongShape(f"{where}.events: '{kind}' is not known")
    if not any(kind == "introduced" for kind, _ in events):
        raise WrongShape(f"{where}.events: nothing is introduced")
    return tuple(events)


def _binaries(
    part: dict[str, Any], ecosystem: str, ranges: list[tuple[Event, ...]]
) -> list[tuple[str, Ranges]]:
    """Return SUSE's binary packages with their own fixed versions: an advisory is about these only."""
    if ecosystem.partition(":")[0] not in {"SUSE", "openSUSE"} or not any(
        kind == "fixed" for events in ranges for kind, _ in events
    ):
        return []
    specific = part.get("ecosystem_specific")
    told = listing(specific.get("binaries"), "binaries") if isinstance(specific, dict) else []
    found: dict[str, Ranges] = {}
    for group in told:
        for name, version in mapping(group, "binaries").items():
            found[name] = before(text(version, f"binaries: {name}"))
    return list(found.items())


def _severity(told: dict[str, Any]) -> str:
    """Return the vendor's own word where there is one, else what the CVSS vector says."""
    for key in ("ecosystem_specific", "database_specific"):
        specific = told.get(key)
        if isinstance(specific, dict):
            for name in ("severity", "urgency", "ubuntu_priority"):
                if word := severity_word(str(specific.get(name, ""))):
                    return word
    scores = [item for item in listing(told.get("severity"), "severity") if isinstance(item, dict)]
    for item in scores:
        if word := severity_word(str(item.get("score", ""))):
            return word
    return next((word for item in scores if (word := severity_of(str(item.get("score", ""))))), "")
