"""The shell completes what the project knows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FLEETCTL = Path(sys.executable).with_name("fleetctl")

INVENTORY = """\
groups:
  web:
    tags: {env: prod}
    hosts:
      web-[01-03]: {transport: local}
"""


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    path = tmp_path / "hosts.yaml"
    path.write_text(INVENTORY)
    return path


def completed(*words: str, state: Path) -> list[str]:
    env = {
        **os.environ,
        "_FLEETCTL_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("fleetctl", *words)),
        "COMP_CWORD": str(len(words)),
        "FLEETCTL_STATE": str(state),
    }
    done = subprocess.run([FLEETCTL], env=env, capture_output=True, text=True, check=False, cwd=state.parent)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_targets_are_hosts_groups_and_tags(hosts: Path, tmp_path: Path) -> None:
    assert completed("-i", str(hosts), "run", "we", state=tmp_path / "state") == [
        "web",
        "web-01",
        "web-02",
        "web-03",
    ]


def test_the_last_term_of_a_list_is_completed_with_its_sign(hosts: Path, tmp_path: Path) -> None:
    assert completed("-i", str(hosts), "run", "web,&e", state=tmp_path / "state") == ["web,&env=prod"]


def test_runs_and_documents_are_completed(hosts: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    argv = [FLEETCTL, "-q", "-i", hosts, "--state", state, "run", "web-01", "--", "true"]
    subprocess.run(argv, check=True, capture_output=True)
    found = completed("runs", "show", "2", state=state)
    assert found == [path.name for path in (state / "runs").iterdir()]
    assert "AWS-RunShellScript" in completed("document", "show", "AWS", state=state)


def test_a_broken_inventory_completes_nothing_and_says_nothing(hosts: Path, tmp_path: Path) -> None:
    hosts.write_text("hosts: [")
    assert completed("-i", str(hosts), "run", "we", state=tmp_path / "state") == []
