"""Read what `zypper --xmlout` prints, and the one thing that it does not print as XML: which packages a patch is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, ParseError, fromstring

from fleetctl.packages.facts import moment
from fleetctl.packages.model import Advisory, Hold
from fleetctl.packages.rpmdb import Offer

__all__ = [
    "Summary",
    "SummaryRow",
    "read_contents",
    "read_locks",
    "read_messages",
    "read_needed",
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
_EPOCH_ZERO: Final = re.compile(r"^0+:")


def readable(text: str) -> bool:
    """Tell whether it is XML without tricks."""
    return _tree(text) is not None


def _tree(text: str) -> Element | None:
    """Return the document; None if it is none. zypper defines no entities: whoever does means harm."""
    start = text.find("<?xml")
    if start < 0 or "<!" in text:
        return None
    try:
        return fromstring(text[start:].strip())  # noqa: S314 - without entities and document types it is harmless
    except (ParseError, ValueError):
        return None


def _all(text: str, tag: str) -> Iterator[Element]:
    tree = _tree(text)
    return iter(()) if tree is None else tree.iter(tag)


def read_messages(text: str, kind: str) -> list[str]:
    """Return the texts of all messages of a kind: `error`, `warning`, `info`."""
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


def read_patches(text: str) -> dict[str, Advisory]:
    """Return the patches of `list-patches --all` by name, whatever their status."""
    found: dict[str, Advisory] = {}
    for update in _all(text, "update"):
        name = update.get("name", "")
        if update.get("kind") != "patch" or not name:
            continue
        issues = [(issue.get("type"), issue.get("id", "")) for issue in update.iter("issue")]
        severity = update.get("severity", "")
        date = update.find("issue-date")
        found[name] = Advisory(
            id=name,
            classification=update.get("category", ""),
            severity="" if severity in {"none", "unspecified"} else severity.capitalize(),
            cve_ids=tuple(dict.fromkeys(text for kind, text in issues if kind == "cve" and text)),
            bugzilla_ids=tuple(dict.fromkeys(text for kind, text in issues if kind == "bugzilla" and text)),
            issued=None if date is None else moment(date.get("time_t", "")),
            reboot=update.get("restart") == "true",
            title=(update.findtext("summary") or "").strip(),
        )
    return found


def read_needed(text: str) -> list[str]:
    """Return the names of the patches that zypper calls needed."""
    return [update.get("name", "") for update in _all(text, "update") if update.get("status") == "needed"]


def read_contents(lines: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return patch, package and the version that the patch asks for at least, of `zypper info -t patch`."""
    found: list[tuple[str, str, str]] = []
    patch = ""
    for line in lines:
        if (named := _NAME.match(line)) is not None:
            patch = named[1]
        elif (conflict := _CONFLICT.match(line)) is not None and patch:
            found.append((patch, conflict[1], _EPOCH_ZERO.sub("", conflict[2])))
    return found


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
    for solvable in _all(text, "solvable"):
        repository = solvable.get("repository", "")
        if repository and not repository.startswith("("):
            key = (
                solvable.get("name", ""),
                solvable.get("arch", ""),
                _EPOCH_ZERO.sub("", solvable.get("edition", "")),
            )
            found.setdefault(key, []).append(repository)
    return found


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
