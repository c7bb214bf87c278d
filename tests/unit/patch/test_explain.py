"""One paragraph about one package: which rule decided, why not the others, since when, until when, and what holds it back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleetctl.errors import NotFoundError
from fleetctl.model import Host
from fleetctl.packages.collect import managers, read_state
from fleetctl.patch.baseline_load import load_files
from fleetctl.patch.choose import Baselines
from fleetctl.patch.explain import explain
from fleetctl.patch.explain_telling import explanation_json, paragraph
from fleetctl.patch.looks import LastLook, last_look
from fleetctl.store.first_seen import FirstSeenDates
from fleetctl.store.runs import Runs

GOLDEN = Path(__file__).parents[2] / "golden"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
FIX = ("fl-held", "1.0-1+deb12u1", "bookworm-security/main")


@pytest.fixture
def told(tmp_path):
    """Explain a package of a golden host by a baseline: `told("apt/deb12-fresh", "bash", "approval_rules: ...")`."""

    def told(case, name, text="", *, seen=None):
        answer = [(GOLDEN / case / stream).read_bytes() for stream in ("stdout", "stderr")]
        look = LastLook(state=read_state(*answer, managers()), run_id="R1", time=NOW)
        groups = {}
        if text:
            (tmp_path / "mine.yaml").write_text(text)
            baseline = load_files([tmp_path / "mine.yaml"])[0].baseline
            groups = {("web", baseline.operating_system): baseline}
        if seen:
            FirstSeenDates(tmp_path).note("apt", [FIX], seen)
        host = Host(name="web-1", patch_group="web")
        baselines = Baselines(groups=groups)
        (one,) = explain(host, name, look=look, baselines=baselines, now=NOW, state_folder=tmp_path)
        data = explanation_json(one)
        assert json.loads(json.dumps(data)) == data
        assert data["Text"] == paragraph(one)
        return data

    return told


WAITING = """\
operating_system: DEBIAN
approval_rules:
  - filters: {SECTION: [libs]}
  - approve_after_days: 7
