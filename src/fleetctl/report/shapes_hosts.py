"""JSON Schemas of what is printed about hosts, what is wrong with them, documents that they run, and feeds."""

from __future__ import annotations

from typing import Final

from fleetctl.report.shape import (
    ANY,
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    TEXTS,
    TIME,
    Shape,
    listed,
    one_of,
    optional,
    published,
    record,
    table_of,
    told,
)

__all__ = [
    "doctor_report",
    "document_description",
    "document_list",
    "feed_list",
    "host",
    "host_key_list",
    "host_list",
]

_PORT: Final[Shape] = {"type": "integer", "minimum": 1, "maximum": 65535}


def _fields() -> dict[str, Shape]:
    become = record({"method": TEXT, "user": TEXT})
    return {
        "name": TEXT,
        "address": told(TEXT, "where to connect to"),
        "port": optional(_PORT),
        "user": optional(TEXT),
        "transport": TEXT,
        "groups": TEXTS,
        "tags": table_of(TEXT),
        "zone": optional(TEXT),
        "platform": optional(TEXT),
        "patch_group": optional(TEXT),
        "jump": optional(TEXT),
        "become": optional(become),
        "identity_file": TEXTS,
        "vars": table_of(ANY),
    }


def host_list() -> Shape:
    """Return the schema of `hosts list`."""
    return published("hosts", listed(record(_fields())))


def host() -> Shape:
    """Return the schema of `hosts show`."""
    return published("host", record(_fields(), source=told(TEXT, "FILE:LINE:COLUMN")))


def host_key_list() -> Shape:
    """Return the schema of `hosts trust`."""
    entry = record({"KeyType": TEXT, "Fingerprint": TEXT, "Place": TEXT})
    row = record(
        {
            "InstanceId": TEXT,
            "KnownAs": TEXT,
            "State": one_of("New", "Known", "Changed", "Revoked", "Unreachable"),
        },
        KeyType=TEXT,
        Fingerprint=TEXT,
        Recorded=listed(entry),
        Reason=TEXT,
        Message=TEXT,
    )
    return published("host keys", listed(row))


def doctor_report() -> Shape:
    """Return the schema of `doctor`."""
    states = ("ok", "info", "warn", "fail")
    finding = record(
        {
            "Check": TEXT,
            "Kind": one_of("host", "local"),
            "Subject": TEXT,
            "State": one_of(*states),
            "Message": TEXT,
            "Remedy": TEXT,
        }
    )
    whole = record(
        {
            "SchemaVersion": {"const": "1.0"},
            "Status": one_of("Healthy", "Misconfigured", "Failed", "Unreachable"),
            "Counts": record(dict.fromkeys(states, COUNT)),
            "Findings": listed(finding),
        }
    )
    return published("findings", whole)


def feed_list() -> Shape:
    """Return the schema of `feeds list` and `feeds show`."""
    row = record(
        {
            **dict.fromkeys(("Feed", "Kind", "Scope", "DatedBy", "Source"), TEXT),
            "Date": TIME,
            "AgeDays": told({"type": "integer"}, "negative: dated in the future"),
            "Stale": FLAG,
            "Entries": COUNT,
            "Imported": TIME,
        },
        Url=told(TEXT, "where it can be had"),
        Covers=TEXTS,
    )
    return published("feeds", listed(row))


def document_list() -> Shape:
    """Return the schema of `document list`."""
    texts = ("Name", "Owner", "SchemaVersion", "Description", "Problem")
    return published("documents", listed(record(dict.fromkeys(texts, TEXT))))


def document_description() -> Shape:
    """Return the schema of `document describe`."""
    parameter = record(
        {
            "Name": TEXT,
            "Type": TEXT,
            "Description": TEXT,
            "DefaultValue": ANY,
            "Required": FLAG,
            "AllowedValues": listed(ANY),
            "AllowedPattern": optional(TEXT),
        }
    )
    whole = record(
        {
            **dict.fromkeys(("Name", "Source", "SchemaVersion", "Description", "Hash"), TEXT),
            "HashType": {"const": "Sha256"},
            "DocumentType": {"const": "Command"},
            "Parameters": listed(parameter),
            "Steps": listed(record({"Name": TEXT, "Action": TEXT, "TimeoutSeconds": NUMBER})),
        }
    )
    return published("document", whole)
