"""The example of a patch night, as it stands, on real hosts: Debian and Rocky Linux, from not compliant to compliant."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from junitparser import JUnitXml
from lab.machine import Machine
from lab.program import PATIENCE

NIGHT = Path(__file__).parents[2] / "examples" / "patch-night"
#: What no patch night can install: a broken package, and what the host itself keeps back.
READY = {
    "deb12": "apt-get -qq purge fl-broken >/dev/null 2>&1; apt-mark -qq unhold fl-held",
    "rocky": "rpm -e fl-broken; dnf -q versionlock clear; sed -i /excludepkgs/d /etc/dnf/dnf.conf",
}


@pytest.fixture
def hosts(new_machine: Callable[..., Machine]) -> list[Machine]:
    made = [new_machine(kind, wait=False) for kind in READY]
    for host in made:
        host.wait()
        host.output(READY[host.tags["kind"]])
    return made


@pytest.fixture
def project(tmp_path: Path, hosts: list[Machine]) -> Path:
    """A copy of the example with the hosts of the test in it, who log in as people do: not as root."""
    folder = tmp_path / "fleet"
    shutil.copytree(NIGHT, folder)
    groups = {host.tags["kind"]: {"hosts": {host.name: {**host.entry(), "user": "deploy"}}} for host in hosts}
    groups["deb12"]["patch_group"] = "web-prod"
    inventory = {"defaults": {"become": "sudo"}, "groups": groups}
    (folder / "inventories" / "hosts.yaml").write_text(yaml.safe_dump(inventory))
    (folder / "known_hosts").write_text("".join(host.known_hosts_line for host in hosts))
    return folder


def test_a_night_brings_hosts_from_not_compliant_to_compliant_and_reports_it(
    project: Path, hosts: list[Machine]
) -> None:
    boots = {host.name: host.boot_id() for host in hosts}
    env = {name: value for name, value in os.environ.items() if not name.startswith("FLEETCTL_")}
    env |= {
        "HOME": str(project.parent),
        "PATH": f"{Path(sys.executable).parent}:{env['PATH']}",
        "WAVES": "1,100%",
        "BAKE": "0s",
        "REPORTS": "reports/night",
    }
    done = subprocess.run(
        [project / "patch-night.sh", "all"],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    # 5 for the policies: these hosts let people log in with passwords.
    assert done.returncode == 5, done.stdout + done.stderr
    assert {host.name for host in hosts if host.boot_id() != boots[host.name]} == set(boots)
    reports = project / "reports" / "night"
    planned = json.loads((reports / "night.plan").read_text())["Hosts"]
    assert all({"fl-lib", "fl-kernel"} <= {patch["Name"] for patch in share["Patches"]} for share in planned)
    patches, policies = (JUnitXml.fromfile(str(reports / f"{form}.xml")) for form in ("patches", "policies"))
    assert (patches.tests, patches.failures, patches.errors) == (2, 0, 0)
    assert policies.failures
    assert json.loads((reports / "policies.sarif").read_text())["runs"][0]["results"]
    assert "All 2 hosts are compliant" in (reports / "patches.html").read_text()
    assert "wave 2/2 ended: 1 Success" in done.stderr
