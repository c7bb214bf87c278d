"""How each client is asked to run one command on all hosts of a target, and how its answers are read."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fleets import Target

__all__ = ["CLIENTS", "DETACHED", "LEDGER", "SCANS", "Client", "Order"]

HERE = Path(__file__).parent
PEERS = HERE / ".peers/bin"
FLEETCTL = HERE.parent / ".venv/bin/fleetctl"
PYTHON = FLEETCTL.with_name("python")
ANSIBLE_FORKS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run.

    Attributes:
        command: words without anything that a shell would touch.
        fanout: how many hosts at once; ansible keeps to its 50 forks.
        scratch: an empty folder for this measurement alone.
    """

    target: Target
    command: str
    fanout: int
    scratch: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client.

    Attributes:
        argv: how it is called.
        answers: what each host printed, by name or address, from the client's stdout and stderr.
        program: must exist, else the client is left out.
        env: for it alone; `{scratch}` is the measurement's folder.
        once: so slow with hundreds of hosts that one measurement is enough.
        python_there: runs Python on the hosts, which the `slow` ones do not have.
    """

    name: str
    argv: Callable[[Order], list[str]]
    answers: Callable[[str], Mapping[str, str]]
    program: Path | str
    env: Mapping[str, str] = field(default_factory=dict)
    once: bool = False
    python_there: bool = False

    @property
    def installed(self) -> bool:
        """Whether it can be called."""
        return shutil.which(self.program) is not None


def _paths(order: Order) -> list[str]:
    folder = order.target.folder
    hosts = ["-i", f"{folder}/inventory.yaml", "--known-hosts", f"{folder}/known_hosts"]
    return [*hosts, "--state", str(order.scratch)]


def _fleetctl(*extra: str) -> Callable[[Order], list[str]]:
    def argv(order: Order) -> list[str]:
        more = ["--max-concurrency", str(order.fanout)] if order.fanout > 200 else []
        return [str(FLEETCTL), "run", *_paths(order), *more, *extra, "all", "--", *order.command.split()]

    return argv


def _scan(*, baseline: str = "") -> Callable[[Order], list[str]]:
    """Call `patch scan`; a baseline is a file of the target's folder."""

    def argv(order: Order) -> list[str]:
        more = ["--baseline", f"{order.target.folder}/{baseline}"] if baseline else []
        return [str(FLEETCTL), "patch", "scan", *_paths(order), "--format", "json", *more, "all"]

    return argv


def _driven(how: str, *extra: str) -> Callable[[Order], list[str]]:
    """Call fleetctl through `driven.py`, which counts what it does."""
    plain = _fleetctl("--key-exchange", "curve25519", "--format", "json", *extra)

    def argv(order: Order) -> list[str]:
        return [str(PYTHON), str(HERE / "driven.py"), how, *plain(order)[1:]]

    return argv


def _ansible(module: str, kex: str) -> Callable[[Order], list[str]]:
    def argv(order: Order) -> list[str]:
        folder = order.target.folder
        ask = ["-m", module, "-a", order.command, "--one-line", "--forks", str(ANSIBLE_FORKS)]
        return [
            f"{PEERS}/ansible",
            "all",
            "-i",
            f"{folder}/ansible.yaml",
            *ask,
            "--ssh-common-args",
            f"-F {folder}/ssh_{kex}",
        ]

    return argv


def _pyinfra(order: Order) -> list[str]:
    inventory = f"{order.target.folder}/pyinfra.py"
    return [
        f"{PEERS}/pyinfra",
        "-y",
        "--parallel",
        str(order.fanout),
        inventory,
        "exec",
        "--",
        *order.command.split(),
    ]


def _clush(order: Order) -> list[str]:
    folder = order.target.folder
    options = ["-f", str(order.fanout), "--hostfile", f"{folder}/hosts", "-o", f"-F {folder}/ssh_curve25519"]
    return ["clush", *options, order.command]


def _pssh(order: Order) -> list[str]:
    folder = order.target.folder
    options = [
        "-h",
        f"{folder}/hosts",
        "-p",
        str(order.fanout),
        "-t",
        "120",
        "-x",
        f"-F {folder}/ssh_curve25519",
        "-i",
    ]
    return ["parallel-ssh", *options, order.command]


