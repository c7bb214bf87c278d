"""Which baseline a host gets: what the command names, its patch group's, the project's default, SSM's predefined one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleetctl.errors import ConfigError, NotFoundError, ProblemsError, UsageError
from fleetctl.model import Host, Outcome, Reason, Status
from fleetctl.packages.model import HostFacts
from fleetctl.patch.choose import Baselines, baseline_choice, find_baseline, find_declared, patch_group_of
from fleetctl.patch.defaults import NoBaseline, default_baseline
from fleetctl.patch.first_seen import SeenBook
from fleetctl.patch.install import InstallTask
from fleetctl.patch.plan import Plan
from fleetctl.patch.scan import ScanTask
from fleetctl.patch.work import install_work, restore_install
from fleetctl.store.first_seen import FirstSeenDates
from fleetctl.store.project import Project

GOLDEN = Path(__file__).parents[2] / "golden"
DEBIAN, UBUNTU, ROCKY = (HostFacts(os_id=name) for name in ("debian", "ubuntu", "rocky"))
FILES = {
    "web": "{operating_system: DEBIAN, patch_groups: [web-prod], approved_patches: [a]}",
    "web-u": "{operating_system: UBUNTU, patch_groups: [web-prod], approved_patches: [a]}",
    "house": "{operating_system: DEBIAN, default: true, approval_rules: [{approve_after_days: 7}]}",
    "spare": "{operating_system: DEBIAN, approved_patches: [a], rejected_patches: [b]}",
    "rock": "{operating_system: ROCKY_LINUX, approved_patches: [a]}",
}


@pytest.fixture
def project(tmp_path):
    (tmp_path / "baselines").mkdir()
    for name, text in FILES.items():
        (tmp_path / "baselines" / f"{name}.yaml").write_text(text)
    return Project(root=tmp_path, state=tmp_path / ".fleetctl")


def host(group=None, **tags):
    return Host(
        name="h", patch_group=group, tags={key.replace("_", " "): value for key, value in tags.items()}
    )


@pytest.mark.parametrize(
    ("what", "group"),
    [
        (host("web"), "web"),
        (host(None, Patch_Group="a"), "a"),
        (host(None, PatchGroup="b"), "b"),
        (host("web", Patch_Group="a", PatchGroup="b"), "web"),
        (host(None, Patch_Group="a", PatchGroup="b"), "a"),
        (host(None, patch_group="a", patchgroup="b"), None),  # SSM: keys count case
        (host(None, Patch_Group=""), None),
    ],
)
def test_a_host_s_patch_group(what, group):
    assert patch_group_of(what) == group


@pytest.mark.parametrize(
    ("what", "facts", "name", "why"),
    [
        (host("web-prod"), DEBIAN, "web", "for the patch group 'web-prod'"),
        (host(None, PatchGroup="web-prod"), UBUNTU, "web-u", "for the patch group 'web-prod'"),
        (host("other"), DEBIAN, "house", "as the project's default for DEBIAN"),
        (host(), DEBIAN, "house", "as the project's default for DEBIAN"),
        (
            host("web-prod"),
            ROCKY,
            "AWS-RockyLinuxDefaultPatchBaseline",
            "as the predefined one for ROCKY_LINUX",
        ),
        (host(), UBUNTU, "AWS-UbuntuDefaultPatchBaseline", "as the predefined one for UBUNTU"),
    ],
)
def test_group_before_default_before_predefined(project, what, facts, name, why):
    choice = baseline_choice(project)
    assert choice(what, facts).name == name
    assert choice.chosen(what, facts) == (choice(what, facts), why)


def test_a_system_without_a_name_has_no_baseline(project):
    assert baseline_choice(project)(host("web-prod"), HostFacts(os_id="plan9")) is None


def test_what_the_command_names_beats_all(project):
    choice = baseline_choice(project, ["spare", "AWS-UbuntuDefaultPatchBaseline"])
    assert choice(host("web-prod"), DEBIAN).name == "spare"
    assert choice(host("web-prod"), UBUNTU).name == "AWS-UbuntuDefaultPatchBaseline"
    with pytest.raises(NoBaseline, match="none of --baseline is for ROCKY_LINUX: 'spare' is for DEBIAN, "):
        choice(host("web-prod"), ROCKY)


def test_two_named_baselines_of_one_system_are_refused(project):
    with pytest.raises(UsageError, match="two for one system: 'spare'"):
        baseline_choice(project, ["spare", "house"])


def test_a_file_may_stand_anywhere_and_the_project_need_not_be_right(project, tmp_path):
    (tmp_path / "baselines" / "broken.yaml").write_text("x: 1")
    (tmp_path / "other.yaml").write_text(FILES["spare"])
    assert baseline_choice(project, [str(tmp_path / "other.yaml")])(host(), DEBIAN).name == "other"
    with pytest.raises(ProblemsError, match="unknown key 'x'"):
        baseline_choice(project)


def test_without_a_project_there_are_the_predefined_ones(tmp_path):
    alone = Project(root=None, state=tmp_path)
    assert baseline_choice(alone)(host("web-prod"), DEBIAN).name == "AWS-DebianDefaultPatchBaseline"


def test_a_wrong_name_says_what_was_meant(project, tmp_path):
    with pytest.raises(NotFoundError) as caught:
        find_baseline("hose", project)
    assert caught.value.hint == "did you mean 'house'?"
    with pytest.raises(NotFoundError, match="there is no file"):
        find_baseline("./gone.yaml", project)
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    with pytest.raises(ConfigError, match="says nothing"):
        find_declared(str(tmp_path / "empty.yaml"), project)


@pytest.mark.parametrize("override", [(), ("spare", "rock")])
def test_a_choice_is_the_same_after_it_was_recorded(project, override):
    choice = baseline_choice(project, override)
    again = Baselines.from_record(json.loads(json.dumps(choice.record())))
    assert again == choice


def test_a_task_judges_the_same_after_it_was_recorded(project, tmp_path):
    task = ScanTask(become=True, choose=baseline_choice(project))
    again = ScanTask.from_record(json.loads(json.dumps(task.record())))
    assert (again.become, again.choose, again.seen) == (True, task.choose, None)
    assert ScanTask.from_record(ScanTask().record()).choose is default_baseline
    asked = ScanTask(detail=True, refresh=True, max_metadata_age=timedelta(days=2), become=False)
    again = ScanTask.from_record(json.loads(json.dumps(asked.record())))
    assert (again.detail, again.refresh, again.max_metadata_age, again.become) == (
        True,
        True,
        timedelta(days=2),
        False,
    )
    seen = ScanTask(seen=SeenBook(FirstSeenDates(tmp_path)))
    assert ScanTask.from_record(seen.record()).seen.dates.path == tmp_path / "first-seen.db"


def scanned(choice, case, **what):
    folder = GOLDEN / "apt" / case
    ok = Outcome(host="h", status=Status.SUCCESS, response_code=0)
    printed = [(folder / stream).read_bytes() for stream in ("stdout", "stderr")]
    return ScanTask(choose=choice).judge(Host(name="h", **what), *printed, ok)


def test_a_scan_judges_by_the_chosen_baseline_and_says_which(project):
    summary = scanned(baseline_choice(project), "deb12-fresh", tags={"PatchGroup": "web-prod"}).data[
        "PatchSummary"
    ]
    assert (summary["BaselineId"], summary["PatchGroup"], summary["MissingCount"]) == ("web", "web-prod", 0)


def test_a_host_that_the_named_baseline_is_not_for_is_not_judged(project):
    outcome = scanned(baseline_choice(project, ["rock"]), "deb12-fresh")
    assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.REMOTE)
    assert "none of --baseline is for DEBIAN: 'rock' is for ROCKY_LINUX" in outcome.message
    assert "--baseline may be repeated" in outcome.hint


def test_an_installation_that_is_resumed_judges_by_what_it_began_with(project, tmp_path):
    plan = Plan(plan_id="P1", made=datetime(2026, 11, 23, tzinfo=UTC), selector="all")
    task = InstallTask(plan=plan, scan=ScanTask(choose=baseline_choice(project, ["spare"])))
    spec = json.loads(json.dumps(install_work(task).spec))
    (tmp_path / "baselines" / "spare.yaml").unlink()
    assert restore_install(spec).scan.choose == task.scan.choose
    old = {
        name: value for name, value in spec.items() if name != "Scan"
    }  # of a run begun before baselines were files
    assert restore_install(old).scan.choose is default_baseline
