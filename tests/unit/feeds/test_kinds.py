"""Every kind of feed, in its makers' form."""

import csv
import gzip
import io
import json
import zipfile
from datetime import UTC, datetime

import pytest

from fleetctl.errors import FeedError
from fleetctl.feeds.ask import asking, feeds_of
from fleetctl.feeds.importing import kinds
from fleetctl.feeds.model import EVERY, before
from fleetctl.feeds.protocol import Sample

FILES = {
    "alpine-secdb": "secdb.json",
    "arch-tracker": "arch.json",
    "debian-tracker": "tracker.json",
    "epss": "epss.csv",
    "kev": "kev.json",
    "osv": "rocky.json",
}


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_every_kind_knows_its_own_file_and_no_other(kind, feeds, bring):
    assert bring(feeds / FILES[kind.name]).kind.name == kind.name
    assert kind.title
    assert kind.url.startswith("https://")
    assert not kind.recognises(Sample())
    assert not kind.recognises(Sample(text="<html>"))
    assert not kind.recognises(Sample(shape="object", members={"a": 1}))
    assert not kind.recognises(Sample(shape="array", first=1))


def test_debian_s_statuses_become_ranges(feeds, bring, about):
    bring(feeds / "tracker.json")
    told = {ecosystem: ranges for _, ecosystem, _, ranges in about("CVE-2024-0001")}
    assert told == {"Debian:bookworm": before("1.0-1+deb12u1"), "Debian:trixie": (), "Debian:sid": ()}
    with asking(bring.state) as asked:
        by_release = {one.claim.ecosystem: one.claim for one in asked.about_cve("CVE-2024-0001")}
        (waits,) = asked.about_cve("CVE-2024-0102")
    assert by_release["Debian:sid"].undetermined
    assert not by_release["Debian:trixie"].undetermined
    assert by_release["Debian:bookworm"].severity == "high"
    assert waits.claim.ranges == EVERY
    assert waits.claim.severity == "medium"
    assert "Minor issue" in waits.claim.note
    assert {feed.entries for feed in feeds_of(bring.state)} == {4}  # TEMP- is no CVE


def test_an_osv_export_names_its_advisory_and_its_severity(feeds, bring):
    bring(feeds / "rocky.json")
    with asking(bring.state) as asked:
        (one,) = asked.about_cve("CVE-2024-0001")
        assert asked.ecosystems() == [(one.feed, "Rocky Linux:9")]
    assert (one.claim.advisory, one.claim.severity) == ("RLSA-2024:0001", "critical")
    assert one.claim.ranges == before("0:1.0-3.el9")
    assert one.feed.dated == datetime(2024, 5, 10, 14, 32, 49, tzinfo=UTC)


def test_suse_s_binaries_stand_in_for_the_source_package(feeds, bring, about):
    bring(feeds / "suse.json")
    assert {(feed, package) for feed, _, package, _ in about("CVE-2024-0001")} == {
        ("osv:openSUSE", "icu"),
        ("osv:openSUSE", "libicu-devel"),
        ("osv:SUSE", "libicu-devel"),
    }


def test_alpine_s_version_0_means_never_affected_and_bundled_ids_are_parted(feeds, bring, about):
    bring(feeds / "secdb.json")
    fixed = [("alpine-secdb:v3.20/main", "Alpine:v3.20", "busybox", before("1.36.1-r29"))]
    for cve in ("CVE-2023-42364", "CVE-2023-42365", "CVE-2023-42366"):
        assert about(cve) == fixed
    assert [ranges for *_, ranges in about("CVE-2021-42379")] == [()]


def test_arch_s_groups_are_about_each_of_their_packages(feeds, bring, about):
    bring(feeds / "arch.json")
    assert [told[2:] for told in about("CVE-2024-0001")] == [
        ("fl-lib", before("1.0-2")),
        ("lib32-fl-lib", before("1.0-2")),
    ]
    assert [told[3] for told in about("CVE-2024-0005")] == [EVERY]


@pytest.mark.parametrize(
    ("name", "ransomware", "dated"), [("kev.json", True, "2026-11-20"), ("kev.csv", False, "2024-05-11")]
)
def test_kev_is_read_as_json_and_as_table(feeds, bring, name, ransomware, dated):
    bring(feeds / name)
    with asking(bring.state) as asked:
        listed = asked.exploited()["CVE-2024-0001"]
        assert f"{asked.feeds[0].dated:%Y-%m-%d}" == dated
    assert (listed.added, listed.due, listed.ransomware) == ("2024-05-11", "2024-06-01", ransomware)


def test_epss_is_read_plain_and_packed_and_dated_by_its_first_line(feeds, bring):
    bring(gzip.compress((feeds / "epss.csv").read_bytes()), name="scores")
    with asking(bring.state) as asked:
        assert asked.score("CVE-2024-0001").probability == 0.94321
        assert asked.score("CVE-1999-0001") is None
        (feed,) = asked.feeds
    assert (feed.dated, feed.dated_by) == (datetime(2026, 11, 20, tzinfo=UTC), "feed")


def advisory(**changes):
    told = {
        "id": "ALSA-2024:1",
        "modified": "2024-01-01T00:00:00Z",
        "related": ["CVE-2024-1111"],
        "affected": [
            {
                "package": {"ecosystem": "AlmaLinux:9", "name": "bash"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "5.1.8-9.el9"}]}],
            }
        ],
    }
    return {**told, **changes}


