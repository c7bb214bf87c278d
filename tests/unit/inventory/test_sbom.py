"""Bills of materials fit their published schemas, and package URLs their specification."""

import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from referencing import Registry, Resource

from fleetctl.inventory.purl import Distribution, package_url
from fleetctl.inventory.sbom import SbomHost, cyclonedx, spdx

GOLDEN = Path(__file__).parents[2] / "golden"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def schema(name):
    return json.loads((GOLDEN / "schemas" / f"{name}.schema.json").read_text())


REFERENCED = [
    (f"http://cyclonedx.org/schema/{name}.schema.json", Resource.from_contents(schema(name)))
    for name in ("spdx.SNAPSHOT", "jsf-0.82.SNAPSHOT")
]
CYCLONEDX = jsonschema.Draft7Validator(
    schema("bom-1.6.SNAPSHOT"),
    registry=Registry().with_resources(REFERENCED),
    format_checker=jsonschema.FormatChecker(),
)
SPDX = jsonschema.Draft201909Validator(schema("spdx-2.3-excerpt"))


def golden_host(case):
    contents = json.loads((GOLDEN / "inventory" / case / "expected.json").read_text())["contents"]
    return SbomHost(
        name=case, machine=contents["InstanceInformation"][0], applications=contents["Application"]
    )


HOSTS = [golden_host(case) for case in ("deb12", "rocky", "suse", "arch")]


@pytest.mark.parametrize(
    "hosts", [[host] for host in HOSTS] + [HOSTS], ids=lambda hosts: "+".join(h.name for h in hosts)
)
def test_bills_of_real_hosts_fit_their_schemas(hosts):
    CYCLONEDX.validate(cyclonedx(hosts, now=NOW, seed="x"))
    SPDX.validate(spdx(hosts, now=NOW, seed="x"))


def test_every_package_is_in_the_bill_under_a_reference_of_its_own():
    bom = cyclonedx(HOSTS, now=NOW, seed="x")
    references = [c["bom-ref"] for host in bom["components"] for c in (host, *host["components"])]
    assert len(references) == len(set(references))
    document = spdx(HOSTS, now=NOW, seed="x")
    identifiers = [package["SPDXID"] for package in document["packages"]]
    assert (
        len(identifiers)
        == len(set(identifiers))
        == len(HOSTS) + sum(len(host.applications) for host in HOSTS)
    )
    assert {r["relatedSpdxElement"] for r in document["relationships"]} == set(identifiers)


def test_equal_contents_have_equal_serial_numbers():
    assert cyclonedx(HOSTS, now=NOW, seed="a") == cyclonedx(HOSTS, now=NOW, seed="a")
    assert (
        cyclonedx(HOSTS, now=NOW, seed="a")["serialNumber"]
        != cyclonedx(HOSTS, now=NOW, seed="b")["serialNumber"]
    )


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "Publisher",
                "URL",
                "Summary",
                "License",
                "Source",
                "Architecture",
                "Version",
                "Release",
                "Epoch",
            ]
        ),
        st.text(min_size=1),
    ),
    st.text(min_size=1),
)
def test_whatever_packages_say_of_themselves_fits_the_schemas(fields, name):
    item = {**fields, "Name": name, "PackageManager": "rpm"}
    host = SbomHost(name=name, applications=[{**item, "PackageId": package_url(item, Distribution())}])
    CYCLONEDX.validate(cyclonedx([host], now=NOW, seed="x"))
    SPDX.validate(spdx([host], now=NOW, seed="x"))


@pytest.mark.parametrize(
    ("item", "distribution", "url"),
    [
        (("dpkg", "openssl", "", "3.0.14", "1", "amd64"), ("debian", "12"), "pkg:deb/debian/openssl@3.0.14-1?arch=amd64&distro=debian-12"),
        (("dpkg", "libstdc++6", "1", "2", "", "all"), ("ubuntu", "24.04"), "pkg:deb/ubuntu/libstdc%2B%2B6@1:2?arch=all&distro=ubuntu-24.04"),
        (("rpm", "Judy", "2", "1.0", "3.el9", "x86_64"), ("rhel", "9.4"), "pkg:rpm/redhat/Judy@1.0-3.el9?arch=x86_64&distro=rhel-9.4&epoch=2"),
        (("pacman", "linux", "", "6.1", "1", "x86_64"), ("arch", ""), "pkg:alpm/arch/linux@6.1-1?arch=x86_64&distro=arch"),
        (("apk", "busybox", "", "1.36", "r2", "x86"), ("", ""), "pkg:apk/alpine/busybox@1.36-r2?arch=x86"),
    ],
)  # fmt: skip
def test_package_urls_are_as_the_specification_wants_them(item, distribution, url):
    names = ("PackageManager", "Name", "Epoch", "Version", "Release", "Architecture")
    assert package_url(dict(zip(names, item, strict=True)), Distribution(*distribution)) == url
