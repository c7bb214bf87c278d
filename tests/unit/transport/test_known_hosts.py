"""What known_hosts says, held against `ssh-keygen -F`."""

from __future__ import annotations

import base64
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.transport.known_hosts import HostName, KnownHosts, Standing, fingerprint
from fleetctl.transport.known_hosts_file import Recorded, append, record_new, remove


def blob_of(number: int, kind: bytes = b"ssh-ed25519") -> bytes:
    """A key in wire format that no file system has to make."""
    body = number.to_bytes(32, "big")
    return len(kind).to_bytes(4, "big") + kind + len(body).to_bytes(4, "big") + body


def line(names: str, number: int, *, marker: str = "", kind: str = "ssh-ed25519") -> str:
    key = base64.b64encode(blob_of(number, kind.encode())).decode()
    return f"{marker}{' ' if marker else ''}{names} {kind} {key}"


def known(tmp_path: Path, *lines: str) -> KnownHosts:
    path = tmp_path / "known_hosts"
    path.write_text("\n".join(lines) + "\n")
    return KnownHosts([path])


def hash_names(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)


def oracle(path: Path, name: str) -> set[int]:
    """Line numbers on which `ssh-keygen -F` finds a host."""
    done = subprocess.run(["ssh-keygen", "-F", name, "-f", path], capture_output=True, text=True, check=False)
    return {int(number) for number in re.findall(r"found: line (\d+)", done.stdout)}


def test_a_recorded_key_is_trusted_and_another_is_changed(tmp_path):
    hosts = known(tmp_path, "# a comment", "", line("web-1,10.0.0.1", 1))
    assert hosts.judge(HostName("web-1"), blob_of(1)).standing is Standing.TRUSTED
    assert hosts.judge(HostName("10.0.0.1"), blob_of(1)).standing is Standing.TRUSTED
    verdict = hosts.judge(HostName("web-1"), blob_of(2))
    assert verdict.standing is Standing.CHANGED
    assert verdict.entries[0].place == f"{tmp_path}/known_hosts:3"
    assert hosts.judge(HostName("web-2"), blob_of(1)).standing is Standing.UNKNOWN


def test_a_key_of_another_type_is_a_change_too(tmp_path):
    hosts = known(tmp_path, line("web-1", 1))
    assert hosts.judge(HostName("web-1"), blob_of(1, b"ssh-rsa")).standing is Standing.CHANGED


def test_a_port_has_its_own_lines_and_falls_back_to_those_without(tmp_path):
    hosts = known(tmp_path, line("[web-1]:2222", 1), line("web-1", 2), line("web-2", 3))
    assert hosts.judge(HostName("web-1", 2222), blob_of(1)).standing is Standing.TRUSTED
    assert hosts.judge(HostName("web-1", 2222), blob_of(2)).standing is Standing.CHANGED
    assert hosts.judge(HostName("web-1"), blob_of(2)).standing is Standing.TRUSTED
    assert hosts.judge(HostName("web-2", 2222), blob_of(3)).standing is Standing.TRUSTED
    assert hosts.judge(HostName("web-2", 2222), blob_of(4)).standing is Standing.UNKNOWN


def test_an_alias_stands_for_itself_whatever_the_port(tmp_path):
    hosts = known(tmp_path, line("db", 1))
    assert hosts.judge(HostName("db", 2222, alias=True), blob_of(1)).standing is Standing.TRUSTED


def test_hashed_names_are_found(tmp_path):
    hosts = known(tmp_path, line("web-1", 1), line("[web-2]:2222", 2))
    hash_names(hosts.files[0])
    assert "web-1" not in hosts.files[0].read_text()
    assert hosts.judge(HostName("web-1"), blob_of(1)).standing is Standing.TRUSTED
    assert hosts.judge(HostName("web-2", 2222), blob_of(2)).standing is Standing.TRUSTED
    assert hosts.judge(HostName("web-2", 2222), blob_of(1)).standing is Standing.CHANGED
    assert hosts.judge(HostName("web-3"), blob_of(1)).standing is Standing.UNKNOWN


def test_a_revoked_key_is_revoked_even_where_it_is_trusted(tmp_path):
    hosts = known(tmp_path, line("web-1", 1), line("*", 1, marker="@revoked"))
    verdict = hosts.judge(HostName("web-1"), blob_of(1))
    assert verdict.standing is Standing.REVOKED
    assert verdict.entries[0].line == 2


