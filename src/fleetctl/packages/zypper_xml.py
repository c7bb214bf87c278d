"""Read what `zypper --xmlout` prints, and the one thing that it does not print as XML: which packages a patch is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from xml.etree.ElementTree import Element, ParseError, fromstring
from xml.parsers.expat import ExpatError, ParserCreate

from fleetctl.packages.facts import moment
from fleetctl.packages.model import Advisory, Hold
from fleetctl.packages.rpmdb import Offer

__all__ = [
    "Summary",
    "SummaryRow",
    "read_contents",
    "read_locks",
    "read_messages",
    "read_offers",
    "read_origins",
    "read_patches",
    "read_repositories",
    "read_summary",
    "readable",
]

# The message in which `zypper info` begins, its name, and one line of its conflicts: `fl-kernel < 1.0-2.el9`.
_NAME: Final = re.compile(r"^Name +: (\S+)")
_CONFLICT: Final = re.compile(r"^(?:Conflicts +: | {4})(?!srcpackage:)(\S+) (?:<|&lt;) (\S+)$")
# Rows as zypper writes them; `&` would be an entity. The time since when a patch has its status differs on each host.
_PATCH: Final = re.compile(
    r'kind="patch" name="([^"&]+)" [^<>&]*?status="([^"]*)" category="([^"]*)" severity="([^"]*)" [^<>&]*?restart="([^"]*)"[^<>&]*>'
    r"(?:<status-since [^<>]*/>)?(.*?)</update>",
    re.DOTALL,
)
_SOLVABLE: Final = re.compile(
    r'<solvable status="[^"]*" name="([^"&]*)" kind="package" edition="([^"&]*)" arch="([^"&]*)" repository="([^"&]*)"/>'
)
_EPOCH_ZERO: Final = re.compile(r"^0+:")


def readable(text: str) -> bool:
    """Tell whether it is XML without tricks. No tree is made of it, which would take five times as long."""
    document = _document(text)
    if not document:
        return False
    try:
        ParserCreate().Parse(document, True)
    except (ExpatError, ValueError):
        return False
    return True


def _document(text: str) -> str:
    """Return where the document is; empty if there is none. zypper defines no entities: whoever does means harm."""
    start = text.find("<?xml")
    return "" if start < 0 or "<!" in text else text[start:].strip()


def _tree(text: str) -> Element | None:
    """Return the document; None if it is none."""
    document = _document(text)
    try:
        return fromstring(document) if document else None  # noqa: S314 - without entities and document types it is harmless
    except (ParseError, ValueError):
        return None


def _all(text: str, tag: str) -> Iterator[Element]:
    tree = _tree(text)
    return iter(()) if tree is None else tree.iter(tag)


def read_messages(text: str, kind: str) -> list[str]:
    """Return the texts of all messages of a kind: `error`, `warning`, `info`."""
    if kind not in text:
        return []
    return [
        " ".join((message.text or "").split())
        for message in _all(text, "message")
        if message.get("type") == kind and (message.text or "").strip()
    ]


def read_repositories(text: str) -> list[str]:
    """Return the aliases of all enabled repositories."""
    return [repo.get("alias", "") for repo in _all(text, "repo") if repo.get("enabled") == "1"]


def read_offers(text: str) -> list[Offer]:
    """Return the packages of `list-updates`."""
    found = []
    for update in _all(text, "update"):
        source = update.find("source")
        if update.get("kind") == "package" and update.get("name"):
            found.append(
                Offer(
                    name=update.get("name", ""),
                    arch=update.get("arch", ""),
                    version=_EPOCH_ZERO.sub("", update.get("edition", "")),
                    repository="" if source is None else source.get("alias", ""),
                    url="" if source is None else source.get("url", ""),
                )
            )
    return found


def read_patches(text: str) -> dict[str, tuple[Advisory, str]]:
    """Return the patches of `list-patches --all` by name, and zypper's word for each: `needed`, `applied`."""
    rows = [_PATCH.match(row) for row in text.split("<update ")[1:]]
    found: dict[str, tuple[Advisory, str]] = {}
    for row in rows:
        advisory = _advisory(*row.group(1, 3, 4, 5, 6)) if row else None
        if row is None or advisory is None:
            return _read_any_patches(text)
        found[advisory.id] = (advisory, row[2])
    return found


def _read_any_patches(text: str) -> dict[str, tuple[Advisory, str]]:
    """Read patches that are not written as zypper writes them today."""
    return {
        update.get("name", ""): (
            _advisory_of(
                update,
                update.get("name", ""),
                update.get("category", ""),
                update.get("severity", ""),
                update.get("restart", ""),
            ),
            update.get("status", ""),
        )
        for update in _all(text, "update")
        if update.get("kind") == "patch" and update.get("name")
    }


