"""How a fleet stands to a CVE: hosts are what real ones told, feeds are in their makers' form."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from fleetctl.feeds.ask import Said, asking
from fleetctl.feeds.importing import import_file
from fleetctl.feeds.model import EVERY, Claim, Feed, before
from fleetctl.inventory.choose import Snapshot
from fleetctl.model import Host
from fleetctl.packages.model import HostFacts
from fleetctl.patch.baseline_load import load_files
from fleetctl.patch.choose import Baselines
from fleetctl.patch.cve import Known, of_own_release, standings
from fleetctl.patch.cve_host import HostView, releases_of
from fleetctl.patch.cve_schema import cve_schema, cves_schema
from fleetctl.patch.cve_telling import cve_exit_code, cve_report, tell_cve
from fleetctl.patch.cves import Filter, ranking
from fleetctl.patch.cves_telling import cves_exit_code, cves_report, tell_cves
from fleetctl.store.items import Items
from fleetctl.store.runs import Runs

GOLDEN = Path(__file__).parents[2] / "golden"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
SCANNED = "2026-11-23T20:00:00+00:00"


class Fleet:
    """Hosts that were scanned when they told what the goldens say."""

    def __init__(self, folder, **hosts):
        self.folder = folder
        self.hosts = [Host(name=name.replace("_", "-")) for name in hosts]
        self.runs = Runs(folder / "runs")
        self.runs.path.mkdir()
        (folder / "items").mkdir()
        self.baselines = Baselines()
        self.scanned("20261123T000000.000-aaaaaa", hosts)

    def scanned(self, run_id, hosts, *, step="", time=SCANNED):
        run = self.runs.create(run_id)
        run.write_run({"DocumentName": "AWS-RunPatchBaseline", "RequestedDateTime": time})
        for name, golden in hosts.items():
            output = run.output(name.replace("_", "-"), step)
            if golden:
                output.mkdir(parents=True)
                for stream in ("stdout", "stderr"):
                    (output / stream).write_bytes((GOLDEN / golden / stream).read_bytes())

    def bring(self, *files, **texts):
        for name in files:
            import_file(GOLDEN / "feeds" / name, self.folder, now=NOW, dated=NOW)
        for name, text in texts.items():
            path = self.folder / f"{name}.json"
            path.write_text(json.dumps(text))
            import_file(path, self.folder, now=NOW)

    def known(self, asked):
        return Known(
            runs=self.runs,
            kept=Snapshot(Items(self.folder / "items")),
            asked=asked,
            baselines=self.baselines,
            state_folder=self.folder,
            now=NOW,
        )

    def cve(self, cve):
        """The report, checked against its schema, and its hosts by name."""
        with asking(self.folder) as asked:
            found = standings(cve, self.hosts, self.known(asked))
            report = cve_report(cve, found, asked, now=NOW)
        jsonschema.validate(report, cve_schema())
        assert len(list(tell_cve(report).rows)) >= len(self.hosts)
        self.exit_code = cve_exit_code(found)
        return {host["InstanceId"]: host for host in report["Hosts"]}

    def cves(self, **wanted):
        with asking(self.folder) as asked:
            told = ranking(self.hosts, self.known(asked), Filter(**wanted))
            report = cves_report(told, asked, now=NOW)
        jsonschema.validate(report, cves_schema())
        assert len(list(tell_cves(report).rows)) == len(report["Cves"])
        self.exit_code = cves_exit_code(told)
        self.report = report
        return {one["Cve"]: one for one in report["Cves"]}


@pytest.fixture
def fleet(tmp_path):
    return lambda **hosts: Fleet(tmp_path, **hosts)


def only(host):
    (package,) = host["Packages"]
    return package


def test_debian_is_judged_by_the_tracker_and_the_update_by_the_baseline(fleet):
    hosts = fleet(deb_1="apt/deb12-fresh")
    hosts.bring("tracker.json")
    host = hosts.cve("CVE-2024-0001")["deb-1"]
    assert (host["Status"], host["ScanTime"], host["SeenBy"]) == ("AFFECTED", SCANNED, "scan")
    told = only(host)
    assert (told["InstalledVersion"], told["FixedVersion"]) == ("1.0-1", "1.0-1+deb12u1")
    assert told["Update"] == {
        "Version": "1.0-1+deb12u1",
        "Fixes": True,
        "Approved": True,
        "Decision": "APPROVED",
    }
    (verdict,) = told["Verdicts"]
    assert (verdict["Source"], verdict["Date"]) == ("debian-tracker:Debian", "2026-11-24T00:00:00+00:00")
    assert hosts.exit_code == 5


def test_a_baseline_that_waits_says_until_when(fleet, tmp_path):
    path = tmp_path / "slow.yaml"
    path.write_text(
        "operating_system: DEBIAN\napproval_rules: [{filters: {PRODUCT: ['*']}, approve_after_days: 10}]\n"
    )
    hosts = fleet(deb_1="apt/deb12-fresh")
    hosts.baselines = Baselines(
        override={d.baseline.operating_system: d.baseline for d in load_files([path])}
    )
    hosts.bring("tracker.json")
    update = only(hosts.cve("CVE-2024-0001")["deb-1"])["Update"]
    assert (update["Approved"], update["Decision"], update["DueDate"][:10]) == (
        False,
        "PENDING_APPROVAL",
        "2026-12-04",
    )


def test_hosts_own_advisories_judge_them_without_any_feed(fleet):
    hosts = fleet(rocky_1="dnf/el9-fresh", suse_1="zypper/sles15-fresh", suse_2="zypper/sles15-clean")
    assert {name: host["Status"] for name, host in hosts.cve("CVE-2024-0006").items()} == {
        "rocky-1": "AFFECTED",
        "suse-1": "AFFECTED",
        "suse-2": "FIXED",
    }


@pytest.mark.parametrize("step", ["", "before"])
def test_what_a_host_lacked_at_an_earlier_look_tells_that_it_is_fixed_now(fleet, step):
    hosts = fleet(rocky_1="dnf/el9-clean", rocky_2="dnf/el9-clean")
    assert {host["Status"] for host in hosts.cve("CVE-2024-0001").values()} == {"UNKNOWN"}
    early = "2026-11-01T20:00:00+00:00"
    hosts.scanned("20261101T000000.000-aaaaaa", {"rocky_2": "dnf/el9-fresh"}, step=step, time=early)
    told = hosts.cve("CVE-2024-0001")
    assert [host["Status"] for host in told.values()] == ["UNKNOWN", "FIXED"]
    assert told["rocky-2"]["ScanTime"] == SCANNED
    package = only(told["rocky-2"])
    assert (package["InstalledVersion"], package["FixedVersion"]) == ("1.0-3.el9", "1.0-2.el9")
    assert [(v["Source"], v["Date"]) for v in package["Verdicts"]] == [("host-advisories", early)]


def test_rocky_is_judged_by_its_own_advisories_and_by_osv(fleet):
    hosts = fleet(rocky_1="dnf/el9-fresh", rocky_2="dnf/el9-clean")
    hosts.bring("rocky.json")
    told = hosts.cve("CVE-2024-0001")
    assert [host["Status"] for host in told.values()] == ["AFFECTED", "FIXED"]
    sources = {v["Advisory"]: v["Source"] for v in only(told["rocky-1"])["Verdicts"]}
    assert sources == {"FLSA-2024:0001": "host-advisories", "RLSA-2024:0001": "osv:Rocky Linux"}
    assert not any(only(host)["SourcesDisagree"] for host in told.values())


def test_where_sources_contradict_one_another_both_are_shown_and_the_worse_counts(fleet):
    hosts = fleet(suse_2="zypper/sles15-clean")
    advisory = json.loads((GOLDEN / "feeds" / "suse.json").read_text())
    part = advisory["affected"][1]
    part["ecosystem_specific"]["binaries"] = [{"kernel-core": "5.14.0-9.el9"}]
    hosts.bring(later={**advisory, "related": ["CVE-2024-0006"], "affected": [part]})
    told = only(hosts.cve("CVE-2024-0006")["suse-2"])
    assert (told["Status"], told["SourcesDisagree"], told["FixedVersion"]) == (
        "AFFECTED",
        True,
        "5.14.0-9.el9",
    )
    assert {v["Status"]: v["Source"] for v in told["Verdicts"]} == {
        "AFFECTED": "osv:SUSE",
        "FIXED": "host-advisories",
    }
    assert told["Update"] is None


def test_a_package_that_is_not_installed_does_not_affect_a_host(fleet):
    hosts = fleet(deb_1="apt/deb12-fresh")
    hosts.bring("tracker.json")
    host = hosts.cve("CVE-2024-0107")["deb-1"]
    assert host["Status"] == "NOT_AFFECTED"
    assert "it is about exim4, which is not installed (debian-tracker:Debian of 2026-11-24)" in host["Reason"]
    assert hosts.exit_code == 0


def test_what_no_source_names_is_unknown_and_never_not_affected(fleet):
    hosts = fleet(deb_1="apt/deb12-fresh", new_1="")
    told = hosts.cve("CVE-2024-4321")
    assert "no feed is kept about Debian GNU/Linux 12" in told["deb-1"]["Reason"]
    assert "fleetctl patch scan new-1" in told["new-1"]["Reason"]
    hosts.bring("tracker.json")
    told = hosts.cve("CVE-2024-4321")
    assert "neither debian-tracker:Debian of 2026-11-24 nor" in told["deb-1"]["Reason"]
    assert {host["Status"] for host in told.values()} == {"UNKNOWN"}
    assert hosts.exit_code == 3


def test_a_feed_about_another_release_does_not_judge_a_host(fleet):
    hosts = fleet(deb_13="apt/deb13-fresh")
    tracker = json.loads((GOLDEN / "feeds" / "tracker.json").read_text())
    del tracker["fl-lib"]["CVE-2024-0001"]["releases"]["trixie"]
    tracker["openssl"]["CVE-2024-0102"]["releases"]["trixie"] = {"status": "open"}
    hosts.bring(tracker=tracker)
    host = hosts.cve("CVE-2024-0001")["deb-13"]
    assert host["Status"] == "UNKNOWN"
    assert "names fl-lib, but not for Debian GNU/Linux 13" in host["Reason"]


def test_what_is_affected_for_one_host_does_not_hide_that_another_is_unknown(fleet):
    hosts = fleet(new_1="", deb_1="apt/deb12-fresh")
    hosts.bring("tracker.json")
    assert [host["Status"] for host in hosts.cve("CVE-2024-0001").values()] == ["UNKNOWN", "AFFECTED"]
    assert hosts.exit_code == 5


def test_a_held_package_is_said_to_be_kept_back(fleet):
    hosts = fleet(rocky_1="dnf/el9-fresh")
    told = {package["Name"]: package for package in hosts.cve("CVE-2024-0002")["rocky-1"]["Packages"]}
    assert "Held" in told["fl-held"]["Update"]


def test_exploited_ones_come_first_then_likely_grave_and_common_ones(fleet):
    hosts = fleet(rocky_1="dnf/el9-fresh", deb_1="apt/deb12-fresh", deb_2="apt/bookworm-behind", new_1="")
    hosts.bring("tracker.json", "rocky.json", "kev.json", "epss.csv")
    found = hosts.cves()
    assert list(found)[:2] == ["CVE-2024-0001", "CVE-2024-0102"]
    first = found["CVE-2024-0001"]
    assert (first["KnownExploited"]["DueDate"], first["Epss"], first["Severity"]) == (
        "2024-06-01",
        0.94321,
        "critical",
    )
    assert (first["Hosts"], first["UpdateCount"]) == (["rocky-1", "deb-1"], 2)
    assert set(first["Sources"]) == {"debian-tracker:Debian", "host-advisories", "osv:Rocky Linux"}
    assert found["CVE-2024-0102"]["Hosts"] == ["deb-1", "deb-2"]
    assert (found["CVE-2024-0102"]["FixExists"], found["CVE-2024-0102"]["UpdateCount"]) == (False, 0)
    assert [one["InstanceId"] for one in hosts.report["Unknown"]] == ["new-1"]
    assert hosts.exit_code == 5


def test_filters_leave_out_what_is_not_asked_for(fleet):
    hosts = fleet(deb_1="apt/deb12-fresh")
    hosts.bring("tracker.json", "kev.json", "epss.csv")
    assert list(hosts.cves()) == ["CVE-2024-0001", "CVE-2024-0102"]
    assert hosts.report["Summary"]["UnimportantCount"] == 1
    assert list(hosts.cves(unimportant=True))[-1] == "CVE-2024-0106"
    for wanted in ({"exploited": True}, {"epss": 0.5}, {"fixable": True}):
        assert list(hosts.cves(**wanted)) == ["CVE-2024-0001"]
    assert hosts.cves(epss=0.99) == {}
    assert hosts.exit_code == 0


def test_a_ranking_says_the_same_as_the_question_about_each_cve(fleet):
    names = {"deb_1": "apt/deb12-fresh", "deb_2": "apt/bookworm-behind", "deb_3": "apt/deb13-fresh"}
    names |= {"rocky_1": "dnf/el9-fresh", "rocky_2": "dnf/el9-clean", "fed_1": "dnf/f43-fresh"}
    hosts = fleet(**names)
    hosts.bring("tracker.json", "rocky.json", "suse.json")
    found = hosts.cves(unimportant=True)
    for cve in [*found, "CVE-2024-0107", "CVE-2024-9999"]:
        affected = [name for name, host in hosts.cve(cve).items() if host["Status"] == "AFFECTED"]
        assert affected == (found[cve]["Hosts"] if cve in found else [])


def test_nothing_known_is_no_good_news(fleet):
    hosts = fleet(deb_1="apt/deb12-fresh")
    assert hosts.cves() == {}
    assert hosts.exit_code == 3
    assert "its own package lists name no CVE" in hosts.report["Unknown"][0]["Reason"]


def test_alpine_and_arch_are_judged_by_their_trackers(fleet):
    hosts = fleet(
        alp_1="apk/alpine-behind",
        alp_2="apk/alpine-clean",
        arch_1="pacman/arch-fresh",
        arch_2="pacman/arch-clean",
    )
    secdb = json.loads((GOLDEN / "feeds" / "secdb.json").read_text())
    secdb["packages"].append({"pkg": {"name": "fl-lib", "secfixes": {"1.0-r0": ["CVE-2024-0001"]}}})
    hosts.bring("arch.json", secdb={**secdb, "distroversion": "v3.22"})
    told = hosts.cve("CVE-2024-0001")
    assert [host["Status"] for host in told.values()] == ["AFFECTED", "FIXED", "AFFECTED", "FIXED"]
    assert only(told["alp-1"])["InstalledVersion"] == "1.0_rc1-r0"
    assert only(told["arch-1"])["Update"]["Version"] == "1.0-2"
    assert {only(host)["Verdicts"][0]["Source"] for host in told.values()} == {
        "alpine-secdb:v3.22/main",
        "arch-tracker:Arch Linux",
    }
    assert list(hosts.cves()) == ["CVE-2024-0001", "CVE-2024-0005"]


def test_what_updates_there_are_is_not_known_of_a_host_whose_lists_cannot_be_read_or_that_was_never_scanned(
    fleet,
):
    hosts = fleet(deb_1="apt/deb12-no-lists", deb_2="")
    application = {
        "Name": "fl-lib",
        "Version": "1.0",
        "Release": "1",
        "PackageManager": "dpkg",
        "PackageId": "pkg:deb/debian/fl-lib?distro=debian-12",
    }
    Items(hosts.folder / "items").keep("deb-2", {"Application": [application]}, captured=NOW, run="R2")
    hosts.bring("tracker.json")
    blind = hosts.cve("CVE-2024-0102")["deb-1"]
    assert (blind["Status"], only(blind)["Update"]) == ("AFFECTED", None)
    assert "updates are not known: there are no package lists" in only(blind)["Note"]
    told = hosts.cve("CVE-2024-0001")["deb-2"]
    assert (told["Status"], told["SeenBy"], told["ScanId"]) == ("AFFECTED", "inventory", None)
    assert "updates are not known: it was never scanned" in only(told)["Note"]


def test_ubuntu_pro_s_fix_stands_in_for_the_open_end_of_the_release(tmp_path):
    feed = Feed(
        id=1, kind="osv", scope="Ubuntu", source="", dated=NOW, dated_by="feed", imported=NOW, entries=1
    )

    def said(ecosystem, package, ranges):
        return Said(feed, Claim(ecosystem=ecosystem, package=package, ranges=ranges))

    view = HostView(host="u", releases=releases_of(HostFacts(os_id="ubuntu", version_id="20.04")))
    plain = said("Ubuntu:20.04:LTS", "re2c", EVERY)
    pro = said("Ubuntu:Pro:20.04:LTS", "re2c", before("1.3-1+esm1"))
    other = said("Ubuntu:20.04:LTS", "vim", EVERY)
    elsewhere = said("Ubuntu:Pro:22.04:LTS", "vim", EVERY)
    assert of_own_release(view, [plain, pro, other, elsewhere]) == [pro, other]
