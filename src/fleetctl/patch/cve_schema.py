"""The JSON Schemas of `patch cve` and `patch cves`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fleetctl.feeds.severity import SEVERITIES
from fleetctl.feeds.telling import FEED_SCHEMA
from fleetctl.patch.cve_match import Standing

__all__ = ["cve_schema", "cves_schema"]

_TEXT: Final = {"type": "string"}
_TIME: Final = {"type": ["string", "null"], "format": "date-time"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_STATUS: Final = {"enum": [standing.value for standing in Standing]}


def _object(properties: Mapping[str, Any], *, optional: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "properties": dict(properties),
        "additionalProperties": False,
    }


_MARKS: Final[dict[str, Any]] = {
    "KnownExploited": {
        "oneOf": [
            {"type": "null"},
            _object({"DateAdded": _TEXT, "DueDate": _TEXT, "Ransomware": {"type": "boolean"}, "Name": _TEXT}),
        ],
        "description": "CISA's catalog lists it",
    },
    "Epss": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    "EpssPercentile": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
}


def cve_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of `patch cve --format json`."""
    verdict = {
        "Source": {**_TEXT, "description": "a feed, or host-advisories"},
        "Date": {
            "type": "string",
            "format": "date-time",
            "description": "of the feed's content, or of the scan",
        },
        "Status": _STATUS,
        **dict.fromkeys(("FixedVersion", "Advisory", "Severity", "Note"), _TEXT),
    }
    update = {
        "Version": _TEXT,
        "Fixes": {"type": ["boolean", "null"], "description": "null: its version cannot be compared"},
        "Approved": {
            "type": ["boolean", "null"],
            "description": "by the patch baseline, today; null: there is none",
        },
        **dict.fromkeys(("Decision", "DueDate", "Held"), _TEXT),
    }
    package = {
        "Name": _TEXT,
        "InstalledPackages": {"type": "array", "items": _TEXT},
        "InstalledVersion": _TEXT,
        "FixedVersion": _TEXT,
        "Status": _STATUS,
        "SourcesDisagree": {"type": "boolean"},
        "Update": {"oneOf": [{"type": "null"}, _object(update, optional=("Decision", "DueDate", "Held"))]},
        "Note": _TEXT,
        "Verdicts": {"type": "array", "items": _object(verdict)},
    }
    host = {
        "InstanceId": _TEXT,
        "Status": _STATUS,
        "Reason": _TEXT,
        "Platform": _TEXT,
        "Seen": _TIME,
        "SeenBy": {"enum": ["scan", "inventory", None]},
        "ScanTime": _TIME,
        "ScanId": {"type": ["string", "null"]},
        "InventoryTime": _TIME,
        "Packages": {"type": "array", "items": _object(package)},
    }
    counts = {f"{word}Count": _COUNT for word in ("Affected", "Fixed", "NotAffected", "Unknown")}
    whole = {
        "Cve": {"type": "string", "pattern": "^CVE-[0-9]{4}-[0-9]{4,19}$"},
        "Made": {"type": "string", "format": "date-time"},
        "Severity": {"enum": list(SEVERITIES)},
        **_MARKS,
        "Feeds": {"type": "array", "items": FEED_SCHEMA},
        "Summary": _object(counts),
        "Hosts": {"type": "array", "items": _object(host)},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fleetctl patch cve",
        **_object(whole),
    }


def cves_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of `patch cves --format json`."""
    texts = {"type": "array", "items": _TEXT}
    one = {
        "Cve": _TEXT,
        "Severity": {"enum": list(SEVERITIES)},
        **_MARKS,
        "HostCount": {"type": "integer", "minimum": 1},
        "Hosts": texts,
        "Packages": texts,
        "UpdateCount": {**_COUNT, "description": "hosts that have an update for it, by their last scan"},
        "FixExists": {"type": "boolean", "description": "a source knows a version that mends it"},
        "Sources": texts,
    }
    whole = {
        "Made": {"type": "string", "format": "date-time"},
        "Feeds": {"type": "array", "items": FEED_SCHEMA},
        "Summary": _object({"HostCount": _COUNT, "CveCount": _COUNT, "UnimportantCount": _COUNT}),
        "Cves": {"type": "array", "items": _object(one)},
        "Unknown": {"type": "array", "items": _object({"InstanceId": _TEXT, "Reason": _TEXT})},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fleetctl patch cves",
        **_object(whole),
    }
