"""updateinfo.xml: the advisories of an rpm repository, which dnf and zypper both read."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from lab.advisories import ADVISORIES, Advisory
from lab.families import Package, Release
from lab.versions import evr

__all__ = ["updateinfo"]


def updateinfo(published: Iterable[tuple[Package, Release, str]]) -> str:
    """The XML that tells which advisory brought which of these packages.

    Args:
        published: what the repository holds: package, release, and its architecture as rpm calls it.
    """
    by_name: dict[str, list[tuple[Package, Release, str]]] = {}
    for entry in published:
        if entry[1].advisory:
            by_name.setdefault(entry[1].advisory, []).append(entry)
    root = ET.Element("updates")
    for name, entries in sorted(by_name.items()):
        _advisory(root, ADVISORIES[name], entries)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _advisory(root: ET.Element, told: Advisory, entries: list[tuple[Package, Release, str]]) -> None:
    update = ET.SubElement(
        root,
        "update",
        {"from": "fleet@example.invalid", "status": "final", "type": told.kind, "version": "1"},
    )
    for key, text in (("id", told.name), ("title", told.title), ("severity", told.severity)):
        if text:
            ET.SubElement(update, key).text = text
    for key in ("issued", "updated"):
        ET.SubElement(update, key, {"date": told.issued})
    ET.SubElement(update, "description").text = f"What {told.name} is about."
    references = ET.SubElement(update, "references")
    for cve in told.cves:
        link = {"href": f"https://example.invalid/{cve}", "id": cve, "title": cve, "type": "cve"}
        ET.SubElement(references, "reference", link)
    collection = ET.SubElement(ET.SubElement(update, "pkglist"), "collection", {"short": "fleet"})
    ET.SubElement(collection, "name").text = "fleet"
    for package, release, arch in entries:
        epoch, version, number = evr(release.version)
        what = {"name": package.name, "epoch": epoch, "version": version, "release": number, "arch": arch}
        file = f"{package.name}-{version}-{number}"
        listed = ET.SubElement(collection, "package", {**what, "src": f"{file}.src.rpm"})
        ET.SubElement(listed, "filename").text = f"{file}.{arch}.rpm"
        flags = {"reboot": told.reboot, "restart": told.restart, "relogin": told.relogin}
        for flag in (name for name, wanted in flags.items() if wanted):
            ET.SubElement(listed, f"{flag}_suggested").text = "True"
