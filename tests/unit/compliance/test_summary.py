"""Hosts counted by groups, as SSM's DescribePatchGroupState does."""

import jsonschema

from fleetctl.compliance.history import Standing
from fleetctl.compliance.schema import summary_schema
from fleetctl.compliance.summary import GROUP_COUNTERS, groups_of


def resource(status, **counts):
    return {
        "Status": status,
        "NonCompliantSummary": {"NonCompliantCount": counts.get("MissingCount", 0)},
        "PatchSummary": {**dict.fromkeys(GROUP_COUNTERS.values(), 0), **counts},
    }


def test_each_counter_is_of_hosts_that_have_at_least_one_such_patch():
    found = Standing(
        resources={
            ("Patch", "a"): resource("NON_COMPLIANT", MissingCount=7, InstalledCount=900),
            ("Patch", "b"): resource("NON_COMPLIANT", InstalledPendingRebootCount=1, InstalledCount=900),
            ("Patch", "c"): resource("COMPLIANT", InstalledCount=900, AvailableSecurityUpdateCount=2),
            ("Custom:X", "c"): resource("NON_COMPLIANT"),
        }
    )
    groups = {"a": ("prod",), "b": ("prod", "db"), "c": (), "d": ("db",)}
    rows = groups_of(found, "Patch", groups, by="group", groups=lambda host, _: groups[host])
    jsonschema.validate(rows, summary_schema())
    none, db, prod = rows
    assert [(row["Group"], row["Instances"], row["NotJudged"]) for row in rows] == [
        ("", 1, 0),
        ("db", 2, 1),
        ("prod", 2, 0),
    ]
    assert (prod["NonCompliant"], prod["Findings"]) == (2, 7)
    assert (prod["InstancesWithMissingPatches"], prod["InstancesWithInstalledPatches"]) == (1, 2)
    assert (db["InstancesWithInstalledPendingRebootPatches"], db["Hosts"]) == (1, 1)
    assert (none["InstancesWithAvailableSecurityUpdates"], none["Compliant"]) == (1, 1)
