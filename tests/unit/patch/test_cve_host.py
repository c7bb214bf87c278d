"""What is known of a host, and which claims are about it."""

from datetime import UTC, datetime

import pytest

from fleetctl.inventory.choose import Snapshot
from fleetctl.packages.model import HostFacts, InstalledPackage, PackageState
from fleetctl.patch.cve_host import releases_of, view_of
from fleetctl.patch.looks import LastLook
from fleetctl.store.items import Items

THEN = datetime(2026, 11, 20, tzinfo=UTC)
LATER = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def kept(tmp_path):
    return Items(tmp_path)


def look(*packages, manager="apt", errors=(), **facts):
    facts = HostFacts(**(facts or {"os_id": "debian", "version_id": "12", "codename": "bookworm"}))
    state = PackageState(manager=manager, facts=facts, installed=packages, errors=errors)
    return LastLook(state=state, run_id="R1", time=THEN)


def view(kept, last):
    return view_of("web-1", last, Snapshot(kept))


@pytest.mark.parametrize(
    ("facts", "own", "others"),
    [
        (("debian", "12", "bookworm"), ["Debian:12", "Debian:bookworm"], ["Debian:1", "Debian:13", "Debian:trixie"]),
        (("debian", "", "forky"), ["Debian:forky"], ["Debian:", "Debian:13"]),
        (("debian", "12", ""), ["Debian:12", "Debian:bookworm"], ["Debian:trixie"]),
        (("ubuntu", "22.04", "jammy"), ["Ubuntu:22.04:LTS", "Ubuntu:Pro:22.04:LTS"], ["Ubuntu:22.10", "Ubuntu:Pro:20.04:LTS"]),
        (("ubuntu", "23.10", "mantic"), ["Ubuntu:23.10"], ["Ubuntu:23.04"]),
        (("alpine", "3.20.3", ""), ["Alpine:v3.20"], ["Alpine:v3.2", "Alpine:v3.21", "Alpine:edge"]),
        (("alpine", "3.22_alpha20250108", ""), ["Alpine:edge"], ["Alpine:v3.20"]),
        (("rocky", "9.4", ""), ["Rocky Linux:9"], ["Rocky Linux:8", "AlmaLinux:9"]),
        (("almalinux", "8.10", ""), ["AlmaLinux:8"], ["AlmaLinux:9"]),
        (
            ("rhel", "9.4", ""),
            ["Red Hat:enterprise_linux:9::baseos", "Red Hat:enterprise_linux:9.4::appstream"],
            ["Red Hat:enterprise_linux:8::baseos", "Red Hat:rhel_eus:9.2::baseos"],
        ),
        (
            ("sles", "15.6", ""),
            ["SUSE:Linux Enterprise Server 15 SP6", "SUSE:Linux Enterprise Module for Basesystem 15 SP6"],
            ["SUSE:Linux Enterprise Server 15 SP5", "openSUSE:Leap 15.6", "SUSE:Linux Enterprise Server 15"],
        ),
        (("opensuse-leap", "15.6", ""), ["openSUSE:Leap 15.6"], ["openSUSE:Leap 15.5"]),
        (("opensuse-tumbleweed", "20261101", ""), ["openSUSE:Tumbleweed"], ["openSUSE:Leap 15.6"]),
        (("arch", "", ""), ["Arch Linux"], ["Debian:12"]),
    ],
)  # fmt: skip
def test_claims_are_about_a_host_s_own_release(facts, own, others):
    id_, version, codename = facts
    pattern = releases_of(HostFacts(os_id=id_, version_id=version, codename=codename))
    assert [name for name in own if not pattern.fullmatch(name)] == []
    assert [name for name in others if pattern.fullmatch(name)] == []


@pytest.mark.parametrize(
    "facts", [{"os_id": "raspbian", "version_id": "12", "os_like": ("debian",)}, {}, {"os_id": "debian"}]
)
def test_a_derivative_is_not_what_it_is_like(facts):
    assert releases_of(HostFacts(**facts)) is None