def test_authorities_are_told_apart_and_trust_no_plain_key(tmp_path):
    hosts = known(tmp_path, line("*.example.net", 9, marker="@cert-authority"))
    name = HostName("web-1.example.net", 2222)
    assert [entry.line for entry in hosts.in_clear(name).authorities] == [1]
    assert hosts.judge(name, blob_of(9)).standing is Standing.UNKNOWN


def test_a_negated_pattern_refuses_the_line(tmp_path):
    hosts = known(tmp_path, line("*.example.net,!bad.example.net", 1))
    assert hosts.judge(HostName("good.example.net"), blob_of(1)).standing is Standing.TRUSTED
    assert hosts.judge(HostName("bad.example.net"), blob_of(1)).standing is Standing.UNKNOWN


def test_case_of_names_does_not_matter(tmp_path):
    hosts = known(tmp_path, line("Web-1", 1))
    assert hosts.judge(HostName("wEB-1"), blob_of(1)).standing is Standing.TRUSTED


def test_damaged_lines_and_missing_files_say_nothing(tmp_path):
    path = tmp_path / "known_hosts"
    path.write_bytes(
        b"one-word\nweb-1 ssh-ed25519\n|1|bad ssh-ed25519 AAAA\n@what web-1 x y\nweb-1 ssh-ed25519 %%\n\xff\xfe\n"
    )
    hosts = KnownHosts([tmp_path / "none", path])
    assert hosts.judge(HostName("web-1"), blob_of(1)).standing is Standing.CHANGED
    assert hosts.judge(HostName("web-2"), blob_of(1)).standing is Standing.UNKNOWN
    assert hosts.unreadable == {}


NAMES = st.sampled_from(["web-1", "web-2", "web-10", "db.example.net", "a.b.example.net", "10.0.0.1"])
PATTERNS = st.lists(
    st.sampled_from(
        ["web-1", "web-2", "web-?", "web-*", "*.example.net", "!db.example.net", "!web-2", "10.0.0.*", "*"]
    ),
    min_size=1,
    max_size=3,
).map(",".join)


@given(names=st.lists(PATTERNS, min_size=1, max_size=6), host=NAMES)
def test_the_same_lines_as_ssh_keygen(names, host, tmp_path_factory):
    folder = tmp_path_factory.mktemp("oracle")
    lines = [line(name, number) for number, name in enumerate(names)]
    hosts = known(folder, *lines)
    assert {entry.line for entry in hosts.known(HostName(host)).keys} == oracle(hosts.files[0], host)


@given(names=st.lists(NAMES, min_size=1, max_size=6), host=NAMES)
def test_the_same_hashed_lines_as_ssh_keygen(names, host, tmp_path_factory):
    folder = tmp_path_factory.mktemp("oracle")
    hosts = known(folder, *(line(name, number) for number, name in enumerate(names)))
    hash_names(hosts.files[0])
    assert {entry.line for entry in hosts.known(HostName(host)).keys} == oracle(hosts.files[0], host)


def test_fingerprints_are_those_of_ssh_keygen(tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", key], check=True)
    told = subprocess.run(["ssh-keygen", "-lf", key], check=True, capture_output=True, text=True).stdout
    blob = base64.b64decode((tmp_path / "key.pub").read_text().split()[1])
    assert fingerprint(blob) == told.split()[1]


@pytest.mark.parametrize("hashed", [False, True])
def test_what_is_appended_is_found_by_ssh_and_by_us(tmp_path, hashed):
    path = tmp_path / "new" / "known_hosts"
    append(path, HostName("web-1", 2222), key_type="ssh-ed25519", blob=blob_of(1), hashed=hashed)
    assert oracle(path, "[web-1]:2222") == {1}
    assert KnownHosts([path]).judge(HostName("web-1", 2222), blob_of(1)).standing is Standing.TRUSTED
    assert ("web-1" in path.read_text()) is not hashed
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_appending_ends_an_unfinished_line_first_and_says_nothing_twice(tmp_path):
    path = tmp_path / "known_hosts"
    path.write_text(line("web-1", 1))
    entry = append(path, HostName("web-2"), key_type="ssh-ed25519", blob=blob_of(2))
    again = append(path, HostName("web-2"), key_type="ssh-ed25519", blob=blob_of(2))
    assert entry.line == again.line == 2
    assert path.read_text().splitlines() == [line("web-1", 1), line("web-2", 2)]


WRITER = """
import base64, sys
from pathlib import Path
from fleetctl.transport.known_hosts import HostName
from fleetctl.transport.known_hosts_file import append
for line in sys.stdin:
    name, kind, key = line.split()
    append(Path(sys.argv[1]), HostName(name), key_type=kind, blob=base64.b64decode(key))
"""


def test_several_writers_lose_nothing(tmp_path):
    path = tmp_path / "known_hosts"
    writers = []
    for start in (0, 100, 200):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, text=True)
        writers.append((writer, "\n".join(line(f"web-{n}", n) for n in range(start, start + 40))))
    for writer, lines in writers:
        writer.stdin.write(lines)
        writer.stdin.close()
    assert [writer.wait() for writer, _ in writers] == [0, 0, 0]
    assert len(path.read_text().splitlines()) == 120
    hosts = KnownHosts([path])
    numbers = [start + step for start in (0, 100, 200) for step in range(40)]
    assert all(hosts.judge(HostName(f"web-{n}"), blob_of(n)).standing is Standing.TRUSTED for n in numbers)


