"""The hosts called `many` and `slow` are what they claim to be."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lab.many import ManyHosts
from lab.processes import until
from lab.slow import SlowHosts


def test_every_one_of_many_hosts_answers_under_its_own_address(many: ManyHosts) -> None:
    hosts = many.hosts(500)
    picked = [hosts[0], hosts[255], hosts[499]]
    with ThreadPoolExecutor(3) as pool:
        said = list(pool.map(lambda host: host.output("echo $SSH_CONNECTION").split()[2], picked))
    assert said == ["127.1.0.1", "127.1.1.0", "127.1.1.244"]


def test_login_on_many_has_no_slow_start_up_files(many: ManyHosts) -> None:
    host = many.hosts(1)[0]
    assert host.output("ls -A $HOME") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only as root does `many` have a user of its own")
def test_user_of_many_cannot_be_lost_when_somebody_adds_one_to_the_machine(many: ManyHosts) -> None:
    # useradd renames a new file over /etc/passwd, and the kernel then drops a mount that stood there.
    places = {line.split()[1] for line in Path(f"/proc/{many._sshd.pid}/mounts").read_text().splitlines()}
    assert "/etc" in places
    assert "/etc/passwd" not in places
    assert many.hosts(1)[0].output("id -un") == "fleet"


def test_many_tells_what_sshd_cost(many: ManyHosts) -> None:
    before = many.cpu()
    for _ in range(3):
        many.hosts(1)[0].output("true")
    until(lambda: many.cpu() > before, seconds=5, what="sshd has reaped the sessions")


def test_slow_hosts_answer_with_their_own_address_after_the_delay(slow: SlowHosts) -> None:
    host = slow.hosts(1000)[999]
    assert host.output("echo ok") == "out-of-127.2.3.232"
    assert host.output("delay 0") == "out-of-127.2.3.232"


def test_slow_hosts_let_no_stranger_in(slow: SlowHosts) -> None:
    done = slow.hosts(1)[0].run("echo ok", user="stranger")
    assert done.returncode == 255
    assert "Permission denied" in done.stderr


def test_another_host_key_is_refused_by_the_clients_of_the_lab(many: ManyHosts, slow: SlowHosts) -> None:
    right, wrong = many.hosts(1)[0], slow.hosts(1)[0]
    argv = [part.replace(str(right.known_hosts), str(wrong.known_hosts)) for part in right.ssh()]
    done = subprocess.run([*argv, "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr
