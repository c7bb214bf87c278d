"""A controller that is killed at any moment loses nothing: random moments of a run on a hundred hosts, detached and not.

Each host leaves a line in a file of its own whenever it does the command. Moments are spread evenly over the length of a run that nobody
killed; the controller that carries on is killed as well, one time in four. A group of moments shares a state folder, so that runs and
audit log that one moment left behind are what the next one begins with.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lab.many import ManyHosts
from lab.processes import until
from lab.program import PATIENCE, Done, Program, ended, program_in
from lab.project import write_project

HOSTS = 100
LOCAL = 'defaults: {transport: local}\ngroups: {all-here: {hosts: {"many-[001-100]": {}}}}\n'
# Moments a group, groups: 200 moments in all where that is asked for, half of them otherwise, for they take a third of the time of all
# tests. A detached job costs a host's shell a hundred processes, a plain command two.
THOROUGH = "FLEETCTL_THOROUGH" in os.environ
GROUPS = {
    "local-plain": (20, 7),
    "local-detached": (5, 8),
    "sshd-plain": (6, 2),
    "sshd-detached": (4, 2),
}
assert sum(moments * groups for moments, groups in GROUPS.values()) == 200


@dataclass(kw_only=True)
class Trial:
    """A fleet of a hundred hosts, and a state folder.

    Attributes:
        reach: options that say how to reach the hosts.
        work: where hosts leave their lines: a folder for each run.
        length: seconds from the first sight of a run to the controller's end, when nobody kills it.
    """

    program: Program
    work: Path
    reach: tuple[str, ...]
    detached: bool
    length: float = 0.0
    number: int = field(default=0, init=False)

    def start(self, *args: str) -> subprocess.Popen[str]:
        return self.program.start("-q", *args)

    def begin(self) -> subprocess.Popen[str]:
        """Start a run in which every host leaves a line in a file that is named as the host."""
        self.number += 1
        done = self.work / str(self.number)
        done.mkdir()
        done.chmod(0o777)
        how = ("--detach",) if self.detached else ()
        limits = ("--max-concurrency", "40", "--connect-timeout", "120")
        line = f'echo done >>"{done}/$FLEETCTL_HOST"; echo out of "$FLEETCTL_HOST"'
        return self.start("run", "all", *self.reach, *how, *limits, "--", line)

    def done(self) -> Counter[str]:
        """How often each host has done the command of the latest run."""
        folder = self.work / str(self.number)
        return Counter({path.name: path.read_text().count("done\n") for path in folder.iterdir()})

    def left(self, run_id: str) -> list[str]:
        """What jobs of a run left on the hosts, which are all this machine."""
        return [str(path) for path in Path("/var/tmp").glob(f"fleetctl-*/*{run_id}*")]


def kill(controller: subprocess.Popen[str], *, after: float) -> Done:
    """Kill a controller, unless it ends before that."""
    try:
        return ended(controller, seconds=after)
    except subprocess.TimeoutExpired:
        controller.kill()
        return ended(controller)


def new_run(trial: Trial, controller: subprocess.Popen[str], *, before: set[str]) -> str:
    """Wait for the first sight of a run."""

    def seen() -> bool:
        assert controller.poll() is None, controller.communicate()[1]
        return bool(trial.program.ids() - before)

    until(seen, seconds=PATIENCE, what="the run has a folder")
    (run_id,) = trial.program.ids() - before
    return run_id


def unkilled(trial: Trial) -> float:
    """Let a run come to its end, look at it, and return how long it took."""
    controller = trial.begin()
    run_id = new_run(trial, controller, before=set())
    began = time.monotonic()
    done = ended(controller)
    length = time.monotonic() - began
    assert done.code == 0, done.stderr
    check(trial, run_id)
    return length


def check(trial: Trial, run_id: str) -> None:
    """Hold what a run's report says against what the hosts did."""
    report = trial.program.report(run_id)
    statuses = {item["InstanceId"]: item["Status"] for item in report["Invocations"]}
    done = trial.done()
    assert len(report["Invocations"]) == len(statuses) == HOSTS
    twice = {host: times for host, times in done.items() if times > 1}
    assert not twice, f"done more than once: {twice}"
    told_wrongly = {host for host, status in statuses.items() if status == "Success" and not done[host]}
    assert not told_wrongly, f"told Success and did nothing: {told_wrongly}"
    if trial.detached:
        assert set(statuses.values()) == {"Success"}, report["Counts"]
        assert len(done) == HOSTS
        assert not trial.left(run_id)
    else:
        assert set(statuses.values()) <= {"Success", "Unknown"}, report["Counts"]
    for host, status in statuses.items():
        if status == "Success":
            assert (trial.program.runs / run_id / "out" / host / "stdout").read_text() == f"out of {host}\n"


