"""Software bills of materials: CycloneDX 1.6 and SPDX 2.3, as JSON, of what is installed on hosts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from fleetctl import __version__
from fleetctl.inventory.purl import full_version
from fleetctl.inventory.types import Item, Items

__all__ = ["SbomHost", "cyclonedx", "spdx"]

_NAMESPACE: Final = "https://spdx.org/spdxdocs/fleetctl"
_NOTHING: Final = "NOASSERTION"
_ID: Final = re.compile(r"[^A-Za-z0-9.-]")
_WEB: Final = re.compile(r"https?://[^\s<>\"{}|\\^`\[\]]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class SbomHost:
    """One host of a bill of materials: its name, InstanceInformation, and Applications."""

    name: str
    machine: Item = field(default_factory=dict)
    applications: Items = ()


def cyclonedx(hosts: Sequence[SbomHost], *, now: datetime, seed: str) -> dict[str, Any]:
    """Return a CycloneDX 1.6 bill: each host is a component that holds its operating system and packages.

    Args:
        hosts: in their order.
        now: when it is made, aware.
        seed: of the serial number: equal contents have equal ones.
    """
    components = [_cdx_host(host) for host in hosts]
    bom: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, seed)}",
        "version": 1,
        "metadata": {
            "timestamp": _stamp(now),
            "tools": {"components": [{"type": "application", "name": "fleetctl", "version": __version__}]},
        },
    }
    if len(components) == 1:  # one host is what the bill is about
        (host,) = components
        bom["components"] = host.pop("components")
        bom["metadata"]["component"] = host
    else:
        bom["components"] = components
    return bom


def _cdx_host(host: SbomHost) -> dict[str, Any]:
    system = {
        "type": "operating-system",
        "bom-ref": f"{host.name}#os",
        "name": host.machine.get("PlatformName", "unknown"),
        "version": host.machine.get("PlatformVersion", ""),
    }
    packages = [_cdx_package(host.name, number, item) for number, item in enumerate(host.applications)]
    return {
        "type": "device",
        "bom-ref": host.name,
        "name": host.name,
        "components": [*([system] if host.machine else []), *packages],
    }


def _cdx_package(host: str, number: int, item: Item) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"{host}#{number}",
        "name": item["Name"],
        "version": full_version(item),
        "purl": item["PackageId"],
    }
    if item.get("Publisher"):
        component["publisher"] = item["Publisher"]
    if item.get("Summary"):
        component["description"] = item["Summary"]
    if item.get("License"):
        component["licenses"] = [{"license": {"name": item["License"]}}]
    if _WEB.fullmatch(item.get("URL", "")):
        component["externalReferences"] = [{"type": "website", "url": item["URL"]}]
    told = {
        key: item[key]
        for key in ("Architecture", "Source", "InstalledTime", "PackageManager")
        if item.get(key)
    }
    component["properties"] = [{"name": f"fleetctl:{key}", "value": value} for key, value in told.items()]
    return component


def spdx(hosts: Sequence[SbomHost], *, now: datetime, seed: str) -> dict[str, Any]:
    """Return an SPDX 2.3 document: it describes hosts, which contain packages.

    Args:
        hosts: in their order.
        now: when it is made, aware.
        seed: of the document's namespace: equal contents have equal ones.
    """
    packages: list[dict[str, Any]] = []
    relations: list[dict[str, str]] = []
    for host in hosts:
        own = _identifier("Host", host.name)
        packages.append(
            {
                "SPDXID": own,
                "name": host.name,
                "downloadLocation": _NOTHING,
                "filesAnalyzed": False,
                "primaryPackagePurpose": "DEVICE",
                **_if_any("summary", host.machine.get("PlatformName", "")),
            }
        )
        relations.append(_relation("SPDXRef-DOCUMENT", "DESCRIBES", own))
        for number, item in enumerate(host.applications):
            identifier = _identifier("Package", f"{host.name}-{number}-{item['Name']}")
            packages.append(_spdx_package(identifier, item))
            relations.append(_relation(own, "CONTAINS", identifier))
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": hosts[0].name if len(hosts) == 1 else f"fleet of {len(hosts)} hosts",
        "documentNamespace": f"{_NAMESPACE}/{uuid5(NAMESPACE_URL, seed)}",
        "creationInfo": {"created": _stamp(now), "creators": [f"Tool: fleetctl-{__version__}"]},
        "packages": packages,
        "relationships": relations,
    }


def _spdx_package(identifier: str, item: Item) -> dict[str, Any]:
    web = item.get("URL", "")
    return {
        "SPDXID": identifier,
        "name": item["Name"],
        "versionInfo": full_version(item),
        "downloadLocation": _NOTHING,
        "filesAnalyzed": False,
        "licenseConcluded": _NOTHING,
        "licenseDeclared": _NOTHING,
        "copyrightText": _NOTHING,
        # Names of licences are the packagers' own words, seldom SPDX's.
        **_if_any("licenseComments", item.get("License", "")),
        **_if_any("supplier", f"Organization: {item['Publisher']}" if item.get("Publisher") else ""),
        **_if_any("homepage", web if _WEB.fullmatch(web) else ""),
        **_if_any("summary", item.get("Summary", "")),
        **_if_any("sourceInfo", f"built from source package {item['Source']}" if item.get("Source") else ""),
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": item["PackageId"],
            }
        ],
    }


def _relation(left: str, kind: str, right: str) -> dict[str, str]:
    return {"spdxElementId": left, "relationshipType": kind, "relatedSpdxElement": right}


def _identifier(kind: str, name: str) -> str:
    """Return an identifier of letters, digits, dots and dashes; different names have different ones."""
    plain = _ID.sub("-", name)
    return f"SPDXRef-{kind}-{plain}" + ("" if plain == name else f"-{sha256(name.encode()).hexdigest()[:8]}")


def _if_any(key: str, text: str) -> Mapping[str, str]:
    return {key: text} if text else {}


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
