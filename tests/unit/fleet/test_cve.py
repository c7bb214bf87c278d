"""CVEs as Python calls."""

import json
from pathlib import Path

import pytest

from fleetctl.errors import FeedError, NotFoundError, SelectorError
from fleetctl.fleet import Fleet
from fleetctl.patch.cves import Filter

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture
def fleet(tmp_path):
    (tmp_path / "fleetctl.yaml").write_text("")
    (tmp_path / "inventories").mkdir()
    (tmp_path / "inventories" / "hosts.yaml").write_text("hosts: {deb-1: , new-1: }\n")
    fleet = Fleet.open(tmp_path)
    run = fleet.runs.create("20261123T000000.000-aaaaaa")
    run.write_run({"DocumentName": "AWS-RunPatchBaseline", "RequestedDateTime": "2026-11-23T20:00:00+00:00"})
    run.output("deb-1").mkdir(parents=True)
    answer = GOLDEN / "apt" / "deb12-fresh" / "stdout"
    (run.output("deb-1") / "stdout").write_bytes(answer.read_bytes())
    return fleet


def test_a_feed_is_imported_and_hosts_are_judged_by_it(fleet):
    assert fleet.feeds() == []
    assert fleet.import_feed(GOLDEN / "feeds" / "tracker.json").kind.name == "debian-tracker"
    assert [feed.title for feed in fleet.feeds()] == ["debian-tracker:Debian"]
    answer = fleet.cve("CVE-2024-0001")
    assert (answer.exit_code, answer.report["Summary"]["AffectedCount"]) == (5, 1)
    assert fleet.cve("CVE-2024-0001", fleet.select("new-1")).exit_code == 3
    assert [one["Cve"] for one in fleet.open_cves(top=1).report["Cves"]] == ["CVE-2024-0001"]
    json.dumps(answer.report)


def test_what_cannot_be_answered_is_an_error(fleet, tmp_path):
    with pytest.raises(SelectorError):
        fleet.cve("CVE-2024-0001", "web")
    with pytest.raises(NotFoundError, match="--kev asks for a feed"):
        fleet.open_cves(wanted=Filter(exploited=True))
    with pytest.raises(FeedError):
        fleet.import_feed(tmp_path / "fleetctl.yaml")
