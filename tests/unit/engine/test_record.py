"""An outcome goes into the ledger and comes back as it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.engine.record import ended_record, keep_data, outcome_from
from fleetctl.errors import StateFolderError
from fleetctl.model import Outcome, Reason, Status
from fleetctl.store.chain import seal
from fleetctl.store.runs import RunFolder, Runs

TIMES = st.none() | st.integers(0, 4_000_000_000_000).map(
    lambda ms: datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
OUTCOMES = st.builds(
    Outcome,
    host=TEXT,
    status=st.sampled_from([status for status in Status if status.ended]),
    details=TEXT,
    reason=st.none() | st.sampled_from(Reason),
    message=TEXT,
    hint=TEXT,
    response_code=st.integers(-1, 255),
    signal=st.none() | st.just("TERM"),
    started=TIMES,
    ended=TIMES,
    stdout_bytes=st.integers(0, 1 << 50),
    stderr_bytes=st.integers(0, 1 << 50),
    stdout_digest=st.sampled_from(["", "ab" * 16]),
    attempts=st.integers(0, 9),
)


@given(OUTCOMES)
def test_an_outcome_comes_back_from_its_line_as_it_was(outcome: Outcome) -> None:
    line = seal("invocation-ended", ended_record(outcome), sequence=1, previous="x")
    assert outcome_from(json.loads(line)) == outcome


@given(
    st.dictionaries(
        st.sampled_from(["status", "reason", "code", "started", "attempts", "out_bytes"]),
        st.none() | st.text() | st.integers() | st.lists(st.integers()),
    )
)
def test_what_another_version_wrote_is_left_out_and_never_a_failure(record: dict[str, Any]) -> None:
    outcome = outcome_from({"host": "web-1", **record})
    assert outcome.host == "web-1"
    assert isinstance(outcome.status, Status)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return Runs(tmp_path).create("run")


def test_what_a_task_made_of_output_is_kept_beside_it(folder: RunFolder) -> None:
    outcome = Outcome(host="web-1", status=Status.SUCCESS, data={"Updates": [1, 2]})
    record = {**ended_record(outcome), "data": keep_data(folder, outcome)}
    assert outcome_from(record, folder).data == {"Updates": [1, 2]}
    assert outcome_from(record).data == {}
    (folder.output("web-1") / ".data").unlink()
    assert outcome_from(record, folder).data == {}


def test_nothing_is_kept_where_nothing_was_made(folder: RunFolder) -> None:
    assert keep_data(folder, Outcome(host="web-1", status=Status.SUCCESS)) is None
    assert not folder.output("web-1").exists()


def test_what_cannot_be_kept_is_told(folder: RunFolder) -> None:
    (folder.path / "out" / "web-1").write_text("in the way")
    with pytest.raises(StateFolderError, match="cannot be written"):
        keep_data(folder, Outcome(host="web-1", status=Status.SUCCESS, data={"x": 1}))
