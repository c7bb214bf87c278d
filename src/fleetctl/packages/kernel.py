"""Tell whether a newer kernel is installed than the one that runs, from package names alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fleetctl.packages.debversion import DebVersionKey, deb_version_key
from fleetctl.packages.model import HostFacts, InstalledPackage

__all__ = ["pending_kernel"]

# linux-image-6.1.0-18-cloud-amd64: version 6.1.0-18, flavour cloud-amd64. Only the same flavour takes its place.
_IMAGE = re.compile(r"^linux-image-(\d\S*?)-([a-z]\S*)$")
# `uname -v` of Debian kernels, /proc/version_signature of Ubuntu's: the build that runs.
_BUILD = re.compile(r"\b(?:Debian (\d\S*)|Ubuntu (\d\S*?)-[a-z])")


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
