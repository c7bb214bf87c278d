"""A newer kernel on disk than the one that runs."""

import pytest

from fleetctl.packages.kernel import pending_kernel
from fleetctl.packages.model import HostFacts, InstalledPackage


def images(*versions):
    return [
        InstalledPackage(name=name, version=version) for name, version in (v.split("=") for v in versions)
    ]


@pytest.mark.parametrize(
    ("kernel", "build", "installed", "expected"),
    [
        (
            "6.1.0-18-amd64",
            "",
            ["linux-image-6.1.0-18-amd64=6.1.76-1", "linux-image-6.1.0-21-amd64=6.1.90-1"],
            "linux-image-6.1.0-21-amd64",
        ),
        (
            "6.1.0-9-amd64",
            "",
            ["linux-image-6.1.0-9-amd64=1", "linux-image-6.1.0-18-amd64=2"],
            "linux-image-6.1.0-18-amd64",
        ),
        (
            "6.12.48+deb13-amd64",
            "",
            ["linux-image-6.12.48+deb13-amd64=1", "linux-image-6.12.57+deb13-amd64=2"],
            "linux-image-6.12.57+deb13-amd64",
        ),
        (
            "5.15.0-91-generic",
            "",
            ["linux-image-5.15.0-91-generic=1", "linux-image-5.15.0-92-lowlatency=2"],
            None,
        ),
        ("6.1.0-18-amd64", "", ["linux-image-6.1.0-18-amd64=1", "linux-image-6.1.0-21-cloud-amd64=2"], None),
        (
            "6.1.0-21-amd64",
            "",
            ["linux-image-6.1.0-18-amd64=1", "linux-image-6.1.0-21-amd64=2", "linux-image-amd64=9"],
            None,
        ),
        ("6.18.44-fc-v595", "", ["linux-image-6.1.0-18-amd64=1"], None),
        (
            "6.1.0-18-amd64",
            "#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)",
            ["linux-image-6.1.0-18-amd64=6.1.76-1"],
            None,
        ),
        (
            "6.1.0-18-amd64",
            "#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)",
            ["linux-image-6.1.0-18-amd64=6.1.82-1"],
            "linux-image-6.1.0-18-amd64",
        ),
        (
            "5.15.0-91-generic",
            "Ubuntu 5.15.0-91.101-generic 5.15.131",
            ["linux-image-5.15.0-91-generic=5.15.0-91.102"],
            "linux-image-5.15.0-91-generic",
        ),
        ("", "", [], None),
    ],
)
def test_finds_the_kernel_that_waits_for_a_reboot(kernel, build, installed, expected):
    found = pending_kernel(HostFacts(kernel=kernel, kernel_build=build), images(*installed))
    assert (found[0] if found else None) == expected
