"""Read the type Application: every package of every package manager on a host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from fleetctl.inventory.purl import Distribution, package_url
from fleetctl.inventory.types import Item
from fleetctl.packages.alpmversion import split_alpm_version
from fleetctl.packages.apkversion import split_apk_version
from fleetctl.packages.debversion import split_deb_version
from fleetctl.packages.facts import moment
from fleetctl.packages.sections import Section, Sections

__all__ = ["read_applications"]

_DPKG: Final = (
    "status",
    "name",
    "version",
    "arch",
    "source",
    "section",
    "publisher",
    "url",
    "time",
    "summary",
)
_RPM: Final = (
    "name", "epoch", "version", "release", "arch", "time", "source", "group", "publisher", "url", "license", "summary",
)  # fmt: skip
_NOT_INSTALLED: Final = frozenset({"n", "c", ""})
_NONE: Final = "(none)"


def read_applications(sections: Sections, distribution: Distribution) -> tuple[list[Item], list[str], bool]:
    """Return the packages, what a reader should know, and whether there was any package manager at all.

    Where one breaks off in the middle there are no packages: half a list would look as if the others had been removed.

    Args:
        sections: the host's answer.
        distribution: of the host, for package URLs.
    """
    items: list[Item] = []
    warnings: list[str] = []
    found = broken = False
    for name, read in _READERS.items():
        section = sections[f"inv-{name}"]
        if section.code == 127 or (section.fault and not section.text):
            continue
        found = True
        rows, unread = read(section)
        items += [_item(row, name, distribution) for row in rows]
        if unread:
            warnings.append(f"{unread} lines of {name} could not be read")
        if not section.ok:
            why = section.fault or " ".join(section.errors.split()[:30]) or f"exit code {section.code}"
            warnings.append(f"{name} did not tell all: {why}" + (": Application is left out" if rows else ""))
            broken = broken or bool(rows)
    return [] if broken else items, warnings, found


def _item(row: Mapping[str, str], manager: str, distribution: Distribution) -> Item:
    when = moment(row.get("time", ""))
    item = {
        "Name": row["name"],
        "Version": row.get("version", ""),
        "Release": row.get("release", ""),
        "Epoch": row.get("epoch", ""),
        "Architecture": row.get("arch", ""),
        "InstalledTime": f"{when:%Y-%m-%dT%H:%M:%SZ}" if when else "",
        "ApplicationType": row.get("section", ""),
        "Publisher": row.get("publisher", ""),
        "URL": row.get("url", ""),
        "Summary": row.get("summary", ""),
        "PackageManager": manager,
        "Source": row.get("source", ""),
        "License": row.get("license", ""),
    }
    kept = {field: text for field, text in item.items() if text and text != _NONE}
    return {**kept, "PackageId": package_url(kept, distribution)}


def _dpkg(section: Section) -> tuple[list[dict[str, str]], int]:
    rows, unread = _table(section, _DPKG)
    found = []
    for row in rows:
        if row["status"][1:2] in _NOT_INSTALLED:
            continue
        epoch, version, release = split_deb_version(row["version"])
        found.append({**row, "epoch": epoch, "version": version, "release": release})
    return found, unread


def _rpm(section: Section) -> tuple[list[dict[str, str]], int]:
    rows, unread = _table(section, _RPM)
    found = []
    for row in rows:
        if row["name"] == "gpg-pubkey":  # a packager's key, not a package
            continue
        source = row["source"]
        stem = source.removesuffix(".src.rpm").rsplit("-", 2)[0] if source != _NONE else ""
        epoch = row["epoch"] if row["epoch"].strip("0") else ""
        group = "" if row["group"] == "Unspecified" else row["group"]
        found.append({**row, "epoch": epoch, "source": stem, "section": group})
    return found, unread


def _table(section: Section, names: tuple[str, ...]) -> tuple[list[dict[str, str]], int]:
    """Read lines of fields between tabs; the last field may hold tabs."""
    rows, unread = [], 0
    for line in section.text.split("\n"):
        fields = line.split("\t", len(names) - 1)
        if len(fields) == len(names) and fields[names.index("name")]:
            rows.append(dict(zip(names, (field.strip() for field in fields), strict=True)))
        else:
            unread += bool(line.strip())
    return rows, unread


_PACMAN: Final = {
    "NAME": "name", "VERSION": "version", "BASE": "source", "DESC": "summary", "ARCH": "arch", "URL": "url",
    "INSTALLDATE": "time", "PACKAGER": "publisher", "LICENSE": "license", "GROUPS": "section",
}  # fmt: skip


def _pacman(section: Section) -> tuple[list[dict[str, str]], int]:
    """Read libalpm's local database: blocks of `%FIELD%` and its values; each package begins with its name."""
    found: list[dict[str, str]] = []
    field = ""
    for line in section.text.split("\n"):
        if line.startswith("%") and line.endswith("%") and len(line) > 2:
            field = _PACMAN.get(line[1:-1], "")
            if field == "name":
                found.append({})
        elif line and field and found:
            found[-1][field] = f"{found[-1][field]} {line}" if field in found[-1] else line
    whole = [row for row in found if row.get("name") and row.get("version")]
    return [_split(row) for row in whole], len(found) - len(whole)


_APK: Final = {
    "P": "name", "V": "version", "A": "arch", "T": "summary", "U": "url", "L": "license", "o": "source", "m": "publisher",
}  # fmt: skip


def _apk(section: Section) -> tuple[list[dict[str, str]], int]:
    """Read apk's installed database: paragraphs of `X:value`."""
    blocks = [dict(_apk_fields(block)) for block in section.text.split("\n\n") if block.strip()]
    whole = [row for row in blocks if row.get("name") and row.get("version")]
    return [_split(row, keep_epoch=False) for row in whole], len(blocks) - len(whole)


def _apk_fields(block: str) -> Iterator[tuple[str, str]]:
    for line in block.split("\n"):
        letter, colon, text = line.partition(":")
        if colon and letter in _APK:
            yield _APK[letter], text


def _split(row: dict[str, str], *, keep_epoch: bool = True) -> dict[str, str]:
    epoch, version, release = (
        split_alpm_version(row["version"]) if keep_epoch else ("", *split_apk_version(row["version"]))
    )
    return {**row, "epoch": epoch, "version": version, "release": release}


_READERS: Final = {"dpkg": _dpkg, "rpm": _rpm, "pacman": _pacman, "apk": _apk}
