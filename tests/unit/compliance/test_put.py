"""Items from elsewhere, and what the kept reports say together."""

from datetime import UTC, datetime

import jsonschema
import pytest

from fleetctl.compliance.history import Standing, read_report, standing, trend
from fleetctl.compliance.put import Given, put_report, read_items
from fleetctl.compliance.report import keep, report_json, schema
from fleetctl.errors import ProblemsError

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ITEM = '{"Id": "%s", "Severity": "HIGH", "Status": "%s"}'


def items(*told):
    return read_items("[" + ",".join(ITEM % pair for pair in told) + "]", file="x.json")


def test_items_replace_all_or_some_and_the_same_again_changes_nothing(tmp_path):
    def give(run_id, *told, partial=False):
        before = standing(tmp_path)
        given = Given(host="a", type="Custom:X", items=items(*told), partial=partial)
        report = put_report(given, before, run_id=run_id, now=NOW)
        if report is not None:
            jsonschema.validate(report_json(report), schema(), jsonschema.Draft202012Validator)
            keep(report_json(report), tmp_path)
        found = standing(tmp_path)
        return {i["Id"]: i["Status"] for i in found.items["Custom:X", "a"]} if report else None

    bad, good = "NON_COMPLIANT", "COMPLIANT"
    assert give("r1", ("one", bad), ("two", good)) == {"one": bad, "two": good}
    assert give("r2", ("two", good), ("one", bad)) is None
    assert give("r3", ("one", good), partial=True) == {"one": good, "two": good}
    assert give("r4", ("one", good), partial=True) is None
    assert give("r5", ("three", bad)) == {"three": bad}
    assert len(list(tmp_path.glob("*.json"))) == 3


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[1]",
        '[{"Id": "a"}]',
        '[{"Id": "a", "Severity": "high", "Status": "COMPLIANT"}]',
        "[",
        '{"Items": [], "X": 1}',
    ],
)
def test_items_that_are_none_are_refused(text):
    with pytest.raises(ProblemsError):
        read_items(text, file="x.json")


def test_the_newest_word_on_a_host_counts_and_a_damaged_report_hides_no_other(tmp_path):
    for run_id, host, status in (
        ("r1", "a", "NON_COMPLIANT"),
        ("r2", "b", "COMPLIANT"),
        ("r3", "a", "COMPLIANT"),
    ):
        given = Given(host=host, type="Custom:X", items=items(("one", status)))
        keep(report_json(put_report(given, Standing(), run_id=run_id, now=NOW)), tmp_path)
    (tmp_path / "r4.json").write_text("{")
    (tmp_path / "r5.json").write_text("[]")
    found = standing(tmp_path)
    assert {key: host["Status"] for key, host in found.resources.items()} == {
        ("Custom:X", "a"): "COMPLIANT",
        ("Custom:X", "b"): "COMPLIANT",
    }
    assert [path.name for path in found.damaged] == ["r4.json", "r5.json"]
    newest = read_report(tmp_path / "r3.json")
    assert [report["CommandId"] for report in trend(tmp_path, newest)] == ["r1", "r2", "r3"]
