"""Where the fleet is required, a skipped fleet test fails the session."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SKIPPED = """
import pytest

@pytest.mark.fleet
def test_of_the_fleet():
    pytest.skip("there is no root here")

def test_of_something_else():
    pytest.skip("not today")
"""


@pytest.mark.parametrize(
    ("variable", "workers", "code"),
    [("CI", ("-n", "1"), 1), ("FLEETCTL_REQUIRE_FLEET", (), 1), ("", (), 0)],
    ids=["ci", "required", "optional"],
)
def test_skipped_fleet_test_is_a_failure_only_where_the_fleet_is_required(
    variable: str, workers: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (tmp_path / "test_it.py").write_text(SKIPPED)
    (tmp_path / "pytest.ini").write_text(
        f"[pytest]\nmarkers = fleet\npythonpath = {TESTS}/fleet {TESTS}/contract\n"
    )
    env = {k: v for k, v in os.environ.items() if k not in {"CI", "FLEETCTL_REQUIRE_FLEET"}}
    argv = [sys.executable, "-m", "pytest", "-q", *workers, str(tmp_path)]
    env |= {variable: "true"} if variable else {}
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    told = "fleet test skipped, but the fleet is required: test_it.py::test_of_the_fleet: Skipped: there is no root here"
    assert (told in done.stdout) is bool(code)
    assert "required: test_it.py::test_of_something_else" not in done.stdout