def carry_on(trial: Trial, run_id: str, chance: random.Random) -> None:
    """Resume a run until it has ended; kill who resumes it one time in four."""
    for _ in range(10):
        controller = trial.start("runs", "resume", run_id)
        if chance.random() < 0.25:
            done = kill(controller, after=chance.uniform(0.1, 0.5 + trial.length))
            if done.code == -signal.SIGKILL:
                continue
        else:
            done = ended(controller)
        if done.code == 2 and "nothing is left to resume" in done.stderr:
            return
        assert done.code in {0, 3}, done
        unknown = trial.program.report(run_id)["Counts"].get("Unknown")
        assert done.code == (3 if unknown else 0), done.stderr
        return
    pytest.fail("resumed ten times, and killed each time")


def one_moment(trial: Trial, chance: random.Random) -> None:
    """Kill a run at a random moment, carry on with it, and look at what it did."""
    before = trial.program.ids()
    controller = trial.begin()
    run_id = new_run(trial, controller, before=before)
    kill(controller, after=chance.uniform(0, trial.length))
    if not (trial.program.runs / run_id / "run.json").exists():
        assert not trial.done()  # there was no order yet
        shutil.rmtree(trial.program.runs / run_id)
        return
    carry_on(trial, run_id, chance)
    check(trial, run_id)


@pytest.fixture(scope="module")
def lengths() -> dict[str, float]:
    """How long a run takes that nobody kills, by the way it is done; measured once in each test process."""
    return {}


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with program_in(tmp_path) as made:
        yield made


@pytest.fixture
def local(tmp_path: Path, program: Program) -> Callable[[bool], Trial]:
    """Hosts that are all this machine. Its `sh` is busybox, which needs a fraction of the processes."""

    def make(detached: bool) -> Trial:
        if busybox := shutil.which("busybox"):
            (tmp_path / "bin").mkdir()
            (tmp_path / "bin" / "sh").symlink_to(busybox)
            program.env["PATH"] = f"{tmp_path}/bin:{program.env['PATH']}"
        (tmp_path / "hosts.yaml").write_text(LOCAL)
        (tmp_path / "work").mkdir()
        reach = ("-i", str(tmp_path / "hosts.yaml"))
        return Trial(program=program, work=tmp_path / "work", reach=reach, detached=detached)

    return make


@pytest.fixture
def sshd(
    request: pytest.FixtureRequest, tmp_path: Path, program: Program
) -> Iterator[Callable[[bool], Trial]]:
    """Hosts behind a real sshd, as a user who is nobody special."""
    work: list[Path] = []

    def make(detached: bool) -> Trial:
        many: ManyHosts = request.getfixturevalue("many")
        project = write_project(tmp_path / "project", many.hosts(HOSTS))
        work.append(many.home / f"work-{tmp_path.name}")
        work[0].mkdir()
        reach = (*project.args, "--key-exchange", "curve25519")
        return Trial(program=program, work=work[0], reach=reach, detached=detached)

    yield make
    for folder in work:
        shutil.rmtree(folder)


def kill_at_random(way: str, group: int, trial: Trial, lengths: dict[str, float]) -> None:
    """Go through the moments of a group."""
    if way not in lengths:
        lengths[way] = unkilled(trial)
    trial.length = lengths[way]
    moments = GROUPS[way][0]
    for moment in range(moments if THOROUGH else -(-moments // 2)):
        seed = random.randrange(1 << 32)  # noqa: S311 - repeated with pytest's -p randomly_seed
        try:
            one_moment(trial, random.Random(seed))  # noqa: S311
        except BaseException as exc:
            exc.add_note(
                f"{way}, group {group}, moment {moment}, seed {seed}, length {trial.length:.2f} s: {trial.program.ids()}"
            )
            raise
    for verb in (("runs", "verify", "--all"), ("audit", "verify")):
        done = trial.program.run(*verb)
        assert done.code == 0, done.stdout + done.stderr


def groups(place: str) -> list[Any]:
    return [
        pytest.param(way, group, id=f"{way}-{group}")
        for way, (_, count) in GROUPS.items()
        if way.startswith(place)
        for group in range(count)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("way", "group"), groups("local"))
def test_a_killed_run_is_carried_on_and_no_host_does_it_twice(
    way: str, group: int, local: Callable[[bool], Trial], lengths: dict[str, float]
) -> None:
    kill_at_random(way, group, local(way.endswith("detached")), lengths)


@pytest.mark.slow
@pytest.mark.fleet
@pytest.mark.parametrize(("way", "group"), groups("sshd"))
def test_a_killed_run_over_ssh_is_carried_on_and_no_host_does_it_twice(
    way: str, group: int, sshd: Callable[[bool], Trial], lengths: dict[str, float]
) -> None:
    kill_at_random(way, group, sshd(way.endswith("detached")), lengths)
