"""Verdicts on answers of hosts that this machine is not, and on answers that make no sense."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fleetctl.packages.sections import Section
from fleetctl.resource.ask import Question, ask, read
from fleetctl.resource.facts import Facts, read_facts
from fleetctl.resource.types import TYPES
from fleetctl.resource.verdict import Standing

GOOD, BAD, UNKNOWN = Standing.COMPLIANT, Standing.NON_COMPLIANT, Standing.UNKNOWN
FORMS = {
    "package": {"name": "openssl", "version": [">= 3.0.14-1~deb12u1", "< 4"]},
    "file": {
        "path": "/etc/x",
        "mode": "0640",
        "owner": "root",
        "group": "root",
        "content": "x",
        "lacks": ["y"],
    },
    "service": {"name": "ssh", "state": "running", "enabled": True},
    "port": {"port": 22, "address": "any", "process": "sshd"},
    "sysctl": {"name": "net.ipv4.tcp_rmem", "value": "4096 131072 6291456"},
    "user": {"name": "deploy", "uid": 1000, "groups": ["wheel"], "shell": "/bin/sh", "locked": True},
    "sshd": {"setting": "PermitRootLogin", "value": "no"},
    "kernel_module": {"name": "usb-storage", "loaded": False, "blacklisted": True},
    "mount": {"path": "/tmp", "fstype": "tmpfs", "options": ["nodev", "noexec"], "lacks": ["rw"]},
    "command": {"run": "true", "matches": "ok"},
}


def verdict(kind, told, /, *, code=0, **form):
    text = "".join(f"|{line}\n" for line in [*told.splitlines(), f"={code}"])
    facts = read_facts(Section(name="c0", text=text, code=0))
    assert not facts.fault
    return TYPES[kind].model_validate(form).judge(facts)


SHELLCHECK = Path(sys.executable).with_name("shellcheck")
PORT = {"port": 22, "process": "sshd"}
SOCKET = "table=tcp\nsocket=00000000:0016 0A\nsocket=0100007F:0016 01\n"
SETTINGS = "sshd=/usr/sbin/sshd\nsettings=130\n"


@pytest.mark.parametrize(
    ("kind", "told", "form", "standing", "text"),
    [
        ("package", "manager=dpkg\ninstalled=install ok installed 1:2.0-1\nasked=0", {"name": "a", "version": "> 9"}, GOOD, ""),
        ("package", "manager=dpkg\ninstalled=deinstall ok config-files 1.0\nasked=0", {"name": "a", "state": "absent"}, GOOD, ""),
        ("package", "manager=dpkg\nasked=2", {"name": "a", "state": "absent"}, UNKNOWN, "dpkg exited with 2"),
        ("package", "manager=rpm\ninstalled=ok 5.14-1.el9\ninstalled=ok 5.14-2.el9\nasked=0", {"name": "kernel", "version": ">= 5.14-2.el9"}, BAD, "kernel: expected >= 5.14-2.el9, found 5.14-1.el9"),
        ("package", "manager=rpm\npackage a is not installed\nasked=1", {"name": "a"}, BAD, "a: expected installed, found not installed"),
        ("package", "manager=rpm\nerror: rpmdb open failed\nasked=1", {"name": "a", "state": "absent"}, UNKNOWN, "rpm: error: rpmdb open failed"),
        ("package", "manager=pacman\nerror: package 'a' was not found\nasked=1", {"name": "a", "state": "absent"}, GOOD, ""),
        ("package", "manager=apk\nasked=0\ninstalled=ok 1.36.1-r2", {"name": "busybox", "version": "> 1.36.1_rc9-r9"}, GOOD, ""),
        ("package", "manager=none", {"name": "a"}, UNKNOWN, "no package manager that fleetctl knows"),
        ("file", "exists=yes\nkind=file\nls=-rwsr-x--T 1 root wheel 3 Nov  1 10:00 /x\nlsn=-rwsr-x--T 1 0 10 3 Nov  1 10:00 /x", {"path": "/x", "mode": "5750", "group": "wheel", "owner": "0"}, GOOD, ""),
        ("file", "exists=yes\nkind=file\nstat=644 www root 33 0 5", {"path": "/x", "owner": "root"}, BAD, "owner: expected root, found www"),
        ("file", "denied=yes", {"path": "/x"}, UNKNOWN, "/x: this user may not look there; look as root: --become"),
        ("service", "by=systemd\nload=loaded\nactive=active\nenabled=enabled", {"name": "a", "state": "running", "enabled": True}, GOOD, ""),
        ("service", "by=systemd\nload=not-found\nactive=inactive\nenabled=", {"name": "a", "state": "stopped", "enabled": False}, GOOD, ""),
        ("service", "by=systemd\nload=masked\nactive=inactive\nenabled=masked", {"name": "a", "enabled": True}, BAD, "at boot: expected enabled, found masked"),
        ("service", "by=openrc\nload=loaded\nactive=inactive\nenabled=enabled", {"name": "a", "state": "running"}, BAD, "state: expected running, found inactive"),
        ("service", "by=sysvinit\nload=loaded\nenabled=disabled\nenabled_at=/etc/rc2.d/S01a", {"name": "a", "enabled": True}, GOOD, ""),
        ("service", "by=none", {"name": "a", "state": "stopped"}, UNKNOWN, "no init system that fleetctl knows"),
        ("port", SOCKET + 'by=ss\nwho=LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=7,fd=3))', PORT, GOOD, ""),
        ("port", SOCKET + "by=netstat\nwho=tcp 0 0 0.0.0.0:22 0.0.0.0:* LISTEN 7/dropbear", PORT, BAD, "process: expected sshd, found dropbear"),
        ("port", "table=tcp6\nsocket=00000000000000000000000001000000:0016 0A", {"port": 22, "address": "loopback"}, GOOD, ""),
        ("port", "", {"port": 22, "state": "closed"}, UNKNOWN, "this host does not tell what listens (no /proc/net)"),
        ("sysctl", "exists=yes\nvalue=4096\t131072\t6291456", FORMS["sysctl"], GOOD, ""),
        ("sysctl", "denied=yes", {"name": "a.b", "value": 1}, UNKNOWN, "a.b: this user may not read it; look as root: --become"),
        ("user", "asked=yes\npasswd=deploy:x:1000:1000::/home/d:/bin/sh\ngroups=deploy wheel\nlocked=yes", FORMS["user"], GOOD, ""),
        ("sshd", SETTINGS + "value=no", FORMS["sshd"], GOOD, ""),
        ("sshd", SETTINGS + "value=aes128-cbc,aes256-ctr", {"setting": "Ciphers", "lacks": ["aes128-cbc"]}, BAD, "Ciphers: expected without aes128-cbc, found aes128-cbc,aes256-ctr"),
        ("sshd", "sshd=/usr/sbin/sshd\nsettings=1\nsshd: no hostkeys available -- exiting.", FORMS["sshd"], UNKNOWN, "sshd does not tell its settings (sshd: no hostkeys available -- exiting.); it wants root: --become"),
        ("sshd", "sshd=none", FORMS["sshd"], UNKNOWN, "there is no sshd of OpenSSH here"),
        ("kernel_module", "loaded=no\nrule=install  usb-storage /bin/false\nsearched=yes", FORMS["kernel_module"], GOOD, ""),
        ("kernel_module", "loaded=no\nbuiltin=yes\nsearched=yes", {"name": "ext4", "loaded": True}, GOOD, ""),
        ("kernel_module", "loaded=no\ndenied=/etc/modprobe.d/x.conf\nsearched=yes", {"name": "a", "blacklisted": False}, UNKNOWN, "blacklisted: not all files of modprobe.d can be read; look as root: --become"),
        ("mount", "table=yes\nmount=/dev/sda1 ext4 rw,nodev\nmount=tmpfs tmpfs ro,nodev,noexec", FORMS["mount"], GOOD, ""),
        ("mount", "table=yes", FORMS["mount"], BAD, "mount /tmp: expected mounted, found unmounted"),
    ],
)  # fmt: skip
def test_answers_are_judged(kind, told, form, standing, text):
    found = verdict(kind, told, **form)
    assert (found.standing, found.text) == (standing, text)


@given(kind=st.sampled_from(sorted(FORMS)), data=st.data())
def test_no_answer_makes_a_judge_stumble_and_an_empty_one_is_never_compliant(kind, data):
    resource = TYPES[kind].model_validate(FORMS[kind])
    keys = re.findall(r"fact ([a-z0-9_]+)|([a-z0-9_]+)=", ask([Question(name="c0", resource=resource)]))
    key = st.sampled_from(sorted({a or b for a, b in keys}))
    line = st.one_of(st.text(max_size=30), st.tuples(key, st.text(max_size=30)).map("=".join))
    text = "".join(f"|{each}\n" for each in data.draw(st.lists(line, max_size=8))) + "|=0\n"
    facts = read_facts(Section(name="c0", text=text, code=0))
    if not facts.fault:
        assert resource.judge(facts).standing in Standing
    if kind != "command":
        assert resource.judge(Facts(code=0)).standing is not GOOD


@given(section=st.text(max_size=60))
def test_torn_answers_are_faults(section):
    facts = read_facts(Section(name="c0", text=section, code=0))
    assert facts.fault or section.rstrip("\n").split("\n")[-1].startswith("|=")


# A shell drops NUL; lone surrogates are no text.
WORD = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=40)


@given(word=WORD)
def test_any_text_reaches_the_host_as_it_is(word):
    resource = TYPES["command"].model_validate({"run": f"printf %s {shlex.quote(word)}"})
    question = Question(name="c0", resource=resource)
    done = subprocess.run(["sh"], input=ask([question]).encode(), capture_output=True, check=True)
    facts = read_facts(read(done.stdout).sections["c0"])
    assert facts.code == 0
    assert "\n".join(facts.lines).rstrip("\n") == word.replace("\r\n", "\n").removesuffix("\r").rstrip("\n")


@pytest.mark.parametrize(
    ("kind", "form", "says"),
    [
        ("file", {"path": "relative"}, "match"),
        ("file", {"path": "/x", "mode": "rw-r--r--"}, "octal"),
        ("file", {"path": "/x", "state": "absent", "mode": "0644"}, "absent"),
        ("file", {"path": "/x", "content": "a", "sha256": "0" * 64}, "one of them"),
        ("file", {"path": "/x\0y"}, "match"),
        ("package", {"name": "a", "version": "3.0"}, "no condition"),
        ("package", {"name": "a; reboot"}, "match"),
        ("service", {"name": "ssh"}, "say what is wanted"),
        ("service", {"name": "-rf", "state": "running"}, "match"),
        ("port", {"port": 0}, "greater"),
        ("port", {"port": 22, "address": "localhost"}, "localhost"),
        ("sysctl", {"name": "../../etc/passwd", "value": "x"}, "match"),
        ("sysctl", {"name": "a/../../x", "value": "x"}, "no setting"),
        ("sshd", {"setting": "Ciphers"}, "say what is wanted"),
        ("command", {"run": "true", "matches": "("}, "no regular expression"),
        ("mount", {"path": "/x", "state": "unmounted", "fstype": "ext4"}, "not mounted"),
    ],
)
def test_forms_that_mean_nothing_are_refused(kind, form, says):
    with pytest.raises(ValidationError, match=says):
        TYPES[kind].model_validate(form)


def test_a_mode_without_quotes_is_what_it_looks_like():
    assert TYPES["file"].model_validate({"path": "/x", "mode": 640}).mode == "640"


def test_sysctl_names_with_slashes_keep_their_dots():
    name = TYPES["sysctl"].model_validate({"name": "net/ipv4/conf/eth0.1/forwarding", "value": 0})
    assert name.words()[0] == "net/ipv4/conf/eth0.1/forwarding"
    dotted = TYPES["sysctl"].model_validate({"name": "net.ipv4.conf.eth0/1.forwarding", "value": 0})
    assert dotted.words()[0] == "net/ipv4/conf/eth0.1/forwarding"


def test_scripts_are_clean(tmp_path):
    script = ask([Question(name="c0", resource=TYPES[k].model_validate(f)) for k, f in FORMS.items()])
    (tmp_path / "all.sh").write_text("#!/bin/sh\n" + script)
    done = subprocess.run(
        # Functions are called by name, through `look`; os-release is the host's.
        [SHELLCHECK, "-s", "sh", "--exclude=SC2329,SC2317,SC1091,SC2030,SC2031", tmp_path / "all.sh"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
