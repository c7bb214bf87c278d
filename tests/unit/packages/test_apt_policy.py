"""Sources and version tables of apt-cache policy."""

import pytest

from fleetctl.packages.apt_policy import is_security, read_sources, read_versions
from fleetctl.packages.model import Origin

SOURCES = """\
Package files:
 100 /var/lib/dpkg/status
     release a=now
 510 https://esm.example/infra/ubuntu jammy-infra-security/main amd64 Packages
     release v=22.04,o=UbuntuESM,a=jammy-infra-security,n=jammy,l=UbuntuESM,c=main,b=amd64
     origin esm.example
 500 http://mirror.example/ubuntu jammy-security/universe i386 Packages
     release v=22.04,o=Ubuntu,a=jammy-security,n=jammy,l=Ubuntu,c=universe,b=i386
     origin mirror.example
 500 http://mirror.example/ubuntu jammy-updates/main amd64 Packages
     release v=22.04,o=Ubuntu,a=jammy-updates,n=jammy,l=Ubuntu,c=main,b=amd64
     origin mirror.example
 500 https://vendor.example/apt stable-security/main amd64 Packages
     release o=Vendor, Inc.,a=stable-security,n=stable,l=Debian-Security,c=main,b=amd64
     origin vendor.example
 500 file:/srv/repo ./ Packages
     release c=
Pinned packages:
     fl-held -> 1.0-1 with priority 1001
"""


def test_reads_what_release_files_say_of_each_source():
    sources = read_sources(SOURCES.splitlines())
    assert [origin.repository for origin in sources.values()] == [
        "jammy-infra-security/main",
        "jammy-security/universe",
        "jammy-updates/main",
        "stable-security/main",
        "./",
    ]
    vendor = sources["https://vendor.example/apt stable-security/main amd64 Packages"]
    assert (vendor.origin, vendor.suite, vendor.site) == ("Vendor, Inc.", "stable-security", "vendor.example")


def test_only_the_distribution_s_own_pockets_are_security():
    secure = {o.repository for o in read_sources(SOURCES.splitlines()).values() if o.security}
    assert secure == {"jammy-infra-security/main", "jammy-security/universe"}


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (Origin(repository="x", origin="Debian", label="Debian-Security", suite="stable-security"), True),
        (Origin(repository="x", origin="Debian", label="Debian", suite="stable-security"), False),
        (Origin(repository="x", origin="Debian", label="Debian", suite="stable-updates"), False),
        (Origin(repository="x", origin="Ubuntu", label="Ubuntu", suite="noble-security"), True),
        (Origin(repository="x", origin="Ubuntu", label="Ubuntu", suite="noble-updates"), False),
        (
            Origin(
                repository="x", origin="UbuntuESMApps", label="UbuntuESMApps", suite="noble-apps-security"
            ),
            True,
        ),
        (Origin(repository="x", origin="UbuntuESM", label="UbuntuESM", suite="noble-infra-updates"), False),
        (Origin(repository="x", origin="Docker", label="Docker CE", suite="noble-security"), False),
    ],
)
def test_knows_security_pockets(origin, expected):
    assert is_security(origin) is expected


NATIVE = """\
libc6:
  Installed: 2.35-0ubuntu3.1
  Candidate: 2.35-0ubuntu3.1
  Version table:
     2.35-0ubuntu3.8 500 (phased 20%)
        500 http://mirror.example/ubuntu jammy-updates/main amd64 Packages
     2.35-0ubuntu3.7 500
        500 http://mirror.example/ubuntu jammy-updates/main amd64 Packages
        500 http://mirror.example/ubuntu jammy-security/main amd64 Packages
 *** 2.35-0ubuntu3.1 500
        100 /var/lib/dpkg/status
     2.35-0ubuntu3 500
        500 http://mirror.example/ubuntu jammy/main amd64 Packages
libc6:i386:
  Installed: 2.35-0ubuntu3.1
  Candidate: (none)
  Package pin: 2.35-0ubuntu3.1
  Version table:
 *** 2.35-0ubuntu3.1 -1
        100 /var/lib/dpkg/status
"""


def test_reads_the_native_table_down_to_the_installed_version():
    entries, unread = read_versions(NATIVE.splitlines())
    libc = entries["libc6"]
    assert unread == 0
    assert [(v.version, v.pin, v.phased, len(v.sources)) for v in libc.newer] == [
        ("2.35-0ubuntu3.8", 500, 20, 1),
        ("2.35-0ubuntu3.7", 500, None, 2),
    ]
    assert (libc.candidate, libc.installed.version, libc.installed.sources) == (
        "2.35-0ubuntu3.1",
        "2.35-0ubuntu3.1",
        [],
    )
    foreign = entries["libc6:i386"]
    assert (foreign.candidate, foreign.pin, foreign.installed.pin) == ("", "2.35-0ubuntu3.1", -1)


def test_the_abbreviated_table_says_the_same():
    short = """\
a:
  Candidate: 2
     2 500
@1=http://mirror.example/ubuntu jammy-security/main amd64 Packages
@1
 *** 1 100
b:
 *** 3 500
@1
@2=http://mirror.example/ubuntu jammy/main amd64 Packages
@2
"""
    entries, unread = read_versions(short.splitlines())
    security, main = (
        f"http://mirror.example/ubuntu {p}/main amd64 Packages" for p in ("jammy-security", "jammy")
    )
    assert unread == 0
    assert entries["a"].candidate == "2"
    assert entries["a"].newer[0].sources == [security]
    assert entries["b"].candidate is None
    assert entries["b"].installed.sources == [security, main]


def test_counts_lines_that_cannot_be_read():
    assert read_versions(["rubbish", "a:", " *** ", "@9"])[1] == 3