def test_related_cves_count_only_where_nothing_else_names_one(bring, about):
    bring(json.dumps(advisory()))
    assert len(about("CVE-2024-1111")) == 1
    bring(json.dumps(advisory(aliases=["CVE-2024-2222"])))
    assert (len(about("CVE-2024-1111")), len(about("CVE-2024-2222"))) == (0, 1)


def test_the_id_of_a_distribution_s_own_record_names_its_cve(bring, about):
    bring(json.dumps(advisory(id="UBUNTU-CVE-2024-3333", related=[])))
    assert len(about("CVE-2024-3333")) == 1


def test_one_advisory_is_added_changed_and_withdrawn(feeds, bring, about):
    bring(json.dumps([advisory(), advisory(id="ALSA-2024:2", related=["CVE-2024-4444"])]))
    bring(json.dumps(advisory(id="ALSA-2024:3", related=["CVE-2024-5555"])))
    assert [feed.entries for feed in feeds_of(bring.state)] == [3]
    bring(json.dumps(advisory(id="ALSA-2024:3", related=["CVE-2024-6666"])))
    assert [feed.entries for feed in feeds_of(bring.state)] == [3]
    assert (about("CVE-2024-5555"), len(about("CVE-2024-6666"))) == ([], 1)
    gone = bring(json.dumps(advisory(id="ALSA-2024:3", withdrawn="2024-02-01T00:00:00Z")))
    assert (gone.kept.withdrawn, gone.kept.feeds) == (1, ())
    assert about("CVE-2024-6666") == []
    assert [feed.entries for feed in feeds_of(bring.state)] == [2]


def packed(*items):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", "not one of them")
        for item in items:
            archive.writestr(f"{item['id']}.json", json.dumps(item))
    return buffer.getvalue()


def both(id_):
    (part,) = advisory()["affected"]
    other = {**part, "package": {"ecosystem": "SUSE:Linux Enterprise Server 15 SP6", "name": "bash"}}
    own = {**part, "package": {"ecosystem": "openSUSE:Leap 15.6", "name": "bash"}}
    return advisory(id=id_, affected=[own, other])


def test_an_export_replaces_only_what_all_of_it_is_about(bring, about):
    (part,) = advisory()["affected"]
    suse = {**part, "package": {"ecosystem": "SUSE:Linux Enterprise Server 15 SP6", "name": "vim"}}
    bring(packed(advisory(id="SUSE-SU-1", affected=[suse], related=["CVE-2024-7777"])), name="suse.zip")
    (own, _) = both("x")["affected"]
    done = bring(packed(both("SUSE-SU-2"), advisory(id="SUSE-SU-3", affected=[own])), name="opensuse.zip")
    assert done.kept.other == ("SUSE",)
    assert [feed.title for feed in feeds_of(bring.state)] == ["osv:SUSE", "osv:openSUSE"]
    assert [told[0] for told in about("CVE-2024-7777")] == ["osv:SUSE"]
    assert [told[0] for told in about("CVE-2024-1111")] == ["osv:openSUSE"] * 2


def test_what_is_about_no_distribution_is_told_and_refused_where_it_is_all(bring):
    pypi = advisory(
        id="PYSEC-1", affected=[{"package": {"ecosystem": "PyPI", "name": "x"}, "versions": ["1"]}]
    )
    assert bring(json.dumps([advisory(), pypi])).kept.unused == 1
    with pytest.raises(FeedError, match="nothing in it is about a CVE and a package"):
        bring(json.dumps(pypi))


def test_versions_count_only_where_there_are_no_ranges(bring):
    (part,) = advisory()["affected"]
    listed = {"package": part["package"], "versions": ["1.0", "1.1"]}
    bring(json.dumps(advisory(affected=[{**part, "versions": ["1", "2"]}, listed])))
    with asking(bring.state) as asked:
        assert [one.claim.versions for one in asked.about_cve("CVE-2024-1111")] == [(), ("1.0", "1.1")]


def test_a_quoted_line_break_in_a_table_does_not_part_a_row(feeds, bring):
    rows = list(csv.DictReader(io.StringIO((feeds / "kev.csv").read_text())))
    assert len(rows) == 1
    bring(feeds / "kev.csv")
    assert [feed.entries for feed in feeds_of(bring.state)] == [1]


def released(**state):
    return json.dumps({"bash": {"CVE-2024-0108": {"releases": {"bookworm": {"repositories": {}, **state}}}}})


@pytest.mark.parametrize(
    ("state", "ranges", "undetermined"),
    [
        ({"status": "open"}, EVERY, False),
        ({"status": "open", "fixed_version": "5.2-1"}, before("5.2-1"), False),  # not in the archive yet
        ({"status": "open", "fixed_version": "0"}, EVERY, False),
        ({"status": "resolved", "fixed_version": "0"}, (), False),
        ({"status": "resolved"}, (), True),
        ({"status": "undetermined", "fixed_version": "5.2-1"}, (), True),
    ],
)
def test_what_debian_says_of_a_release_is_taken_by_its_word(bring, state, ranges, undetermined):
    bring(released(**state))
    with asking(bring.state) as asked:
        (one,) = asked.about_cve("CVE-2024-0108")
    assert (one.claim.ranges, one.claim.undetermined) == (ranges, undetermined)
