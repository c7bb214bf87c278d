"""The script finds the right manager on hosts with several."""

import subprocess

import pytest

from fleetctl.packages.collect import collect_script, read_state, script_text
from fleetctl.packages.facts import host_facts
from fleetctl.packages.model import PackageState
from fleetctl.packages.sections import read_sections


class Fake:
    """A manager whose tools are `true` or `false`."""

    def __init__(self, name, families, *, present):
        self.name, self.families, self.detect = name, families, "true" if present else "false"

    def scan_script(self):
        return f"scan_{self.name}() {{ section {self.name}-told echo hello; }}\n"

    def parse(self, sections, facts):
        return PackageState(manager=self.name, facts=facts)


def chosen(release, *managers):
    script = collect_script(managers).replace("/etc/os-release", str(release))
    told = subprocess.run(["sh", "-s"], input=script.encode(), capture_output=True, check=True)
    return read_state(told.stdout, told.stderr, managers)


@pytest.mark.parametrize(
    ("release", "present", "expected"),
    [
        ("ID=rocky\nID_LIKE='rhel fedora'\n", {"apt", "dnf"}, "dnf"),
        ("ID=debian\n", {"apt", "dnf"}, "apt"),
        ("ID=linuxmint\nID_LIKE='ubuntu debian'\n", {"apt", "dnf"}, "apt"),
        ("ID=unheard-of\n", {"dnf"}, "dnf"),
        ("ID=debian\n", {"dnf"}, "dnf"),
        ("ID=debian\n", set(), ""),
        ("exit 7\n", {"apt"}, "apt"),
    ],
)
def test_the_family_decides_before_the_tools(release, present, expected, tmp_path):
    file = tmp_path / "os-release"
    file.write_text(release)
    managers = [
        Fake("apt", ("debian", "ubuntu"), present="apt" in present),
        Fake("dnf", ("rhel", "fedora", "rocky"), present="dnf" in present),
    ]
    state = chosen(file, *managers)
    assert state.manager == expected
    assert bool(state.errors) is (expected == "")


def test_facts_survive_quotes_comments_and_nonsense():
    release = '# x\nID=debian\nPRETTY_NAME="Debian \\"12\\""\nBAD=\'open\nVERSION_ID=\n'
    text = f"\n@@fleetctl os-release begin\n{release}\n@@fleetctl os-release end 0\n\n@@fleetctl facts begin\ntime=x\nuptime=-1\nuid=0\n\n@@fleetctl facts end 0\n"
    facts = host_facts(read_sections(text.encode()))
    assert (facts.os_id, facts.pretty_name, facts.version_id) == ("debian", 'Debian "12"', "")
    assert (facts.time, facts.uptime_seconds, facts.root) == (None, None, True)


def test_scripts_hold_no_here_documents():
    """Some shells keep them in files below /tmp, and a scan writes nothing."""
    assert "<<" not in script_text("collect.sh") + script_text("apt.sh")
