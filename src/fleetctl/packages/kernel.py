"""Tell whether a newer kernel is installed than the one that runs, from package names alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from fleetctl.packages.apkversion import apk_version_key
from fleetctl.packages.debversion import DebVersionKey, deb_version_key
from fleetctl.packages.model import HostFacts, InstalledPackage
from fleetctl.packages.rpmversion import rpm_version_key

__all__ = ["pending_apk_kernel", "pending_kernel", "pending_rpm_kernel"]

# linux-image-6.1.0-18-cloud-amd64: version 6.1.0-18, flavour cloud-amd64. Only the same flavour takes its place.
_IMAGE = re.compile(r"^linux-image-(\d\S*?)-([a-z]\S*)$")
# `uname -v` of Debian kernels, /proc/version_signature of Ubuntu's: the build that runs.
_BUILD = re.compile(r"\b(?:Debian (\d\S*)|Ubuntu (\d\S*?)-[a-z])")

# Packages that hold a kernel's image: of Red Hat and its kin, and of SUSE. The rest of the name is the flavour.
_RPM_IMAGE = re.compile(
    r"^kernel(?:-(?:rt|64k|debug|uek|lt|ml|default|azure|64kb|vanilla|preempt|longterm))?(?:-core|-base)?$"
)

# 6.12.58-0-lts: version 6.12.58-r0 of linux-lts.
_ALPINE: Final = re.compile(r"([\d._a-z]+)-(\d+)-([a-z][\w-]*)")


def pending_kernel(facts: HostFacts, installed: Iterable[InstalledPackage]) -> tuple[str, str] | None:
    """Return the package that waits for a reboot, and why; None if none does.

    Containers run their host's kernel: where the running kernel's package is not installed, nothing is concluded.
    """
    images = {p.name: p for p in installed if p.name.startswith("linux-image-")}
    running = f"linux-image-{facts.kernel}"
    shape = _IMAGE.match(running)
    if shape is None or running not in images:
        return None
    newest = max(
        (found for name in images if (found := _IMAGE.match(name)) and found[2] == shape[2]), key=_order
    )
    if _order(newest) > _order(shape):
        return newest[0], f"kernel {facts.kernel} runs, {newest[1]}-{newest[2]} is installed"
    build = _BUILD.search(facts.kernel_build)
    installed_build = images[running].version
    if build and deb_version_key(installed_build) > deb_version_key(build[1] or build[2]):
        return running, f"kernel build {build[1] or build[2]} runs, {installed_build} is installed"
    return None


def _order(image: re.Match[str]) -> DebVersionKey:
    return deb_version_key(image[1])


def pending_rpm_kernel(facts: HostFacts, installed: Iterable[InstalledPackage]) -> tuple[str, str] | None:
    """Return the kernel package that waits for a reboot, and why; None if none does.

    `uname -r` is version, release and architecture (Red Hat), or version, part of the release and flavour (SUSE). Containers run
    their host's kernel: where the running kernel's package is not installed, nothing is concluded.
    """
    images = [p for p in installed if _RPM_IMAGE.match(p.name)]
    running = [p for p in images if _runs(facts.kernel, p)]
    newer = [
        p
        for p in images
        if any(p.name == r.name and rpm_version_key(p.version) > rpm_version_key(r.version) for r in running)
    ]
    if not running or not newer:
        return None
    newest = max(newer, key=lambda p: rpm_version_key(p.version))
    return newest.name, f"kernel {facts.kernel} runs, {newest.version} is installed"


def _runs(kernel: str, package: InstalledPackage) -> bool:
    name = f"{package.upstream}-{package.release}"
    if kernel == f"{name}.{package.arch}" or kernel.startswith(f"{name}.{package.arch}+"):
        return True
    flavour = package.name.removeprefix("kernel-").removesuffix("-base")
    stem = kernel.removesuffix(f"-{flavour}")
    return stem != kernel and (name == stem or name.startswith(f"{stem}."))


def pending_apk_kernel(facts: HostFacts, installed: Iterable[InstalledPackage]) -> tuple[str, str] | None:
    """Return the kernel package that waits for a reboot, and why; None if none does, or the running kernel is of no package."""
    running = _ALPINE.fullmatch(facts.kernel)
    if running is None:
        return None
    version, release, flavour = running.groups()
    for package in installed:
        if package.name == f"linux-{flavour}" and apk_version_key(package.version) > apk_version_key(
            f"{version}-r{release}"
        ):
            return package.name, f"kernel {facts.kernel} runs, {package.version} is installed"
    return None