def test_debian_s_claims_are_about_source_packages_and_their_versions(kept):
    told = view(
        kept,
        look(
            InstalledPackage(
                name="libssl3", version="3.0.1-1+b2", source="openssl", source_version="3.0.1-1"
            ),
            InstalledPackage(name="openssl", version="3.0.2-1", source="openssl"),
        ),
    )
    found = told.match("openssl")
    assert (found.version, [p.name for p in found.packages]) == ("3.0.1-1", ["libssl3", "openssl"])
    assert told.match("libssl3") is None
    assert [p.built_as_is for p in found.packages] == [True, True]


def test_of_kernels_that_stand_side_by_side_the_newest_counts(kept):
    def image(abi, version):
        name = f"linux-image-6.1.0-{abi}-amd64"
        return InstalledPackage(
            name=name, version=version, source="linux-signed-amd64", source_version="6.1.1+1"
        )

    told = view(kept, look(image(9, "6.1.9-1"), image(18, "6.1.18-1")))
    assert told.match("linux").version == "6.1.18-1"
    libc = InstalledPackage(name="linux-libc-dev", version="6.1.9-1", source="linux")
    assert view(kept, look(image(18, "6.1.18-1"), libc)).match("linux").version == "6.1.9-1"


def test_rpm_s_claims_are_about_packages_then_sources_and_superseded_ones_do_not_count(kept):
    told = view(
        kept,
        look(
            InstalledPackage(name="kernel-core", version="5.1-1", source="kernel", superseded=True),
            InstalledPackage(name="kernel-core", version="5.2-1", source="kernel"),
            InstalledPackage(name="openssl-libs", version="3.0-1", source="openssl"),
            manager="dnf",
            os_id="rocky",
            version_id="9.4",
        ),
    )
    assert told.match("kernel-core").version == "5.2-1"
    assert told.match("openssl").version == "3.0-1"
    assert told.match("kernel").version == "5.2-1"


def application(name, version, release="", **more):
    return {
        "Name": name, "Version": version, "Release": release, "PackageManager": "dpkg", "Source": "openssl",
        "PackageId": f"pkg:deb/debian/{name}@1?arch=amd64&distro=debian-12", **more,
    }  # fmt: skip


def test_whoever_looked_last_says_what_is_installed(kept):
    scanned = look(InstalledPackage(name="libssl3", version="3.0.1-1", source="openssl"))
    kept.keep("web-1", {"Application": [application("libssl3", "3.0.2", "1")]}, captured=LATER, run="R2")
    told = view(kept, scanned)
    assert (told.seen_by, told.seen, told.match("openssl").version) == ("inventory", LATER, "3.0.2-1")
    kept.keep("web-2", {"Application": [application("libssl3", "3.0.2", "1")]}, captured=THEN, run="R2")
    assert view_of("web-2", scanned, Snapshot(kept)).seen_by == "scan"


def test_an_inventory_alone_tells_the_release_and_the_manager(kept):
    items = [application("libssl3", "3.0.2", "1+b4")]
    kept.keep("web-1", {"Application": items, "InstanceInformation": [{"PlatformName": "Debian GNU/Linux", "PlatformVersion": "12"}]}, captured=LATER, run="R2")  # fmt: skip
    told = view(kept, None)
    assert (told.manager, told.system) == ("apt", "Debian GNU/Linux 12")
    assert told.releases.fullmatch("Debian:bookworm")
    assert told.match("openssl").version == "3.0.2-1", "a rebuild has the source's version"


def test_a_host_of_which_nothing_is_known_says_how_to_look(kept):
    assert "fleetctl patch scan web-1" in view(kept, None).trouble
    failed = view(kept, look(errors=("the answer breaks off",)))
    assert (failed.installed, failed.trouble) == ((), "its last scan failed: the answer breaks off")