def _xargs(kex: str) -> Callable[[Order], list[str]]:
    def argv(order: Order) -> list[str]:
        folder = order.target.folder
        each = f'printf "%s: %s\\n" "$0" "$(ssh -F {folder}/ssh_{kex} "$0" {order.command})"'
        return ["xargs", "-a", f"{folder}/hosts", "-P", str(order.fanout), "-n", "1", "sh", "-c", each]

    return argv


def _lines(pattern: str) -> Callable[[str], Mapping[str, str]]:
    compiled = re.compile(pattern, re.MULTILINE)
    return lambda text: dict(compiled.findall(text))


def _json(text: str) -> Mapping[str, str]:
    return {it["InstanceId"]: it.get("StandardOutputContent", "") for it in json.loads(text)["Invocations"]}


def _judged(text: str) -> Mapping[str, str]:
    """The verdict about each host, and how many packages it is about."""
    return {
        host["ResourceId"]: f"{host['Status']} {_packages(host['PatchSummary'])}"
        for host in json.loads(text)["ResourceSummaries"]
    }


def _packages(summary: Mapping[str, int]) -> int:
    return sum(summary[f"{state}Count"] for state in INSTALLED)


ANSIBLE_ENV: Final = {
    "ANSIBLE_PIPELINING": "1",
    "ANSIBLE_HOST_KEY_CHECKING": "1",
    "ANSIBLE_SSH_CONTROL_PATH_DIR": "{scratch}/cp",
    "ANSIBLE_LOCAL_TEMP": "{scratch}/tmp",
    "ANSIBLE_NOCOLOR": "1",
}
INSTALLED: Final = ("Installed", "InstalledOther", "InstalledRejected", "InstalledPendingReboot", "Missing")
COLON = r"^(\S+?): (\S+)$"
ONE_LINE = r"^(\S+) \| CHANGED \| rc=0 \| \(stdout\) (.*?)(?:\\r\\n|\\n)*$"


def _of_ansible(name: str, module: str, *, kex: str, python_there: bool = False) -> Client:
    return Client(
        name=f"ansible {name}",
        argv=_ansible(module, kex),
        answers=_lines(ONE_LINE),
        program=PEERS / "ansible",
        env=ANSIBLE_ENV,
        once=True,
        python_there=python_there,
    )


CLIENTS: Final = (
    Client(name="fleetctl", argv=_fleetctl(), answers=_lines(COLON), program=FLEETCTL),
    Client(name="fleetctl, JSON", argv=_fleetctl("--format", "json"), answers=_json, program=FLEETCTL),
    Client(
        name="fleetctl, curve25519",
        argv=_fleetctl("--key-exchange", "curve25519"),
        answers=_lines(COLON),
        program=FLEETCTL,
    ),
    Client(name="clush", argv=_clush, answers=_lines(COLON), program="clush"),
    Client(
        name="pssh",
        argv=_pssh,
        answers=_lines(r"^\[\d+\] \S+ \[SUCCESS\] (\S+)\n(\S+)$"),
        program="parallel-ssh",
    ),
    Client(
        name="pyinfra", argv=_pyinfra, answers=_lines(r"^\[([\d.]+)\] +(\S+)$"), program=PEERS / "pyinfra"
    ),
    Client(name="xargs ssh, curve25519", argv=_xargs("curve25519"), answers=_lines(COLON), program="xargs"),
    Client(
        name="xargs ssh, default kex",
        argv=_xargs("default"),
        answers=_lines(COLON),
        program="xargs",
        once=True,
    ),
    _of_ansible("raw, curve25519", "raw", kex="curve25519"),
    _of_ansible("raw, default kex", "raw", kex="default"),
    _of_ansible("command, curve25519", "command", kex="curve25519", python_there=True),
)

# The first of each is what the others are compared with.
LEDGER: Final = tuple(
    Client(name=f"fleetctl, {name}", argv=_driven(how), answers=_json, program=PYTHON)
    for name, how in (("no ledger", "no-ledger"), ("with its ledger", "as-it-is"))
)
DETACHED: Final = tuple(
    Client(name=f"fleetctl, {name}", argv=_driven("as-it-is", *extra), answers=_json, program=PYTHON)
    for name, extra in (("plain", ()), ("detached", ("--detach",)))
)
SCANS: Final = tuple(
    Client(name=f"fleetctl, {name}", argv=_scan(baseline=baseline), answers=_judged, program=FLEETCTL)
    for name, baseline in (("default baseline", ""), ("400 patches by name", "lists.yaml"))
)
