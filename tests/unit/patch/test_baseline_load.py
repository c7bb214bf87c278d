"""Baselines as files: everything wrong at once, with its place; what is odd; what two files contradict each other about."""

from __future__ import annotations

import json
from datetime import date

import jsonschema
import pytest

from fleetctl.compliance.model import ComplianceStatus, Severity
from fleetctl.errors import ProblemsError
from fleetctl.patch.baseline import FilterKey, OperatingSystem, RejectedAction
from fleetctl.patch.baseline_form import BaselineForm, schema
from fleetctl.patch.baseline_load import baseline_files, load_baselines, load_files
from fleetctl.patch.baseline_telling import form_data
from fleetctl.patch.defaults import BUILT_IN
from fleetctl.patch.filter_words import PRODUCTS, keys_of

FULL = """\
name: web-debian
description: >
  What web servers
  must have.
operating_system: DEBIAN
default: true
patch_groups: [web-prod, web-test]
global_filters: {PRODUCT: ["Debian12", "Debian13"]}
approval_rules:
  - filters: {SECTION: ["*"], PRIORITY: [Required, Important, Standard]}
    compliance_level: HIGH
    approve_after_days: 7
    enable_non_security: true
  - approve_until_date: 2026-11-30
  - filters: {SECURITY: [true], EPOCH: [0, 1]}
approved_patches: [openssl, CVE-2024-0001, 1234567]
approved_patches_compliance_level: CRITICAL
approved_patches_enable_non_security: true
rejected_patches: [nginx*]
rejected_patches_action: BLOCK
available_security_updates_compliance_status: NON_COMPLIANT
sources:
  - {name: extra, products: ["Debian12"], configuration: "deb https://example.net stable main"}
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="web.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def problems(*paths):
    with pytest.raises(ProblemsError) as caught:
        load_files(paths)
    told = [str(problem).replace(f"{paths[0].parent}/", "") for problem in caught.value.problems]
    return told, [problem.hint for problem in caught.value.problems]


def warnings(path):
    (item,) = load_files([path])
    return [str(warning).replace(f"{path.parent}/", "") for warning in item.warnings]


def test_every_field_of_ssm_can_be_written(write):
    (item,) = load_files([write(FULL)])
    baseline = item.baseline
    assert (item.patch_groups, item.default) == (("web-prod", "web-test"), True)
    assert (baseline.name, baseline.operating_system) == ("web-debian", OperatingSystem.DEBIAN)
    assert baseline.description == "What web servers must have."
    assert baseline.global_filters.values == {FilterKey.PRODUCT: ("Debian12", "Debian13")}
    first, until, third = baseline.approval_rules
    assert first.filters.values[FilterKey.PRIORITY] == ("Required", "Important", "Standard")
    assert (first.compliance_level, first.approve_after_days, first.enable_non_security) == (
        Severity.HIGH,
        7,
        True,
    )
    assert (until.approve_until_date, until.approve_after_days) == (date(2026, 11, 30), None)
    assert third.filters.values == {FilterKey.EPOCH: ("0", "1"), FilterKey.SECURITY: ("true",)}
    assert (third.approve_after_days, third.enable_non_security) == (0, False)
    assert baseline.approved_patches == ("openssl", "CVE-2024-0001", "1234567")
    assert baseline.approved_patches_compliance_level is Severity.CRITICAL
    assert baseline.approved_patches_enable_non_security
    assert (baseline.rejected_patches, baseline.rejected_patches_action) == (
        ("nginx*",),
        RejectedAction.BLOCK,
    )
    assert baseline.available_security_updates_compliance_status is ComplianceStatus.NON_COMPLIANT
    assert baseline.sources[0].products == ("Debian12",)


def test_a_baseline_without_a_name_has_its_file_s(write):
    (item,) = load_files([write("operating_system: SUSE\napproved_patches: [a]\n", "suse-15.yaml")])
    assert item.baseline.name == "suse-15"


def test_a_file_of_comments_is_no_baseline(write):
    assert load_files([write("# operating_system: DEBIAN\n")]) == ()


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file(write):
    told, hints = problems(
        write(
            """\
name: AWS-Mine
operating_system: DEBIAN
global_filters: {SEVERITY: [Critical], MSRC_SEVERITY: ["*"]}
approval_rules:
  - filters: {SECTON: ["*"]}
    approve_after_days: 400
  - approve_until_date: 2026-11-31
  - {approve_after_days: 3, approve_until_date: 2026-11-30}
