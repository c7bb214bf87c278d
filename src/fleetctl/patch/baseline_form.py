"""The form of `baselines/*.yaml`: what is checked, and what the schema is made of. Imported only where there is such a file."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from fleetctl.compliance.model import ComplianceStatus, Severity
from fleetctl.patch.baseline import (
    ApprovalRule,
    Baseline,
    FilterKey,
    Filters,
    OperatingSystem,
    RejectedAction,
    Source,
)

__all__ = ["BaselineForm", "FiltersForm", "RuleForm", "SourceForm", "schema"]

_System = Literal[
    "AMAZON_LINUX_2",
    "AMAZON_LINUX_2023",
    "UBUNTU",
    "DEBIAN",
    "RASPBIAN",
    "REDHAT_ENTERPRISE_LINUX",
    "ROCKY_LINUX",
    "ALMA_LINUX",
    "ORACLE_LINUX",
    "CENTOS",
    "SUSE",
    "FEDORA",
    "ARCH_LINUX",
    "ALPINE_LINUX",
    "MACOS",
    "WINDOWS",
]
_Level = Literal["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNSPECIFIED"]
_CVE: Final = re.compile(r"cve-\d{4}-\d{4,}", re.IGNORECASE)


def _plain(text: str) -> str:
    if not text or text != text.strip() or not text.isprintable():
        raise ValueError(f"{text!r} is empty, or begins or ends with a blank")
    return text


def _patch(entry: str | int) -> str:
    text = str(entry)
    if not text or not text.isprintable() or re.search(r"[\s,]", text):
        raise ValueError(
            f"{text!r} is no patch: expected a name, name.arch, a NEVRA, a CVE, an advisory or a Bugzilla number,"
            " each an entry of its own"
        )
    if text.casefold().startswith("cve-") and "*" not in text and not _CVE.fullmatch(text):
        raise ValueError(f"{text!r} is no CVE: they look like CVE-2026-12345")
    return text


def _day(text: str) -> str:
    with suppress(ValueError):
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return date.fromisoformat(text).isoformat()
    raise ValueError(f"{text!r} is no date: they look like 2026-11-30")


_Name = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=128)]
_Word = Annotated[StrictStr, AfterValidator(_plain)]
_Value = _Word | StrictInt
_Values = Annotated[list[_Value], Field(min_length=1)]
_Patches = list[Annotated[StrictStr | StrictInt, AfterValidator(_patch)]]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FiltersForm(_Form):
    """Conditions: keys are AND-ed, the values of one key are OR-ed; `*` stands for anything, case does not count."""

    ADVISORY_ID: _Values | None = Field(default=None, description="of an advisory: RHSA-2026:*")
    ARCH: _Values | None = Field(default=None, description="x86_64, amd64, noarch, all")
    BUGZILLA_ID: _Values | None = Field(default=None, description="bug that an advisory names: 2151234")
    CLASSIFICATION: _Values | None = Field(default=None, description="Security, Bugfix, Enhancement ...")
    CVE_ID: _Values | None = Field(default=None, description="CVE that an advisory names")
    EPOCH: _Values | None = Field(default=None, description="of the version: 0, 1")
    MSRC_SEVERITY: _Values | None = Field(default=None, description="Windows only")
    NAME: _Values | None = Field(default=None, description="of the package: nginx*")
    PATCH_ID: _Values | None = Field(default=None, description="the same as NAME on Linux")
    PATCH_SET: _Values | None = Field(default=None, description="Windows only: OS, APPLICATION")
    PRIORITY: _Values | None = Field(default=None, description="Debian and Ubuntu: Required, Important ...")
    PRODUCT: _Values | None = Field(
        default=None, description="Debian12, Ubuntu22.04, RedhatEnterpriseLinux9*"
    )
    PRODUCT_FAMILY: _Values | None = Field(default=None, description="Windows only")
    RELEASE: _Values | None = Field(default=None, description="of the version, behind its last dash")
    REPOSITORY: _Values | None = Field(
        default=None, description="as the manager names it: baseos, *-security/*"
    )
    SECTION: _Values | None = Field(default=None, description="Debian and Ubuntu: libs, net ...")
    SECURITY: Annotated[list[StrictBool | Literal["true", "false"]], Field(min_length=1)] | None = Field(
        default=None, description="whether it is a security update: true, false"
    )
    SEVERITY: _Values | None = Field(default=None, description="the vendor's: Critical, Important ...")
    VERSION: _Values | None = Field(default=None, description="the whole version: 1:2.0-3")

    def filters(self) -> Filters:
        """Return them as the rules use them."""
        given = {FilterKey(key): values for key, values in self if values is not None}
        return Filters({key: tuple(map(_text, values)) for key, values in given.items()})


class RuleForm(_Form):
    """One approval rule (SSM: PatchRule). Without a delay and without a date it approves at once."""

    filters: FiltersForm = FiltersForm()
    compliance_level: _Level = Field(
        default="UNSPECIFIED", description="severity of what a host lacks; UNSPECIFIED: the vendor's own"
    )
    approve_after_days: Annotated[int, Field(strict=True, ge=0, le=360)] | None = Field(
        default=None,
        description="days after the version's release, or after fleetctl first saw it; default 0",
    )
    approve_until_date: Annotated[StrictStr, AfterValidator(_day)] | None = Field(
        default=None,
        json_schema_extra={"format": "date"},
        description="versions released up to and including that day (UTC)",
    )
    enable_non_security: StrictBool = Field(
        default=False, description="whether updates that no security fix or advisory stands for count too"
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> RuleForm:
        if self.approve_after_days is not None and self.approve_until_date is not None:
            raise ValueError("approve_after_days and approve_until_date exclude each other: keep one")
        return self

    def rule(self) -> ApprovalRule:
        """Return it as the evaluation uses it."""
        until = self.approve_until_date
        return ApprovalRule(
            filters=self.filters.filters(),
            compliance_level=Severity(self.compliance_level),
            approve_after_days=None if until else self.approve_after_days or 0,
            approve_until_date=date.fromisoformat(until) if until else None,
            enable_non_security=self.enable_non_security,
        )


class SourceForm(_Form):
    """A repository for the hosts of the baseline (SSM: PatchSource)."""

    name: _Name
    products: list[_Word] = Field(default=["*"], min_length=1, description="Debian12, RockyLinux9*")
    configuration: Annotated[StrictStr, Field(min_length=1, max_length=1024)] = Field(
        description="of the repository, in the package manager's own words"
    )


class BaselineForm(_Form):
    """A patch baseline: which updates hosts must have, and by when."""

    name: _Name | None = Field(default=None, description="unique; default: the file's name without suffix")
    description: StrictStr = ""
    operating_system: _System = Field(
        description="hosts of which system it is for; SUSE is SLES and openSUSE"
    )
    default: StrictBool = Field(
        default=False, description="for hosts of that system in no group that has one"
    )
    patch_groups: list[_Word] = Field(default=[], description="hosts of these patch groups get it")
    global_filters: FiltersForm = FiltersForm()
    approval_rules: list[RuleForm] = Field(default=[], description="any of them may ask for a version")
    approved_patches: _Patches = Field(
        default=[], description="asked for at once, whatever the rules say: names, NEVRAs, CVEs, advisories"
    )
    approved_patches_compliance_level: _Level = "UNSPECIFIED"
    approved_patches_enable_non_security: StrictBool = False
    rejected_patches: _Patches = Field(default=[], description="never asked for; they win over all else")
    rejected_patches_action: Literal["ALLOW_AS_DEPENDENCY", "BLOCK"] = "ALLOW_AS_DEPENDENCY"
    available_security_updates_compliance_status: Literal["COMPLIANT", "NON_COMPLIANT"] = Field(
        default="COMPLIANT",
        description="verdict about security updates that exist and are not approved, or not yet",
    )
    sources: list[SourceForm] = Field(default=[], description="repositories for the hosts of the baseline")

    def baseline(self, name: str) -> Baseline:
        """Return it as the evaluation uses it.

        Args:
            name: where the file gives none.
        """
        return Baseline(
            name=self.name or name,
            operating_system=OperatingSystem(self.operating_system),
            description=" ".join(self.description.split()),
            global_filters=self.global_filters.filters(),
            approval_rules=tuple(rule.rule() for rule in self.approval_rules),
            approved_patches=tuple(map(str, self.approved_patches)),
            approved_patches_compliance_level=Severity(self.approved_patches_compliance_level),
            approved_patches_enable_non_security=self.approved_patches_enable_non_security,
            rejected_patches=tuple(map(str, self.rejected_patches)),
            rejected_patches_action=RejectedAction(self.rejected_patches_action),
            available_security_updates_compliance_status=ComplianceStatus(
                self.available_security_updates_compliance_status
            ),
            sources=tuple(
                Source(name=s.name, products=tuple(s.products), configuration=s.configuration)
                for s in self.sources
            ),
        )


def schema() -> dict[str, Any]:
    """Return the JSON Schema of `baselines/*.yaml`."""
    from fleetctl.spec.check import json_schema  # noqa: PLC0415

    return json_schema(BaselineForm, title="fleetctl patch baseline")


def _text(value: str | float) -> str:  # bool and int are numbers
    return str(value).lower() if isinstance(value, bool) else str(value)
