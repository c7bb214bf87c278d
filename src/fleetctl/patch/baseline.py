"""A patch baseline: which updates a host must have, and by when. Field names are SSM's (CreatePatchBaseline), in snake case.

name: web-debian                       # baselines/web-debian.yaml
operating_system: DEBIAN
global_filters: {PRODUCT: ["Debian12"]}
approval_rules:
  - filters: {SECTION: ["*"], PRIORITY: [Required, Important, Standard]}
    compliance_level: HIGH
    approve_after_days: 7              # or approve_until_date: 2026-11-30
    enable_non_security: false
approved_patches: [openssl, CVE-2024-0001]
rejected_patches: [nginx*]
rejected_patches_action: BLOCK
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from fleetctl.compliance.model import ComplianceStatus, Severity

__all__ = ["ApprovalRule", "Baseline", "FilterKey", "Filters", "OperatingSystem", "RejectedAction", "Source"]


class OperatingSystem(StrEnum):
    """SSM: OperatingSystem, and what SSM lacks (`SUSE` stands for SLES and openSUSE)."""

    AMAZON_LINUX_2 = "AMAZON_LINUX_2"
    AMAZON_LINUX_2023 = "AMAZON_LINUX_2023"
    UBUNTU = "UBUNTU"
    DEBIAN = "DEBIAN"
    RASPBIAN = "RASPBIAN"
    REDHAT_ENTERPRISE_LINUX = "REDHAT_ENTERPRISE_LINUX"
    ROCKY_LINUX = "ROCKY_LINUX"
    ALMA_LINUX = "ALMA_LINUX"
    ORACLE_LINUX = "ORACLE_LINUX"
    CENTOS = "CENTOS"
    SUSE = "SUSE"
    MACOS = "MACOS"
    WINDOWS = "WINDOWS"
    FEDORA = "FEDORA"
    ARCH_LINUX = "ARCH_LINUX"
    ALPINE_LINUX = "ALPINE_LINUX"


class FilterKey(StrEnum):
    """SSM: PatchFilterKey. MSRC_SEVERITY, PATCH_SET and PRODUCT_FAMILY are Windows' own and match nothing on Linux."""

    ADVISORY_ID = "ADVISORY_ID"
    ARCH = "ARCH"
    BUGZILLA_ID = "BUGZILLA_ID"
    CLASSIFICATION = "CLASSIFICATION"
    CVE_ID = "CVE_ID"
    EPOCH = "EPOCH"
    MSRC_SEVERITY = "MSRC_SEVERITY"
    NAME = "NAME"
    PATCH_ID = "PATCH_ID"
    PATCH_SET = "PATCH_SET"
    PRIORITY = "PRIORITY"
    PRODUCT = "PRODUCT"
    PRODUCT_FAMILY = "PRODUCT_FAMILY"
    RELEASE = "RELEASE"
    REPOSITORY = "REPOSITORY"
    SECTION = "SECTION"
    SECURITY = "SECURITY"
    SEVERITY = "SEVERITY"
    VERSION = "VERSION"


class RejectedAction(StrEnum):
    """SSM: RejectedPatchesAction."""

    ALLOW_AS_DEPENDENCY = "ALLOW_AS_DEPENDENCY"
    BLOCK = "BLOCK"


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions on a version: keys are AND-ed, the values of one key are OR-ed; `*` stands for anything, case does not count."""

    values: Mapping[FilterKey, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """One rule of a baseline (SSM: PatchRule).

    Attributes:
        compliance_level: severity of what this rule asks for and a host lacks.
        approve_after_days: days after the version's release, 0-360; exactly one of this and `approve_until_date` is set.
        approve_until_date: versions released up to and including that day (UTC).
        enable_non_security: whether other updates count as well.
    """

    filters: Filters = field(default_factory=Filters)
    compliance_level: Severity = Severity.UNSPECIFIED
    approve_after_days: int | None = 0
    approve_until_date: date | None = None
    enable_non_security: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An extra repository for hosts of the baseline (SSM: PatchSource)."""

    name: str
    products: tuple[str, ...]
    configuration: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Which updates a host must have.

    Attributes:
        name: unique; SSM's BaselineId in reports.
        global_filters: a version that they do not match is no business of the rules.
        approved_patches: asked for at once, whatever the rules say: names, NEVRAs, `name=version`, CVE and advisory ids, with `*`;
            see `Candidate.names`.
        rejected_patches: never asked for; they win over all else.
        available_security_updates_compliance_status: verdict about security updates that exist and are not approved (yet).
    """

    name: str
    operating_system: OperatingSystem
    description: str = ""
    global_filters: Filters = field(default_factory=Filters)
    approval_rules: tuple[ApprovalRule, ...] = ()
    approved_patches: tuple[str, ...] = ()
    approved_patches_compliance_level: Severity = Severity.UNSPECIFIED
    approved_patches_enable_non_security: bool = False
    rejected_patches: tuple[str, ...] = ()
    rejected_patches_action: RejectedAction = RejectedAction.ALLOW_AS_DEPENDENCY
    available_security_updates_compliance_status: ComplianceStatus = ComplianceStatus.COMPLIANT
    sources: tuple[Source, ...] = ()