@pytest.mark.parametrize("before", ["", "web-9", "web-9\n"])
def test_of_two_who_meet_a_new_host_with_different_keys_one_is_refused(tmp_path, before):
    path, name = tmp_path / "known_hosts", HostName("web-1")
    path.write_text(line("web-9", 9) + "\n" if before.endswith("\n") else before and line("web-9", 9))
    one, two = KnownHosts([path]), KnownHosts([path])
    assert one.judge(name, blob_of(1)).standing is two.judge(name, blob_of(2)).standing is Standing.UNKNOWN
    assert record_new(one, name, key_type="ssh-ed25519", blob=blob_of(1)).standing is Standing.TRUSTED
    verdict = record_new(two, name, key_type="ssh-ed25519", blob=blob_of(2))
    assert verdict.standing is Standing.CHANGED
    assert [entry.line for entry in verdict.entries] == [2 if before else 1]
    assert record_new(two, name, key_type="ssh-ed25519", blob=blob_of(1)).standing is Standing.TRUSTED
    assert oracle(path, "web-1") == {2 if before else 1}  # the line
    assert len(path.read_text().splitlines()) == (2 if before else 1)


def test_what_others_did_to_a_file_is_seen_before_a_key_is_recorded(tmp_path):
    path, new = tmp_path / "known_hosts", {"key_type": "ssh-ed25519"}
    known = KnownHosts([path])
    assert record_new(known, HostName("web-1"), blob=blob_of(1), **new).entries[0].line == 1
    with path.open("a") as file:
        file.write("# by hand\n" + line("web-2", 2) + "\n")
    assert record_new(known, HostName("web-2"), blob=blob_of(3), **new).standing is Standing.CHANGED
    assert record_new(known, HostName("web-3"), blob=blob_of(3), **new).entries[0].line == 4
    remove(path, known.known(HostName("web-1")).keys, host=HostName("web-1"))
    assert record_new(known, HostName("web-1"), blob=blob_of(4), **new).standing is Standing.TRUSTED
    assert [oracle(path, f"web-{n}") for n in (1, 2, 3)] == [{4}, {2}, {3}]
    assert record_new(known, HostName("web-4"), blob=blob_of(5), **new).entries[0].line == 5


async def test_new_keys_are_brought_to_disk_beside_the_event_loop(tmp_path, monkeypatch):
    path, threads = tmp_path / "known_hosts", []
    path.touch()
    monkeypatch.setattr("os.fsync", lambda _: threads.append(threading.current_thread()))
    known, recorded = KnownHosts([path]), Recorded()
    for number in range(20):
        record_new(known, HostName(f"web-{number}"), key_type="ssh-ed25519", blob=blob_of(number))
        recorded.add(path)
    await recorded.close()
    assert 1 <= len(threads) < 20
    assert threading.main_thread() not in threads


def test_removing_keeps_the_other_hosts_of_a_line_and_the_old_file(tmp_path):
    lines = [line("web-1,web-2", 1), line("web-1", 2), line("*", 3), line("web-3", 4)]
    hosts = known(tmp_path, *lines)
    path = hosts.files[0]
    before = path.read_text()
    path.chmod(0o640)
    changed = remove(path, hosts.known(HostName("web-1")).keys, host=HostName("web-1"))
    assert changed == 2
    assert path.read_text().splitlines() == [line("web-2", 1), line("*", 3), line("web-3", 4)]
    assert path.with_name("known_hosts.old").read_text() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["known_hosts", "known_hosts.old"]


def test_removing_through_a_link_keeps_the_link(tmp_path):
    hosts = known(tmp_path, line("web-1", 1))
    link = tmp_path / "link"
    link.symlink_to(hosts.files[0])
    remove(link, KnownHosts([link]).known(HostName("web-1")).keys, host=HostName("web-1"))
    assert link.is_symlink()
    assert hosts.files[0].read_text() == ""