rejected_patch: [x]
approved_patches: [a b, CVE-12, 1.10]
include_non_security: true
"""
        )
    )
    assert told == [
        "web.yaml:1:7: name: 'AWS-Mine' is reserved for predefined baselines",
        "web.yaml:3:18: global_filters: SEVERITY never matches on DEBIAN: its archives publish no advisories",
        "web.yaml:5:15: approval_rules[0].filters: unknown key 'SECTON'",
        "web.yaml:6:25: approval_rules[0].approve_after_days: expected at most 360, got 400",
        "web.yaml:7:25: approval_rules[1].approve_until_date: '2026-11-31' is no date: they look like 2026-11-30",
        "web.yaml:8:5: approval_rules[2]: approve_after_days and approve_until_date exclude each other: keep one",
        "web.yaml:9:1: unknown key 'rejected_patch'",
        "web.yaml:10:20: approved_patches[0]: 'a b' is no patch: expected a name, name.arch, a NEVRA, a CVE, an advisory or a Bugzilla number, each an entry of its own",
        "web.yaml:10:25: approved_patches[1]: 'CVE-12' is no CVE: they look like CVE-2026-12345",
        "web.yaml:10:33: approved_patches[2]: expected text or a whole number, got 1.1",
        "web.yaml:11:1: unknown key 'include_non_security'",
    ]
    assert hints[2] == "did you mean 'SECTION'?"
    assert hints[9] == "put quotes round it"


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("operating_system: debian", "expected one of 'AMAZON_LINUX_2'", "did you mean 'DEBIAN'?"),
        ("name: x", "web.yaml:1:1: key 'operating_system' is missing", None),
        (
            "{operating_system: SUSE, global_filters: {NAME: []}}",
            "global_filters.NAME: expected at least 1 entry",
            None,
        ),
        (
            "{operating_system: SUSE, global_filters: {NAME: x}}",
            "global_filters.NAME: expected a list, got 'x'",
            None,
        ),
        (
            "{operating_system: SUSE, approval_rules: [{compliance_level: HIHG}]}",
            "compliance_level: expected one of",
            "did you mean 'HIGH'?",
        ),
        ("[]", "expected a map, got an empty list", None),
        ("{operating_system: SUSE, name: 'a b'}", "name: expected text that matches", None),
        ("{operating_system: SUSE, operating_system: SUSE}", "duplicate key 'operating_system'", None),
        (
            "{operating_system: ROCKY_LINUX, global_filters: {SECTION: [libs]}}",
            "SECTION never matches on ROCKY_LINUX",
            None,
        ),
        (
            "{operating_system: ALPINE_LINUX, global_filters: {CVE_ID: [CVE-2026-*]}}",
            "publish no advisories",
            None,
        ),
        ("{operating_system: SUSE, global_filters: {PATCH_SET: [OS]}}", "it is for WINDOWS only", None),
    ],
)
def test_one_fault_is_told_with_a_hint(write, text, told, hint):
    messages, hints = problems(write(text))
    assert told in messages[0]
    if hint:
        assert hint in hints[0]


def test_files_that_cannot_be_read_are_told_with_all_else(write, tmp_path):
    told, _ = problems(
        write("operating_system: [", "a.yaml"), tmp_path / "gone.yaml", write("x: 1", "b.yaml")
    )
    assert any(line.startswith("a.yaml:") and "not YAML" in line for line in told)
    assert any("there is no file" in line for line in told)
    assert "b.yaml:1:1: unknown key 'x'" in told


@pytest.mark.parametrize("system", OperatingSystem)
def test_each_system_takes_its_own_filter_keys_and_refuses_the_others(write, system):
    for key in FilterKey:
        value = "true" if key is FilterKey.SECURITY else "abc"
        path = write(
            f"{{operating_system: {system}, approval_rules: [{{filters: {{{key}: ['{value}']}}}}]}}\n"
        )
        if key in keys_of(system):
            assert load_files([path])[0].baseline.approval_rules[0].filters.values == {key: (value,)}
        else:
            assert f"{key} never matches on {system}" in problems(path)[0][0]


def test_a_key_that_stands_for_anything_is_taken_everywhere(write):
    assert load_files([write("{operating_system: DEBIAN, global_filters: {SEVERITY: ['*']}}")])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("approval_rules: [{filters: {PRIORITY: [Optinal]}}]", "no vendor of DEBIAN uses 'Optinal' there"),
        ("approval_rules: [{filters: {PRODUCT: [Ubuntu22.04]}}]", "products of DEBIAN begin with 'Debian'"),
        (
            "approval_rules: [{filters: {CLASSIFICATION: [Bugfix]}}]",
            "no vendor of DEBIAN uses 'Bugfix' there",
        ),
        ("rejected_patches: [x]", "it asks for nothing"),
        ("approved_patches: [KB5031356, a]", "approved_patches: 'KB5031356' matches nothing on DEBIAN"),
        ("approved_patches: [MS17-010, a]", "approved_patches: 'MS17-010' matches nothing on DEBIAN"),
        ("{approved_patches: [a, b], rejected_patches: [A]}", "approved_patches: 'a' is rejected too"),
        (
            "{approved_patches: [a], sources: [{name: x, configuration: y}]}",
            "sources are only kept",
        ),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(write, text, told):
    body = text[1:-1] if text.startswith("{") else text
    found = warnings(write(f"{{operating_system: DEBIAN, {body}}}"))
    assert len(found) == 1
    assert told in found[0]
    assert found[0].startswith("web.yaml:1:")


@pytest.mark.parametrize(
    "text",
    [
        "approval_rules: [{filters: {PRIORITY: ['*'], PRODUCT: ['Debian*', 'Deb*', '*'], CLASSIFICATION: [sec*]}}]",
        "approved_patches: [kbd, msr-tools, CVE-2026-12345]",
    ],
)
def test_what_vendors_say_is_no_warning(write, text):
    assert warnings(write(f"{{operating_system: DEBIAN, {text}}}")) == []


def test_systems_that_nothing_scans_are_said_so(write):
    assert (
        "cannot scan hosts of WINDOWS yet"
        in warnings(write("{operating_system: WINDOWS, approved_patches: [KB5031356]}"))[0]
    )


def test_two_files_that_contradict_each_other_are_both_named(write):
    one = write(
        "{operating_system: DEBIAN, approved_patches: [a], patch_groups: [web], default: true, name: x}\n"
    )
    two = write(
        "name: x\noperating_system: DEBIAN\ndefault: true\napproved_patches: [a]\npatch_groups: [db, web]\n",
        "zwei.yaml",
    )
    told, _ = problems(one, two)
    assert len(told) == 3
    assert told[0].startswith("zwei.yaml:1:7: the name 'x' is taken by")
    assert told[0].endswith("web.yaml:1:93")
    assert told[1].startswith(
        "zwei.yaml:5:20: the patch group 'web' of DEBIAN has two baselines: 'x' here, 'x' at"
    )
    assert told[2].startswith("zwei.yaml:3:1: the default of DEBIAN has two baselines")


def test_one_group_may_have_a_baseline_for_each_system(write):
    text = "{{operating_system: {}, approved_patches: [a], patch_groups: [web], default: true}}"
    assert len(load_files([write(text.format(s), f"{s}.yaml") for s in ("DEBIAN", "UBUNTU", "SUSE")])) == 3


def test_a_project_s_files_are_found_by_suffix(write, tmp_path):
    for name in ("b.yml", "a.yaml", "c.JSON"):
        write('{"operating_system": "DEBIAN", "approved_patches": ["a"]}', name)
    write("no baseline", "notes.txt")
    assert [path.name for path in baseline_files(tmp_path)] == ["a.yaml", "b.yml", "c.JSON"]
    assert len(load_baselines(tmp_path)) == 3
    assert load_baselines(tmp_path / "none") == load_baselines(None) == ()


@pytest.mark.parametrize("baseline", BUILT_IN.values(), ids=lambda b: b.name)
def test_predefined_baselines_can_be_written_as_files_and_read_again(write, baseline):
    data = form_data(baseline, named=False)
    (item,) = load_files([write(json.dumps(data), "mine.json")])
    assert form_data(item.baseline, named=False) == data
    assert item.warnings == ()
    assert baseline.operating_system in PRODUCTS


def test_the_schema_takes_what_the_loader_takes(write):
    validator = jsonschema.Draft202012Validator(schema(), format_checker=jsonschema.FormatChecker())
    data = BaselineForm.model_validate(form_data(load_files([write(FULL)])[0].baseline)).model_dump(
        exclude_unset=True, mode="json"
    )
    validator.validate(data)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**data, "rejected_patch": []})


def test_a_missing_file_is_told_as_such(tmp_path):
    assert problems(tmp_path / "gone.yaml")[0] == ["there is no file gone.yaml"]
