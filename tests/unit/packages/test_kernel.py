"""A newer kernel on disk than the one that runs."""

import pytest

from fleetctl.packages.kernel import pending_apk_kernel, pending_kernel, pending_rpm_kernel
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


def rpms(*told):
    found = []
    for text in told:
        name, version, release, arch = text.split()
        full = f"{version}-{release}"
        found.append(InstalledPackage(name=name, version=full, upstream=version, release=release, arch=arch))
    return found


@pytest.mark.parametrize(
    ("kernel", "installed", "expected"),
    [
        (
            "5.14.0-427.13.1.el9_4.x86_64",
            ["kernel-core 5.14.0 427.13.1.el9_4 x86_64", "kernel-core 5.14.0 427.20.1.el9_4 x86_64"],
            "kernel-core",
        ),
        (
            "5.14.0-427.20.1.el9_4.x86_64",
            ["kernel-core 5.14.0 427.13.1.el9_4 x86_64", "kernel-core 5.14.0 427.20.1.el9_4 x86_64"],
            None,
        ),
        (
            "5.14.0-427.13.1.el9_4.x86_64+rt",
            ["kernel-rt-core 5.14.0 427.13.1.el9_4 x86_64", "kernel-core 5.14.0 427.20.1.el9_4 x86_64"],
            None,
        ),
        (
            "6.4.0-150600.21-default",
            ["kernel-default 6.4.0 150600.21.3 x86_64", "kernel-default 6.4.0 150600.23.7.3 x86_64"],
            "kernel-default",
        ),
        (
            "6.4.0-150600.23.7-default",
            ["kernel-default 6.4.0 150600.21.3 x86_64", "kernel-default 6.4.0 150600.23.7.3 x86_64"],
            None,
        ),
        ("6.18.44-host", ["kernel-core 5.14.0 1 x86_64", "kernel-core 5.14.0 2 x86_64"], None),
        (
            "5.14.0-1.x86_64",
            ["kernel-core 5.14.0 1 x86_64", "kernel-headers 5.14.0 2 x86_64"],
            None,
        ),
        ("", [], None),
    ],
)
def test_finds_the_rpm_kernel_that_waits_for_a_reboot(kernel, installed, expected):
    found = pending_rpm_kernel(HostFacts(kernel=kernel), rpms(*installed))
    assert (found[0] if found else None) == expected


@pytest.mark.parametrize(
    ("kernel", "installed", "expected"),
    [
        ("6.12.56-0-lts", "linux-lts 6.12.58-r0", "linux-lts"),
        ("6.12.58-0-lts", "linux-lts 6.12.58-r1", "linux-lts"),
        ("6.12.58-1-lts", "linux-lts 6.12.58-r1", None),
        ("6.12.56-0-virt", "linux-lts 6.12.58-r0", None),
        ("6.17_rc1-0-edge", "linux-edge 6.17-r0", "linux-edge"),
        ("6.1.0-41-amd64", "linux-lts 6.12.58-r0", None),
        ("", "linux-lts 6.12.58-r0", None),
    ],
)
def test_finds_the_alpine_kernel_that_waits_for_a_reboot(kernel, installed, expected):
    name, version = installed.split()
    found = pending_apk_kernel(HostFacts(kernel=kernel), [InstalledPackage(name=name, version=version)])
    assert (found[0] if found else None) == expected
