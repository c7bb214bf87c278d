"""`fleetctl patch baseline` and `patch scan --baseline`, as their users meet them; this machine is the host."""

from __future__ import annotations

import platform
import shutil

import jsonschema
import pytest
import yaml

from fleetctl.patch.baseline_form import schema

WEB = """\
operating_system: {system}
patch_groups: [web-prod]
approval_rules:
  - approve_after_days: 7
    enable_non_security: true
"""


@pytest.fixture
def baselines(project):
    folder = project / "baselines"
    folder.mkdir()
    return folder


def test_the_list_has_the_project_s_first_and_says_who_gets_them(fleetctl, baselines):
    (baselines / "web.yaml").write_text(WEB.format(system="DEBIAN") + "default: true\n")
    done = fleetctl("patch", "baseline", "list")
    assert done.code == 0
    lines = done.stdout.splitlines()
    assert lines[1].split()[:5] == ["web", "DEBIAN", "project", "yes", "web-prod"]
    rows = {row["BaselineId"]: row for row in fleetctl("patch", "baseline", "list", "--format", "json").json}
    assert rows["web"]["PatchGroups"] == ["web-prod"]
    assert rows["web"]["ApprovalRules"]["PatchRules"][0]["ApproveAfterDays"] == 7
    assert not rows["AWS-DebianDefaultPatchBaseline"]["DefaultBaseline"]
    assert rows["AWS-UbuntuDefaultPatchBaseline"]["DefaultBaseline"]
    assert (
        "web,DEBIAN,project,True,web-prod," in fleetctl("patch", "baseline", "list", "--format", "csv").stdout
    )


def test_a_predefined_baseline_shown_is_a_file_to_begin_with(fleetctl, baselines):
    shown = fleetctl("patch", "baseline", "show", "AWS-RedHatDefaultPatchBaseline")
    (baselines / "mine.yaml").write_text(shown.stdout)
    jsonschema.validate(yaml.safe_load(shown.stdout), schema())
    assert fleetctl("patch", "baseline", "check").code == 0
    again = fleetctl("patch", "baseline", "show", "mine").stdout
    assert yaml.safe_load(again) == {"name": "mine", **yaml.safe_load(shown.stdout)}
    told = fleetctl("patch", "baseline", "show", "mine", "--format", "json").json
    assert (told["BaselineId"], told["OperatingSystem"]) == ("mine", "REDHAT_ENTERPRISE_LINUX")


def test_check_tells_all_that_is_wrong_with_all_files(fleetctl, baselines):
    (baselines / "a.yaml").write_text("operating_system: DEBIAN\napproval_rule: []\n")
    (baselines / "b.yaml").write_text("operating_system: DEBAIN\n")
    done = fleetctl("patch", "baseline", "check")
    assert done.code == 2
    assert "a.yaml:2:1: unknown key 'approval_rule'" in done.stderr
    assert "did you mean 'approval_rules'?" in done.stderr
    assert "b.yaml:1:19: operating_system: expected one of" in done.stderr
    assert "did you mean 'DEBIAN'?" in done.stderr


def test_check_of_files_warns_and_says_what_they_are(fleetctl, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("operating_system: DEBIAN\nrejected_patches: [nginx]\n")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    done = fleetctl("patch", "baseline", "check", path, tmp_path / "empty.yaml")
    assert done.code == 0
    assert "warning: " in done.stderr
    assert "it asks for nothing" in done.stderr
    assert f"{path}: ok, 'mine' for DEBIAN, 0 rules" in done.stderr
    assert "empty.yaml: says nothing" in done.stderr


def test_check_without_baselines_says_what_to_do(fleetctl):
    done = fleetctl("patch", "baseline", "check")
    assert (done.code, "name files" in done.stderr) == (2, True)


def test_a_wrong_baseline_stops_a_scan_before_any_host_is_touched(fleetctl, baselines, project):
    (baselines / "a.yaml").write_text("x: 1\n")
    done = fleetctl("patch", "scan", "web-1")
    assert (done.code, "a.yaml:1:1: unknown key 'x'" in done.stderr) == (2, True)
    assert not list((project / ".fleetctl" / "runs").glob("*/run.json"))


@pytest.mark.parametrize("verb", ["scan", "plan", "install"])
def test_a_baseline_that_is_not_there_is_said(fleetctl, verb):
    done = fleetctl("patch", verb, "web-1", "--baseline", "AWS-DebianDefault", "--yes")
    assert done.code == 2
    assert "there is no baseline 'AWS-DebianDefault'" in done.stderr
    assert "did you mean" in done.stderr


def test_explain_needs_a_host_that_is_known_and_was_looked_at(fleetctl):
    done = fleetctl("patch", "baseline", "explain", "web-11", "bash")
    assert (done.code, "there is no host 'web-11'" in done.stderr) == (2, True)
    done = fleetctl("patch", "baseline", "explain", "web-1", "bash")
    assert (done.code, "has looked at the packages of web-1" in done.stderr, "--scan" in done.stderr) == (
        2,
        True,
        True,
    )


def test_explain_of_a_host_that_cannot_be_reached_ends_as_a_scan_would(fleetctl):
    done = fleetctl("patch", "baseline", "explain", "dead-1", "bash", "--scan", "--host-keys", "accept-new")
    assert done.code == 4
    assert "dead-1" in done.stderr


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="this machine has no dpkg")
def test_a_real_look_is_explained(fleetctl, baselines):
    (baselines / "mine.yaml").write_text(WEB.format(system=platform.freedesktop_os_release()["ID"].upper()))
    done = fleetctl(
        "patch", "baseline", "explain", "web-1", "dpkg", "--scan", "--baseline", "mine", "--format", "json"
    )
    if done.code:  # without package lists nothing can be judged; that is told as the host's fault
        assert done.code == 3
        assert "cannot be judged" in done.stderr
        return
    (told,) = done.json
    assert (told["PatchBaselineId"], told["BaselineChosen"]) == ("mine", "by --baseline")
    again = fleetctl("patch", "baseline", "explain", "web-1", "dpkg", "--baseline", "mine")
    assert again.stdout.startswith(f"{told['Title']} on web-1 is {told['State']}")
    assert told["CommandId"] in again.stdout
