"""Whatever is brought as a feed and is none, or damaged, is told with its place, and changes nothing."""

import gzip
import io
import json
import os
import sqlite3
import zipfile

import pytest

from fleetctl.errors import FeedError, StateFolderError
from fleetctl.feeds import json_stream
from fleetctl.feeds.ask import feeds_of
from fleetctl.feeds.database import FILE


def refused(bring, what, name="feed.json"):
    with pytest.raises(FeedError) as caught:
        bring(what, name=name)
    return str(caught.value)


def archive(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name.replace("__", "."), data)
    return buffer.getvalue()


def whole(feeds, name="tracker.json"):
    return (feeds / name).read_bytes()


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (b"<html><title>404</title></html>", "no feed that fleetctl knows"),
        (b"[]", "no feed that fleetctl knows"),
        (b'{"name": "x"}', "no feed that fleetctl knows"),
        (b"3", "no feed that fleetctl knows"),
        (b"", "is empty"),
        (b"{", ":1:2: a name in double quotes is missing"),
        (b'{\n  "a" 1}', ":2:7: ':' is missing"),
        (b'{"a": [1, 2 3]}', ":1:13: Expecting ',' delimiter"),
        (b'{"a": NaN}', "NaN is no JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": 1} {}', ":1:10: there is more text behind its end"),
        (b'{"a": "\xff"}', "no UTF-8"),
        (b"\x1f\x8b\x08\x00nothing", "damaged|cut short"),
        (b"PK\x03\x04 and so on", "damaged"),
    ],
)  # fmt: skip
def test_what_is_no_feed_is_told(bring, what, says):
    with pytest.raises(FeedError, match=says):
        bring(what)
    assert feeds_of(bring.state) == []


