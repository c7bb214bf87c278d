"""`fleetctl compliance report`: what is kept, told again without asking the hosts."""

import pytest

POLICY = "name: base\nchecks:\n  - {id: one, title: One, severity: high, command: {run: 'exit 4'}}\n"


@pytest.fixture
def checked(fleetctl, project):
    (project / "policies").mkdir()
    (project / "policies" / "base.yaml").write_text(POLICY)
    told = fleetctl("compliance", "check", "web", "--format", "json").json
    (project / "policies" / "base.yaml").unlink()
    return told


def test_a_kept_report_is_told_as_it_was_without_a_new_run(fleetctl, checked):
    again = fleetctl("compliance", "report", "--format", "json")
    assert again.code == 0
    assert again.json == checked
    assert len(fleetctl("runs", "list", "--format", "json").json) == 1


@pytest.mark.parametrize("format_", ["html", "junit", "sarif", "csv"])
def test_every_form_names_the_hosts(fleetctl, checked, project, format_):
    assert (
        fleetctl("compliance", "report", checked["CommandId"][-6:], "--format", format_, "-o", "out").code
        == 0
    )
    assert "web-1" in (project / "out").read_text()


def test_a_type_chooses_among_the_kept_reports(fleetctl, checked, project):
    (project / "items.json").write_text(
        '[{"Id": "x", "Title": "t", "Severity": "LOW", "Status": "COMPLIANT"}]'
    )
    assert fleetctl("compliance", "put", "web-1", "--type", "Custom:Scan", "items.json").code == 0
    newest = fleetctl("compliance", "report", "--format", "json").json
    policy = fleetctl("compliance", "report", "--type", "Custom:policy", "--format", "json").json
    assert (newest["ComplianceType"], policy["CommandId"]) == ("Custom:Scan", checked["CommandId"])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "fleetctl patch scan TARGETS"),
        (("nosuch",), "fleetctl patch scan TARGETS"),
        (("--type", "Patch"), "of the type Patch"),
    ],
)
def test_where_nothing_is_kept_it_says_how_to_make_one(fleetctl, argv, said):
    done = fleetctl("compliance", "report", *argv)
    assert done.code == 2
    assert said in done.stderr


def test_a_run_without_a_report_and_one_that_fits_several_are_told(fleetctl, checked, project):
    assert "the newest: " + checked["CommandId"] in fleetctl("compliance", "report", "nosuch").stderr
    (project / "items.json").write_text(
        '[{"Id": "x", "Title": "t", "Severity": "LOW", "Status": "COMPLIANT"}]'
    )
    fleetctl("compliance", "put", "web-1", "--type", "Custom:Scan", "items.json")
    assert "fits 2 reports" in fleetctl("compliance", "report", checked["CommandId"][:4]).stderr