rejected_patches: [fl-ker*]
"""


def test_a_missing_fix_that_is_held_and_hidden(told):
    data = told("apt/deb12-fresh", "fl-held")
    assert data["Text"] == (
        "fl-held.all on web-1 is MISSING, which is not compliant. It has 1.0-1; the baseline 'AWS-DebianDefaultPatchBaseline',"
        " chosen as the predefined one for DEBIAN, asks for 1.0-1+deb12u1 from bookworm-security/main. approval_rules[0] decided:"
        " its filters fit (PRODUCT *, SECTION *, PRIORITY *), and it approves without delay. The newer 1.1-1 from bookworm/main is"
        " not asked for: approval_rules[0] says nothing of it: it is no security update, no advisory names it, and other updates are"
        " not enabled there. It is held on the host: an upgrade will not install it; a plan leaves it out until that is lifted there."
        " The host was looked at by run R1 on 2026-11-24 00:00 UTC."
    )
    assert (data["WantedVersion"], data["DecidedBy"], data["Held"]) == (
        "1.0-1+deb12u1",
        "approval_rules[0]",
        "hold",
    )
    assert [version["Version"] for version in data["Versions"]] == ["1.1-1", "1.0-1+deb12u1", "1.0-1"]
    assert [version["Installed"] for version in data["Versions"]] == [False, False, True]


def test_one_that_waits_says_since_when_until_when_and_why_no_other_rule(told):
    data = told("apt/deb12-fresh", "fl-held.all", WAITING, seen=NOW - timedelta(days=2))
    assert (data["State"], data["Compliant"]) == ("AVAILABLE_SECURITY_UPDATE", True)
    text = data["Text"]
    assert "chosen for the patch group 'web', does not yet ask for 1.0-1+deb12u1" in text
    assert (
        "the vendor gives no date and fleetctl first saw it on 2026-11-22 00:00 UTC: the 7 days that it waits end on"
        " 2026-11-29 00:00 UTC" in text
    )
    assert "approval_rules[0] does not match: its SECTION is misc, not libs." in text
    assert "On the host it is kept back too (hold)." in text
    fix = next(version for version in data["Versions"] if version["Version"] == FIX[1])
    assert (fix["DeploymentStatus"], fix["DatedBy"]) == ("PENDING_APPROVAL", "first-seen")
    assert fix["ApprovalTime"] == "2026-11-29T00:00:00+00:00"


def test_one_whose_wait_is_over_says_when_it_ended(told):
    data = told("apt/deb12-fresh", "fl-held", WAITING, seen=NOW - timedelta(days=9))
    assert data["State"] == "MISSING"
    assert "the 7 days that it waits ended on 2026-11-22 00:00 UTC" in data["Text"]


def test_what_nobody_saw_before_is_seen_now_and_nothing_is_written(told, tmp_path):
    assert "fleetctl sees it for the first time" in told("apt/deb12-fresh", "fl-held", WAITING)["Text"]
    assert not (tmp_path / "first-seen.db").exists()


def test_a_rejected_one_names_the_entry(told):
    text = told("apt/deb12-fresh", "fl-kernel", WAITING)["Text"]
    assert (
        "rejected_patches decided: its entry 'fl-ker*' names it, and rejection wins over everything" in text
    )


def test_a_vendor_s_date_and_an_exclude_of_dnf(told):
    text = told("dnf/el9-fresh", "fl-held")["Text"]
    assert "its vendor published it on 2024-02-10: the 7 days that it waits ended on 2024-02-17" in text
    assert "approval_rules[1] does not match: its CLASSIFICATION is security, not Bugfix." in text
    assert "It is excluded on the host" in text


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        (
            "approved_patches: [fl-held]",
            "approved_patches decided: its entry 'fl-held' names it, and comes before all",
        ),
        (
            "{approved_patches: [fl-held], approval_rules: [{compliance_level: LOW}]}",
            "approval_rules[0] fits too, and counts for less: it has no filters, and it approves without delay",
        ),
        (
            "{global_filters: {PRODUCT: [Debian13]}, approval_rules: [{}]}",
            "global_filters leave it out: its PRODUCT is Debian12, not Debian13",
        ),
        ("approval_rules: [{approve_until_date: 2026-11-01}]", "after 2026-11-01, until which it approves"),
        (
            "approval_rules: [{approve_until_date: 2027-11-01}]",
            "not after 2027-11-01, until which it approves",
        ),
        ("approved_patches: [bash]", "asks for 1.0-1+deb12u1"),
    ],
)
def test_every_part_of_a_baseline_has_its_sentence(told, rest, words):
    body = rest[1:-1] if rest.startswith("{") else rest
    text = told("apt/deb12-fresh", "fl-held", f"{{operating_system: DEBIAN, {body}}}")["Text"]
    if words.startswith("asks for"):
        assert "It has no rule at all." in text
    else:
        assert words in text


def test_what_is_pending_a_reboot_or_broken_says_so(told):
    assert "in use only after a reboot" in told("apt/deb12-pending-reboot", "fl-kernel")["Text"]
    assert "half-configured" in told("apt/deb12-broken-postinst", "fl-broken")["Text"]


def test_a_package_that_is_not_there_says_what_was_meant(told):
    with pytest.raises(NotFoundError, match="fl-hel is not installed on web-1") as caught:
        told("apt/deb12-fresh", "fl-hel")
    assert "'fl-held'" in caught.value.hint


def test_a_host_that_could_not_be_judged_says_why(told):
    with pytest.raises(NotFoundError, match="run R1 could not judge web-1") as caught:
        told("apt/deb12-no-lists", "bash")
    assert "--scan" in caught.value.hint


def run(runs, run_id, *, document="AWS-RunPatchBaseline", step="", stdout=b"x"):
    folder = runs.create(run_id)
    folder.write_run({"DocumentName": document, "RequestedDateTime": "2026-11-23T20:00:00+00:00"})
    output = folder.output("web-1", step)
    output.mkdir(parents=True)
    (output / "stdout").write_bytes(stdout)


def test_the_newest_look_counts_whatever_ran_since(tmp_path):
    runs = Runs(tmp_path)
    answer = (GOLDEN / "apt" / "deb12-fresh" / "stdout").read_bytes()
    run(runs, "20261101T000000.000-aaaaaa", stdout=answer)
    run(runs, "20261102T000000.000-aaaaaa", step="verify", stdout=answer)
    run(runs, "20261103T000000.000-aaaaaa", step="install", stdout=answer)
    run(runs, "20261104T000000.000-aaaaaa", stdout=b"")
    run(runs, "20261105T000000.000-aaaaaa", document="AWS-RunShellScript", stdout=answer)
    (runs.create("20261106T000000.000-aaaaaa").path / "run.json").write_text("{damaged")
    found = last_look(runs, "web-1")
    assert (found.run_id, found.state.manager) == ("20261102T000000.000-aaaaaa", "apt")
    assert found.time == datetime(2026, 11, 23, 20, tzinfo=UTC)
    with pytest.raises(NotFoundError, match="no run that is kept has looked"):
        last_look(runs, "web-2")