def test_a_folder_a_missing_file_and_one_that_may_not_be_read_are_told(bring, tmp_path):
    assert "is a folder" in refused(bring, tmp_path)
    assert "No such file" in refused(bring, tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    assert "no plain file" in refused(bring, tmp_path / "pipe")


@pytest.mark.parametrize("name", ["tracker.json", "rocky.json", "secdb.json", "arch.json", "kev.json"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_that_breaks_off_anywhere_changes_nothing(feeds, bring, name, share):
    data = whole(feeds, name)
    bring(feeds / name)
    kept = feeds_of(bring.state)
    told = refused(bring, data[: int(len(data) * share)])
    assert "cut short" in told or "Expecting" in told or "missing" in told
    assert feeds_of(bring.state) == kept


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_cut_gzip_is_told_and_changes_nothing(feeds, bring, share):
    data = gzip.compress(os.urandom(2000).hex().encode())
    epss = gzip.compress(
        whole(feeds, "epss.csv") + b"".join(b"CVE-2020-%d,0.1,0.2\n" % n for n in range(1000, 9999))
    )
    bring(epss)
    kept = feeds_of(bring.state)
    assert "cut short" in refused(bring, epss[: int(len(epss) * share)])
    refused(bring, data[: int(len(data) * share)])
    assert feeds_of(bring.state) == kept


def test_archives_that_are_cut_hold_no_json_or_a_damaged_member_are_told(feeds, bring):
    good = archive(a__json=whole(feeds, "rocky.json"))
    assert "damaged" in refused(bring, good[: len(good) // 2])
    assert "no .json file" in refused(bring, archive(a__txt="x"))
    flipped = bytearray(good)
    flipped[60] ^= 0xFF
    refused(bring, bytes(flipped))
    two = archive(a__json=whole(feeds, "suse.json"), b__json=b'{"id": "X", ')
    assert "feed.json:b.json:1:" in refused(bring, two)


def test_bombs_are_stopped_before_they_unpack(bring):
    spaces = b"[" + b" " * (80 << 20)
    assert "250 times its size" in refused(bring, gzip.compress(spaces))
    assert "250 times its size" in refused(bring, archive(a__json=spaces))
    many = {f"{n}__json": b"[" + b" " * (40 << 20) for n in range(2)}
    assert "250 times its size" in refused(bring, archive(**many))


def test_a_member_that_would_fill_memory_is_refused(bring, monkeypatch):
    monkeypatch.setattr(json_stream, "_MOST", 1 << 20)
    assert "larger than 1 MB" in refused(bring, json.dumps({"a": "x" * (2 << 20)}))


def without(data, *path):
    told = json.loads(data)
    place = told
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return json.dumps(told)


def changed(data, value, *path):
    told = json.loads(data)
    place = told
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(told)


BOOKWORM = ("fl-lib", "CVE-2024-0001", "releases", "bookworm")
RANGE = (0, "affected", 0, "ranges", 0)


@pytest.mark.parametrize(
    ("name", "edit", "says"),
    [
        ("tracker.json", lambda d: without(d, *BOOKWORM, "status"), "fl-lib: CVE-2024-0001: bookworm: status is missing"),
        ("tracker.json", lambda d: changed(d, "maybe", *BOOKWORM, "status"), "the status 'maybe' is not known"),
        ("tracker.json", lambda d: changed(d, 3, *BOOKWORM, "fixed_version"), "bookworm: fixed_version is no text, but 3"),
        ("tracker.json", lambda d: changed(d, [], "openssl"), r"openssl: .* is no object, but \[\]"),
        ("rocky.json", lambda d: without(d, 0, "modified"), "no feed that fleetctl knows"),
        ("rocky.json", lambda d: changed(d, "yesterday", 0, "modified"), "RLSA-2024:0001: modified: 'yesterday' is no date"),
        ("rocky.json", lambda d: changed(d, {}, 0, "affected"), "affected is no list"),
        ("rocky.json", lambda d: without(d, 0, "affected", 0, "package", "name"), r"affected\[0\].package.name is missing"),
        ("rocky.json", lambda d: changed(d, [{"fixed": "1"}], *RANGE, "events"), "nothing is introduced"),
        ("rocky.json", lambda d: changed(d, [{"begun": "1"}], *RANGE, "events"), "'begun' is not known"),
        ("secdb.json", lambda d: changed(d, ["x"], "packages"), "a package is no object"),
        ("secdb.json", lambda d: changed(d, 3, "packages", 0, "pkg", "secfixes"), "busybox: secfixes is no object"),
        ("arch.json", lambda d: changed(d, "Odd", 1, "status"), "AVG-2855: the status 'Odd' is not known"),
        ("kev.json", lambda d: changed(d, 7, "count"), "it says that it has 7 vulnerabilities, and has 1"),
        ("kev.json", lambda d: changed(d, "CWE-1", "vulnerabilities", 0, "cveID"), r"vulnerabilities\[0\]: 'CWE-1' is no CVE"),
        ("kev.json", lambda d: changed(d, "soon", "vulnerabilities", 0, "dateAdded"), "'soon' is no date"),
        ("kev.csv", lambda d: d.replace(b"2024-05-11", b""), ":3: dateAdded"),
        ("epss.csv", lambda d: d + b"CVE-2024-0103,1.5,0.1\n", ":5: not of the form"),
        ("epss.csv", lambda d: d + b"CVE-2024-0103\n", ":5: not of the form"),
        ("epss.csv", lambda d: d.replace(b",score_date:2026-11-20T00:00:00+0000", b""), ":1: the first line has no score_date"),
        ("epss.csv", lambda d: d.replace(b"cve,epss", b"cve,score"), ":2: the head 'cve,epss,percentile' is missing"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_form_is_told_with_its_place_and_the_old_stays(feeds, bring, name, edit, says):
    bring(feeds / name)
    kept = feeds_of(bring.state)
    with pytest.raises(FeedError, match=says):
        bring(edit(whole(feeds, name)))
    assert feeds_of(bring.state) == kept


def test_a_database_that_is_none_or_newer_is_told(feeds, bring):
    path = bring.state / FILE
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StateFolderError, match="cannot be used"):
        feeds_of(bring.state)
    path.unlink()
    bring(feeds / "kev.json")
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StateFolderError, match="newer fleetctl"):
        feeds_of(bring.state)