@lru_cache(maxsize=16384)  # a fleet's hosts are told the same patches over and over
def _advisory(name: str, category: str, severity: str, restart: str, inner: str) -> Advisory | None:
    """Return a patch, given what is inside of its element; None if that is no XML."""
    try:
        return _advisory_of(fromstring(f"<update>{inner}</update>"), name, category, severity, restart)  # noqa: S314 - as in _tree
    except (ParseError, ValueError):
        return None


def _advisory_of(update: Element, name: str, category: str, severity: str, restart: str) -> Advisory:
    issues = [(issue.get("type"), issue.get("id", "")) for issue in update.iter("issue")]
    date = update.find("issue-date")
    return Advisory(
        id=name,
        classification=category,
        severity="" if severity in {"none", "unspecified"} else severity.capitalize(),
        cve_ids=tuple(dict.fromkeys(text for kind, text in issues if kind == "cve" and text)),
        bugzilla_ids=tuple(dict.fromkeys(text for kind, text in issues if kind == "bugzilla" and text)),
        issued=None if date is None else moment(date.get("time_t", "")),
        reboot=restart == "true",
        title=(update.findtext("summary") or "").strip(),
    )


def read_contents(lines: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return patch, package and the version that the patch asks for at least, of `zypper info -t patch`."""
    found: list[tuple[str, str, str]] = []
    patch = ""
    for line in lines:
        if (named := _NAME.match(line)) is not None:
            patch = named[1]
        elif patch and (conflict := _conflict(line)) is not None:
            found.append((patch, *conflict))
    return found


@lru_cache(maxsize=65536)  # a fleet's hosts are told the same patches over and over
def _conflict(line: str) -> tuple[str, str] | None:
    """Return the package of a line, and the version below which the patch is needed."""
    found = _CONFLICT.match(line)
    return (found[1], _EPOCH_ZERO.sub("", found[2])) if found else None


def read_locks(text: str) -> tuple[Hold, ...]:
    """Return the locks on packages and on patches."""
    found = []
    for lock in _all(text, "lock"):
        told = {child.tag: (child.text or "").strip() for child in lock}
        detail = ", ".join(f"{name} {value}" for name, value in told.items() if name != "name" and value)
        found.append(Hold(name=told.get("name", "*"), kind="lock", detail=detail))
    return tuple(found)


def read_origins(text: str) -> dict[tuple[str, str, str], list[str]]:
    """Return where installed versions can be had today, by name, architecture and version."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for name, arch, edition, repository in _solvables(text):
        if repository and not repository.startswith("("):
            found.setdefault((name, arch, _without_zero(edition)), []).append(repository)
    return found


def _solvables(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, architecture, version and repository of each row of a search: there are thousands."""
    rows: list[tuple[str, str, str, str]] = _SOLVABLE.findall(text)
    if len(rows) == text.count("<solvable "):
        for name, edition, arch, repository in rows:
            yield name, arch, edition, repository
        return
    for row in _all(text, "solvable"):
        yield row.get("name", ""), row.get("arch", ""), row.get("edition", ""), row.get("repository", "")


def _without_zero(edition: str) -> str:
    """Return a version without an epoch of 0."""
    return _EPOCH_ZERO.sub("", edition) if edition.startswith("0") else edition


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRow:
    """One package of a summary; `what` is zypper's word: `to-install`, `to-upgrade`, `to-remove`."""

    what: str
    name: str
    arch: str
    version: str
    before: str
    repository: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What zypper is about to do; sizes in bytes."""

    rows: tuple[SummaryRow, ...]
    download: int | None
    disk: int | None


def read_summary(text: str) -> Summary | None:
    """Return the summary of `zypper install`; None if there is none."""
    told = next(_all(text, "install-summary"), None)
    if told is None:
        return None
    rows = [
        SummaryRow(
            what=group.tag,
            name=row.get("name", ""),
            arch=row.get("arch", ""),
            version=_EPOCH_ZERO.sub("", row.get("edition", "")),
            before=_EPOCH_ZERO.sub("", row.get("edition-old", "")),
            repository=row.get("repository", ""),
        )
        for group in told
        for row in group.iter("solvable")
        if row.get("type") == "package"
    ]
    return Summary(
        rows=tuple(rows), download=_size(told.get("download-size")), disk=_size(told.get("space-usage-diff"))
    )


def _size(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"-?\d{1,15}", text) else None
