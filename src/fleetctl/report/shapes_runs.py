"""JSON Schemas of what is printed about runs, their evidence and what they left."""

from __future__ import annotations

from typing import Final

from fleetctl.report.shape import (
    ANY,
    COUNT,
    FLAG,
    TEXT,
    TEXTS,
    TIME,
    Shape,
    listed,
    one_of,
    published,
    record,
    table_of,
    told,
)

__all__ = [
    "audit_evidence",
    "audit_export",
    "audit_list",
    "leftover_list",
    "pruning_list",
    "run_evidence",
    "run_list",
    "shipment_list",
]

_FLAW: Final = record({"Kind": TEXT, "File": TEXT, "Message": TEXT}, Line=COUNT)


def run_list() -> Shape:
    """Return the schema of `runs list`."""
    row = record(
        {
            "CommandId": TEXT,
            "DocumentName": TEXT,
            "Status": told(TEXT, "Damaged: what was kept of it cannot be read"),
            "RequestedDateTime": TIME,
            "RequestedBy": TEXT,
            "Selector": TEXT,
            "TargetCount": COUNT,
            "Comment": TEXT,
            "Parameters": table_of(ANY),
        },
        EndedDateTime=TIME,
        CompletedCount=COUNT,
        ErrorCount=COUNT,
        UndeliverableCount=COUNT,
        Counts=table_of(COUNT),
    )
    return published("list of runs", listed(row))


def run_evidence() -> Shape:
    """Return the schema of `runs verify`."""
    row = record(
        {
            "CommandId": TEXT,
            "State": TEXT,
            "Records": COUNT,
            "Sequence": COUNT,
            "Head": told(TEXT, "hash of the last record"),
            "OutputsCompared": COUNT,
            "Flaws": listed(_FLAW),
            "Notes": TEXTS,
        }
    )
    return published("evidence of runs", listed(row))


def shipment_list() -> Shape:
    """Return the schema of `runs ship`."""
    row = record(
        {
            "CommandId": TEXT,
            "Sink": TEXT,
            "Status": one_of("Complete", "Failed", "Unfinished"),
            "Objects": COUNT,
            "Bytes": COUNT,
            "Missing": COUNT,
            "Message": TEXT,
            "Hint": TEXT,
        }
    )
    return published("copies of runs", listed(row))


def leftover_list() -> Shape:
    """Return the schema of `runs gc`."""
    row = record(
        {
            "InstanceId": TEXT,
            "CommandId": TEXT,
            "JobId": TEXT,
            "State": TEXT,
            "AgeSeconds": COUNT,
            "Bytes": COUNT,
            "Action": one_of("Kept", "Removed", "Failed"),
        },
        ExitCode={"type": "integer"},
        Signal=TEXT,
    )
    return published("what detached jobs left", listed(row))


def pruning_list() -> Shape:
    """Return the schema of `runs prune`."""
    row = record(
        {
            "CommandId": TEXT,
            "EndedDateTime": TIME,
            "Bytes": COUNT,
            "Action": one_of("Keep", "Remove"),
            "Reason": told(TEXT, "why it must stay"),
        }
    )
    return published("runs that go", listed(row))


def _audited() -> Shape:
    return record(
        {
            "CommandId": TEXT,
            "RequestedDateTime": TIME,
            "RequestedBy": TEXT,
            "RequestedFrom": TEXT,
            "DocumentName": TEXT,
            "Selector": TEXT,
            "TargetCount": COUNT,
            "Status": TEXT,
        },
        Parameters=table_of(ANY),
        Comment=TEXT,
        Counts=table_of(COUNT),
        EndedDateTime=TIME,
        RetryOf=TEXT,
        Removed=ANY,
        Continued=ANY,
        Shipped=ANY,
    )


def audit_list() -> Shape:
    """Return the schema of `audit list`."""
    return published("audited runs", listed(_audited()))


def _verification() -> Shape:
    checkpoint = record(
        {"Sequence": COUNT, "Head": TEXT, "DateTime": TEXT, "File": TEXT, "Signed": FLAG},
        SignatureGood=FLAG,
        Key=TEXT,
        Signer=TEXT,
    )
    return record(
        {
            "State": one_of("sound", "damaged"),
            "Records": COUNT,
            "Sequence": COUNT,
            "Head": TEXT,
            "Runs": COUNT,
            "RemovedRuns": COUNT,
            "Checkpoints": listed(checkpoint),
            "Flaws": listed(_FLAW),
            "Notes": TEXTS,
        }
    )


def audit_evidence() -> Shape:
    """Return the schema of `audit verify`."""
    return published("evidence of the audit log", _verification())


def audit_export() -> Shape:
    """Return the schema of `audit export`."""
    whole = record(
        {
            "SchemaVersion": {"const": "1.0"},
            "Beginning": TEXT,
            "Namespace": TEXT,
            "Verification": _verification(),
            "Runs": listed(_audited()),
            "Checkpoints": listed(record({"Name": TEXT, "Text": TEXT}, Signature=TEXT)),
            "Lines": told(TEXTS, "of the log, as they are on disk"),
        }
    )
    return published("audit log", whole)
