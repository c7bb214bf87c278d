from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleetctl.engine.output import OutputFiles
from fleetctl.run.grouping import diff, group_by_output
from fleetctl.store.runs import RunFolder, Runs


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return Runs(tmp_path).create("run")


def ran(folder: RunFolder, host: str, out: bytes = b"", err: bytes = b"", **more: Any) -> dict[str, Any]:
    files = OutputFiles(folder, host)
    files.step().stdout(out)
    files.step().stderr(err)
    files.close()
    out_digest, err_digest = files.digests()
    found = {"StandardOutputDigest": out_digest, "StandardErrorDigest": err_digest}
    return {
        "InstanceId": host,
        "Status": "Success",
        "ResponseCode": 0,
        "ExecutionStartDateTime": "2026-11-23T20:45:12.345+00:00",
        **{key: value for key, value in found.items() if value},
        **more,
    }


def test_hosts_that_printed_the_same_stand_together_the_most_first(folder: RunFolder) -> None:
    found = group_by_output(
        [
            ran(folder, "a", b"x"),
            ran(folder, "b", b"y"),
            ran(folder, "c", b"y"),
            ran(folder, "d", b"y", b"but this"),
            ran(folder, "e", b"y", ResponseCode=3, Status="Failed"),
        ]
    )
    assert [group.hosts for group in found] == [("b", "c"), ("a",), ("d",), ("e",)]


def test_hosts_that_never_ran_are_left_out(folder: RunFolder) -> None:
    never = {"InstanceId": "x", "Status": "Undeliverable", "ResponseCode": -1}
    cancelled = {"InstanceId": "y", "Status": "Cancelled", "ResponseCode": -1}
    assert group_by_output([never, cancelled]) == []
    (silent,) = group_by_output([ran(folder, "a")])
    assert silent.empty


def test_the_difference_is_a_unified_diff(folder: RunFolder) -> None:
    groups = group_by_output(
        [ran(folder, "a", b"1\n2\n"), ran(folder, "b", b"1\n2\n"), ran(folder, "c", b"1\n3\n")]
    )
    assert list(diff(folder, groups[0], groups[1])) == [
        "--- 2 hosts such as a",
        "+++ c",
        "@@ -1,2 +1,2 @@",
        " 1",
        "-2",
        "+3",
    ]


def test_very_large_outputs_are_not_compared(folder: RunFolder) -> None:
    groups = group_by_output([ran(folder, "a", b"x" * (2 << 20)), ran(folder, "b", b"y")])
    assert "more than 1 MB" in "".join(diff(folder, groups[0], groups[1]))
