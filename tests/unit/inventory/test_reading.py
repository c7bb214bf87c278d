"""Captured real answers are read as they were meant; garbage is read without an exception."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.inventory.ask import Wanted, file_pattern
from fleetctl.inventory.reading import Told, read_answer
from fleetctl.inventory.types import DEFAULT, TYPES

GOLDEN = Path(__file__).parents[2] / "golden" / "inventory"
CASES = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())
WANTED = Wanted(
    types=(*DEFAULT, "Process", "File"),
    files=(file_pattern("/etc/*.conf"), file_pattern("/etc/ssh/*")),
    recursive=True,
    custom={"Custom:Uptime": "echo Users=0; echo Load=low"},
)


def told(case: str) -> Told:
    return read_answer(
        (GOLDEN / case / "stdout").read_bytes(), (GOLDEN / case / "stderr").read_bytes(), WANTED, host=case
    )


def framed(**sections: str) -> bytes:
    parts = (
        f"\n@@fleetctl {name.replace('_', '-')} begin\n{text}\n@@fleetctl {name.replace('_', '-')} end 0\n"
        for name, text in sections.items()
    )
    return ("".join(parts) + "\n@@fleetctl done\n").encode()


@pytest.mark.parametrize("case", CASES)
def test_a_captured_answer_is_read_as_expected(case):
    found = told(case)
    data = {"contents": found.contents, "warnings": list(found.warnings)}
    assert data == json.loads((GOLDEN / case / "expected.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_fields_are_those_of_the_type_and_items_have_their_keys(case):
    for name, items in told(case).contents.items():
        if name in TYPES:
            assert {field for item in items for field in item} <= set(TYPES[name].fields)
            assert all(item.get(field) for item in items for field in TYPES[name].key if field != "StartTime")


@pytest.mark.parametrize("case", CASES)
def test_an_answer_that_breaks_off_is_not_complete_wherever_that_is(case):
    stdout = (GOLDEN / case / "stdout").read_bytes().removesuffix(b"\n@@fleetctl done\n")
    for end in range(0, len(stdout), max(1, len(stdout) // 12)):
        assert not read_answer(stdout[:end], b"", WANTED, host=case).complete


@given(data=st.data())
def test_damaged_answers_are_read_without_an_exception(data):
    case = data.draw(st.sampled_from(CASES))
    stdout = bytearray((GOLDEN / case / "stdout").read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        place = data.draw(st.integers(0, len(stdout) - 1))
        stdout[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    read_answer(bytes(stdout), b"", WANTED, host=case)


@given(st.dictionaries(st.sampled_from(sorted({
    "inv_dpkg", "inv_rpm", "inv_pacman", "inv_apk", "inv_links", "inv_addresses", "inv_routes", "inv_if_inet6", "inv_routes6",
    "inv_leases", "inv_units", "inv_unit_files", "inv_openrc", "inv_inittab", "inv_initd", "inv_ps", "inv_files", "inv_lscpu",
    "inv_cpuinfo", "inv_memory", "inv_custom_1", "inv_given_1", "facts",
})), st.text()))  # fmt: skip
def test_sections_of_garbage_are_read_without_an_exception(sections):
    found = read_answer(framed(**sections), b"", WANTED, host="h")
    for items in found.contents.values():
        assert all(isinstance(text, str) for item in items for text in item.values())


def test_apk_and_busybox_hosts_tell_their_packages():
    stdout = framed(
        os_release='ID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME="Alpine Linux v3.20"',
        inv_apk="P:busybox\nV:1.36.1-r29\nA:x86_64\nT:Size optimized toolbox\nL:GPL-2.0-only\no:busybox\nm:Who <who@example.org>\n",
    )
    (item,) = read_answer(stdout, b"", Wanted(types=("Application",)), host="h").contents["Application"]
    assert (item["Version"], item["Release"], item["License"]) == ("1.36.1", "r29", "GPL-2.0-only")
    assert item["PackageId"] == "pkg:apk/alpine/busybox@1.36.1-r29?arch=x86_64&distro=alpine-3.20.3"


def test_removed_debian_packages_are_not_listed():
    row = "{}\tname\t1:2.0-3\tall\tsrc\tadmin\twho\t\t1700000000\tdoes\tthings"
    stdout = framed(inv_dpkg=f"{row.format('rc ')}\n{row.format('ii ').replace('name', 'kept')}")
    (item,) = read_answer(stdout, b"", Wanted(types=("Application",)), host="h").contents["Application"]
    assert (item["Name"], item["Epoch"], item["Version"], item["Release"]) == ("kept", "1", "2.0", "3")
    assert item["InstalledTime"] == "2023-11-14T22:13:20Z"


def test_services_of_openrc_and_inittab_are_told_in_their_own_words():
    stdout = framed(
        inv_openrc="Runlevel: default\n sshd      [  started  ]\n crond  [  stopped  ]",
        inv_openrc_levels="  sshd |  default",
    )
    found = read_answer(stdout, b"", Wanted(types=("Service",)), host="h").contents["Service"]
    assert [(i["Name"], i["Status"], i["StartType"]) for i in found] == [
        ("crond", "stopped", "disabled"),
        ("sshd", "started", "enabled"),
    ]
    stdout = framed(inv_inittab="::sysinit:/etc/rc\ntty1::respawn:/sbin/getty 38400 tty1")
    (item,) = read_answer(stdout, b"", Wanted(types=("Service",)), host="h").contents["Service"]
    assert (item["Name"], item["StartType"]) == ("getty", "respawn")


def test_addresses_come_from_ifconfig_where_there_is_no_ip():
    stdout = framed(
        inv_links="eth0\t02:00:00:00:00:01\tup\t2\nlo\t00:00:00:00:00:00\tunknown\t1",
        inv_addresses="eth0      Link encap:Ethernet\n          inet addr:10.0.0.7  Bcast:10.0.0.255  Mask:255.255.255.0",
        inv_routes="Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\neth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF",
    )
    found = read_answer(stdout, b"", Wanted(types=("InstanceInformation", "Network")), host="h").contents
    (item,) = found["Network"]
    assert (item["IPV4"], item["SubnetMask"], item["Gateway"]) == ("10.0.0.7", "255.255.255.0", "10.0.0.1")
    assert found["InstanceInformation"][0]["IpAddress"] == "10.0.0.7"


def test_limits_of_files_and_faults_of_custom_files_are_said():
    stdout = framed(
        inv_files="12 1700000000 644 root root /etc/a b.conf\ncut files",
        inv_custom_1='path=/x/a.json\n{"TypeName": "Custom:rack", "Content": {}}',
        inv_custom_2='path=/x/b.json\n{"TypeName": "Custom:Rack", "Content": [{"A": [1]}, {"A": null}]}',
        inv_custom_3='path=/x/c.json\n{"TypeName": "Custom:Rack", "Content": {"A": 2}}',
    )
    found = read_answer(stdout, b"", Wanted(types=("File",)), host="h")
    assert found.contents["File"][0]["Name"] == "a b.conf"
    assert found.contents["Custom:Rack"] == [{"A": "[1]"}, {"A": "null"}]
    assert [text.partition(":")[0] for text in found.warnings] == [
        "File is cut at 500 files",
        "/x/a.json",
        "/x/c.json",
    ]


@pytest.mark.parametrize(
    ("case", "section", "code", "type_"),
    [
        ("deb12", "inv-dpkg", 2, "Application"),
        ("rocky", "inv-rpm", 1, "Application"),
        ("deb12", "inv-units", 1, "Service"),
    ],
)
def test_half_a_list_is_never_kept_as_if_it_were_all(case, section, code, type_):
    """What a host told before stays; half a list would look as if the rest had been removed."""
    stdout = (GOLDEN / case / "stdout").read_bytes()
    end = f"@@fleetctl {section} end 0".encode()
    assert stdout.count(end) == 1
    begin = stdout.index(f"@@fleetctl {section} begin".encode())
    cut = stdout[: begin + (stdout.index(end) - begin) // 2].rpartition(b"\n")[0] + b"\n"
    found = read_answer(
        cut + f"@@fleetctl {section} end {code}".encode() + stdout.partition(end)[2], b"", WANTED, host=case
    )
    assert found.complete
    assert type_ not in found.contents
    assert any(f"{type_} is left out" in warning for warning in found.warnings)
    assert {"Network", "InstanceInformation"} <= set(found.contents)


def test_processes_that_cannot_be_told_are_not_none():
    stdout = (GOLDEN / "deb12" / "stdout").read_bytes()
    head, _, rest = stdout.partition(b"@@fleetctl inv-ps begin\n")
    broken = (
        head + b"@@fleetctl inv-ps begin\n@@fleetctl inv-ps end 1\n" + rest.partition(b"inv-ps end 0\n")[2]
    )
    assert "Process" not in read_answer(broken, b"", WANTED, host="x").contents
