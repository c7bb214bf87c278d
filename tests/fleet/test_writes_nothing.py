"""Looking changes nothing: every file of real hosts before and after each verb that only looks, as root and as somebody who is nobody.

What is left aside is told by `lab.listing`: what hosts write about any login, and the time stamp of the memory that readers of
rpm's database share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab.listing import changes, contents, listing
from lab.machine import Machine
from lab.program import Done, program_in
from lab.project import FleetProject

KINDS = ("deb12", "deb13", "rocky", "fedora", "suse")
POLICY = """\
name: all-kinds
checks:
  - {id: package, title: a package is there, package: {name: fl-app}}
  - {id: file, title: users, file: {path: /etc/passwd, mode: "0644", owner: root, contains: "root:"}}
  - {id: service, title: cron runs, service: {name: cron, state: running, enabled: true}}
  - {id: port, title: sshd listens, port: {port: 22, process: sshd}}
  - {id: user, title: root is root, user: {name: root, uid: 0}}
  - {id: sshd, title: no X11, sshd: {setting: X11Forwarding, value: "no"}}
  - {id: mount, title: proc, mount: {path: /proc, fstype: proc}}
  - {id: sysctl, title: pids, sysctl: {name: kernel.pid_max, at_least: 1000}}
  - {id: command, title: it runs, command: {run: "uname -s", stdout: Linux}}
"""
LOOKS = {
    "patch-scan": ("patch", "scan", "all", "--detail"),
    "patch-plan": ("patch", "plan", "all"),
    "inventory": ("inventory", "collect", "all", "--process", "--file", "/etc/*.conf", "--recursive"),
    "compliance": ("compliance", "check", "all", "--policy", "./all-kinds.yaml"),
}


@pytest.fixture(scope="module")
def hosts(request: pytest.FixtureRequest) -> list[Machine]:
    return [request.getfixturevalue(kind) for kind in KINDS]


@pytest.fixture
def look(
    hosts: list[Machine], fleet_project: Callable[..., FleetProject], tmp_path: Path
) -> Iterator[Callable[..., Done]]:
    with program_in(tmp_path) as program:
        (tmp_path / "all-kinds.yaml").write_text(POLICY)

        def run(verb: tuple[str, ...], *, user: str) -> Done:
            project = fleet_project(hosts, changes={host.name: {"user": user} for host in hosts})
            return program.run(*verb, *project.args, "--format", "json")

        yield run


@pytest.mark.parametrize("user", ["root", "guest"])
@pytest.mark.parametrize("verb", LOOKS)
def test_nothing_is_written_on_any_host(
    verb: str, user: str, hosts: list[Machine], look: Callable[..., Done]
) -> None:
    for host in hosts:
        host.output("true", user=user)  # the first login of a user leaves traces of its own
    before = {host.name: listing(host) | contents(host) for host in hosts}
    done = look(LOOKS[verb], user=user)
    assert all(host.name in done.stdout for host in hosts), done.stderr
    assert {host.name: changes(before[host.name], listing(host) | contents(host)) for host in hosts} == {
        host.name: {} for host in hosts
    }
