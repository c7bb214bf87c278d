"""Every script goes through a real shell, started as sshd starts it: `LOGIN_SHELL -c COMMAND_LINE`."""

from __future__ import annotations

import re
import shutil
import string
import subprocess
import tempfile
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fleetctl.errors import UsageError
from fleetctl.model import Become, Command
from fleetctl.transport.shell import interpreter_of, kill_script, tagged, wire

LOGIN_SHELLS = ["sh", "bash", "dash", "busybox ash", "mksh", "ksh93", "zsh", "tcsh", "fish"]
POSIX = ["sh", "bash", "dash", "busybox ash"]


def argv_of(shell: str) -> list[str]:
    argv = shell.split()
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed")
    return [str(shutil.which(argv[0])), *argv[1:]]


def through(shell: str, command: Command, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command as an SSH server does with `shell` as the login shell."""
    sent = wire(command, password=None)
    assert len(sent.command_line) < 1000
    done = subprocess.run(
        [*argv_of(shell), "-c", sent.command_line],
        input=sent.prologue + stdin,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert sent.opening
    done.stderr = sent.opening.feed("stderr", done.stderr)
    assert sent.opening.ready
    return done


@pytest.fixture(params=LOGIN_SHELLS)
def login_shell(request: pytest.FixtureRequest) -> str:
    argv_of(request.param)
    return request.param


def test_script_arguments_environment_folder_and_stdin_arrive_whole(login_shell: str, tmp_path: Path) -> None:
    folder = tmp_path / "with 'quotes' & spaces"
    folder.mkdir()
    command = Command(
        script='printf "%s|" "$0" "$1" "$2" "$A" "$FLEETCTL_INVOCATION" "$(pwd)"; cat; exit 7',
        args=("a b", "it's $HOME `id` \\ \n!"),
        env={"A": "-n 'x' \"y\" $z\n é\t"},
        cwd=str(folder),
        tag="run-1.web-1",
    )
    done = through(login_shell, command, b"in\x00put\nline 2\xff")
    expected = "|".join(["run-1.web-1", *command.args, command.env["A"], "run-1.web-1", str(folder), ""])
    assert (done.stdout, done.stderr, done.returncode) == (
        expected.encode() + b"in\x00put\nline 2\xff",
        b"",
        7,
    )


@pytest.mark.parametrize("interpreter", ["sh", "bash", "dash", "zsh", "ksh"])
def test_a_big_script_leaves_stdin_alone(login_shell: str, interpreter: str) -> None:
    argv_of(interpreter)
    body = "# \\ 'é' \\0101 \\n %s\n" * 6000
    done = through(
        login_shell, Command(script=f"{body}\ncat\n{body}exit 3", interpreter=(interpreter,)), b"the rest\n"
    )
    assert (done.stdout, done.stderr, done.returncode) == (b"the rest\n", b"", 3)


def test_the_command_line_tells_nothing_of_the_script() -> None:
    plain = wire(Command(script="echo 1", env={"PASSWORD": "hunter22"}), password=None)
    other = wire(Command(script="echo 2; cat secret", args=("x",), cwd="/"), password=None)
    assert plain.command_line == other.command_line
    become = wire(Command(script="echo 1", become=Become(user="app")), password="hunter22")
    assert "hunter22" not in become.command_line
    assert "hunter22" not in repr(become)
    assert len(become.command_line) < 1000


@pytest.mark.parametrize("shell", POSIX)
@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 200", 200),
        ("false", 1),
        ("false; true", 0),
        ("set -e\nfalse\nexit 0", 1),
        ("set -e; f() { false; echo no; }; f; exit 0", 1),
        ("trap 'exit 9' EXIT; true", 9),
        ("kill -TERM $$", -15),
        ("no-such-program-anywhere", 127),
        ("", 0),
        ("\n\n# nothing\n", 0),
        ("exec sh -c 'exit 5'", 5),
        ("(exit 4)", 4),
        ("f() { return 6; }\nf", 6),
        ("#!/bin/sh -e\nexit 3", 3),
        ("case x in\nx) exit 8;;\nesac", 8),
        ("a=1 \\\n; exit 2", 2),
    ],
)
def test_a_script_ends_as_it_would_from_a_file(shell: str, script: str, code: int) -> None:
    assert through(shell, Command(script=script)).returncode == code


@pytest.mark.parametrize("interpreter", ["bash", "dash", "sh"])
def test_a_syntax_error_is_the_shells_own_message(interpreter: str) -> None:
    done = through("sh", Command(script="echo one\nif then", interpreter=(interpreter,)))
    assert done.returncode == 2
    assert b"yntax error" in done.stderr
    assert done.stdout == b"one\n"


@pytest.mark.parametrize("stranger", [*POSIX, "mksh", "zsh", "fish", "tcsh"])
@pytest.mark.parametrize("size", [0, 100_000])
def test_a_shell_that_was_started_in_place_of_ours_never_runs_the_script(
    stranger: str, size: int, tmp_path: Path
) -> None:
    sent = wire(Command(script=f"echo ran >{tmp_path}/ran\n" + "#" * size), password=None)
    subprocess.run(
        argv_of(stranger), input=sent.prologue, capture_output=True, check=False, timeout=20, cwd=tmp_path
    )
    assert list(tmp_path.iterdir()) == []


def test_a_detached_job_has_no_mark_in_its_output() -> None:
    sent = wire(Command(script="echo out; echo err >&2"), password=None, announce=False)
    done = subprocess.run(
        ["sh", "-c", sent.command_line], input=sent.prologue, capture_output=True, check=False
    )
    assert (done.stdout, done.stderr, sent.opening) == (b"out\n", b"err\n", None)


def test_an_unfinished_script_never_runs() -> None:
    sent = wire(Command(script="echo ran"), password=None)
    for cut in (0, 1, len(sent.prologue) // 2, len(sent.prologue) - 1):
        done = subprocess.run(
            ["sh", "-c", sent.command_line], input=sent.prologue[:cut], capture_output=True, check=False
        )
        assert (done.stdout, done.returncode) == (b"", 125)
    big = wire(Command(script="echo ran\n" + "#" * 100_000), password=None)
    done = subprocess.run(
        ["sh", "-c", big.command_line], input=big.prologue[:-1], capture_output=True, check=False
    )
    assert (done.stdout, done.returncode) == (b"", 125)
    assert b"did not arrive whole" in done.stderr


def test_heredocs_keep_their_text() -> None:
    done = through("sh", Command(script="cat <<'E'\n$x \\n 'q'\\\\\n\tt\nE\ncat <<-E\n\t$0\n\tE\n"))
    assert done.stdout == b"$x \\n 'q'\\\\\n\tt\nfleetctl\n"


def test_carriage_returns_are_kept() -> None:
    done = through("sh", Command(script="printf '%s' 'a\r\nb\r'"))
    assert done.stdout == b"a\r\nb\r"


def test_a_folder_that_cannot_be_entered_is_126() -> None:
    done = through("sh", Command(script="echo ran", cwd="/no/such 'dir"))
    assert (done.stdout, done.returncode) == (b"", 126)
    assert b"fleetctl: cannot enter /no/such 'dir" in done.stderr


def test_a_relative_folder_may_look_like_an_option(tmp_path: Path) -> None:
    (tmp_path / "-P").mkdir()
    sent = wire(Command(script="pwd", cwd="-P"), password=None)
    done = subprocess.run(
        ["sh", "-c", sent.command_line], input=sent.prologue, capture_output=True, cwd=tmp_path, check=False
    )
    assert done.stdout.decode().strip() == str(tmp_path / "-P")


def test_tracing_shows_the_script_and_not_the_environment() -> None:
    done = through("sh", Command(script="echo hi", env={"TOKEN": "hunter22"}, interpreter=("bash", "-x")))
    assert done.stdout == b"hi\n"
    assert done.stderr.lstrip(b"+") == b" echo hi\n"


@pytest.mark.parametrize(
    ("interpreter", "script", "stdout"),
    [
        (("bash", "-eu", "-o", "pipefail"), "false | true; echo no", b""),
        (("bash", "-euo", "pipefail"), "false | true; echo no", b""),
        (("bash", "--posix"), "echo $POSIXLY_CORRECT", b"y\n"),
        (("python3", "-u"), "import sys\nprint(sys.argv[1:], sys.stdin.read())", b"['x y'] in\n"),
        (("/usr/bin/env", "python3"), "print(input())", b"in\n"),
        (("perl",), "print <STDIN>, $ARGV[0]", b"inx y"),
        (("awk", "-f"), "BEGIN { getline; print $1 }", b"in\n"),
    ],
)
def test_interpreters_get_script_arguments_and_stdin(
    interpreter: tuple[str, ...], script: str, stdout: bytes
) -> None:
    argv_of(interpreter[0])
    args = () if interpreter[0] == "awk" else ("x y",)
    done = through("sh", Command(script=script, interpreter=interpreter, args=args), b"in")
    assert done.stdout == stdout, done.stderr


def test_another_interpreter_may_have_a_big_script() -> None:
    script = "x = '''" + "'\\\\\\' $ ` é\n" * 9000 + "'''\nprint(len(x))"
    done = through("sh", Command(script=script, interpreter=("python3",)))
    assert done.stdout == b"90000\n", done.stderr


@pytest.mark.parametrize("letter", list(string.ascii_letters[:30]))
def test_no_line_of_another_interpreters_script_loses_a_byte(letter: str) -> None:
    lines = "\n".join(f"{char}é" for char in (letter, "a", "f", "z"))
    done = through("dash", Command(script=f"print(r'''{lines}\n{lines}''')", interpreter=("python3",)))
    assert done.stdout.decode() == f"{lines}\n{lines}\n"


def test_pwsh_gets_the_script_on_descriptor_3(tmp_path: Path) -> None:
    """No PowerShell here: a stand-in shows what it would see."""
    seen = tmp_path / "pwsh"
    seen.write_text('#!/bin/sh\nprintf "%s\\n" "$@"; echo --; cat /dev/fd/3; echo --; cat\n')
    seen.chmod(0o755)
    done = through(
        "sh", Command(script="Write-Output 'x'", interpreter=(str(seen),), args=("it's",)), b"stdin"
    )
    options, script, stdin = done.stdout.decode().split("--\n")
    assert options.splitlines()[:3] == ["-NoProfile", "-NonInteractive", "-Command"]
    assert "& $fleetctl 'it''s';" in options
    assert "Write-Output" not in options
    assert (script, stdin) == ("Write-Output 'x'\n", "stdin")


@pytest.mark.parametrize(
    "command",
    [
        Command(script="a\0b"),
        Command(script="x", args=("\0",)),
        Command(script="x", env={"A": "\0"}),
        Command(script="x", cwd="/\0"),
        Command(script="x", interpreter=("a\0",)),
        Command(script="x", env={"A-B": ""}),
        Command(script="x", env={"": ""}),
        Command(script="x", env={"A=B;id": ""}),
        Command(script="x", tag="a b"),
        Command(script="x", tag="$(id)"),
        Command(script="x", tag="'"),
        Command(script="x", interpreter=()),
        Command(script="x", interpreter=("sh", "-c")),
        Command(script="x", interpreter=("sh", "file")),
        Command(script="x", interpreter=("sh", "-o", "x;id")),
        Command(script="x", become=Become(user="-s")),
        Command(script="x", become=Become(user="a b")),
        Command(script="x", become=Become(user="")),
    ],
    ids=repr,
)
def test_what_no_host_can_run_is_refused(command: Command) -> None:
    with pytest.raises(UsageError) as caught:
        wire(command, password=None)
    assert caught.value.hint


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)
NASTY = st.text(st.sampled_from("\\'\"nr0147c$`!%* \n\r\t;&|<>(){}~#é\x01\x7f\u2028🙂-"), max_size=60)


@pytest.mark.parametrize("shell", POSIX)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXT | NASTY, min_size=3, max_size=3), pad=st.sampled_from([0, 9000]))
@example(texts=["\\", "\n", "'"], pad=0)
@example(texts=["\\n\\0101\\c", "\n\n", "\r"], pad=9000)
def test_any_text_reaches_the_script_unchanged(shell: str, texts: list[str], pad: int) -> None:
    argument, value, data = texts
    script = 'printf "%s.%s." "$1" "$V"; cat <<"fleetctl end"\n' + data + "\nfleetctl end\n:" + " " * pad
    # dash 0.5.12 loses a byte above 127 where a line stops looking like the end mark; from a file just as well.
    if "fleetctl end" in data.split("\n") or re.search(r"^f[^\x00-\x7f]", data, re.MULTILINE):
        return
    done = through(shell, Command(script=script, args=(argument,), env={"V": value}))
    assert done.stdout == f"{argument}.{value}.{data}\n".encode()


SHELLISH = st.text(st.sampled_from(string.printable.translate({ord(c): None for c in "/\0"})), max_size=80)


@settings(max_examples=60, deadline=None)
@given(script=NASTY | SHELLISH, pad=st.sampled_from([0, 9000]))
def test_a_script_means_what_it_means_in_a_file(script: str, pad: int) -> None:
    """The oracle is `dash FILE`: no PATH, no slash, an empty folder, so that nothing can happen."""
    if re.search(r"\$\{?0", script):  # the tag, where a file has its own name
        return
    guard = "PATH=/nowhere; set -f\n"
    script = guard + script.rstrip("\n") + "\n" + "#" * pad
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        file = Path(one, "script")
        file.write_bytes(script.encode())
        want = run_quietly(["dash", file], b"", one)
        sent = wire(Command(script=script, interpreter=("dash",)), password=None)
        have = run_quietly(["sh", "-c", sent.command_line], sent.prologue, two)
    assert (have.returncode, have.stdout) == (want.returncode, want.stdout)


def run_quietly(argv: list[str | Path], stdin: bytes, folder: str) -> subprocess.CompletedProcess[bytes]:
    env = {"PATH": "/usr/bin:/bin"}
    return subprocess.run(
        argv, input=stdin, cwd=folder, env=env, capture_output=True, check=False, timeout=20
    )


@pytest.mark.parametrize(
    ("script", "interpreter"),
    [
        ("echo", None),
        ("", None),
        ("# !/bin/sh", None),
        ("#!", None),
        ("#!/bin/sh", ("/bin/sh",)),
        ("#! /bin/bash -eu\r\necho", ("/bin/bash", "-eu")),
        ("#!/bin/awk -f x y\n", ("/bin/awk", "-f x y")),
        ("#!\t/bin/sh\t-e\n", ("/bin/sh", "-e")),
        ("#!/usr/bin/env python3\n", ("python3",)),
        ("#!/usr/bin/env -S python3 -u 'a b'\n", ("python3", "-u", "a b")),
        ("#!/usr/bin/env -S A=1 perl\n", ("/usr/bin/env", "A=1", "perl")),
        ("#!/usr/bin/env\n", ("/usr/bin/env",)),
    ],
)
def test_the_first_line_names_the_interpreter(script: str, interpreter: tuple[str, ...] | None) -> None:
    assert interpreter_of(script) == interpreter


def test_a_first_line_with_open_quotes_is_refused() -> None:
    with pytest.raises(UsageError):
        interpreter_of("#!/usr/bin/env -S python3 'x\n")


def test_a_tag_of_its_own_is_given_once() -> None:
    one, two = tagged(Command(script="x")), tagged(Command(script="x"))
    assert one.tag != two.tag
    assert tagged(one) is one


def test_killing_wants_a_tag_that_is_one_invocations_own() -> None:
    for tag in ("fleetctl", "", "a b", "x;id"):
        with pytest.raises(UsageError):
            kill_script(tag)


TREE = """
sleep 300 &
(setsid sh -c 'trap "" TERM; echo $$ >&3; sleep 301' fleetctl-orphan &) 3>&1
sh -c 'sleep 302; sleep 303' &
echo ready; wait
"""


@pytest.mark.parametrize("killer", POSIX)
def test_killing_ends_the_whole_tree_and_nobody_else(killer: str, tmp_path: Path) -> None:
    tag, other = f"k-{uuid.uuid4().hex}", f"k-{uuid.uuid4().hex}"
    path = "/usr/bin:/bin"
    if killer.startswith("busybox"):
        argv_of(killer)
        for applet in ("grep", "tr", "sleep"):
            (tmp_path / applet).symlink_to(str(shutil.which("busybox")))
        path = str(tmp_path)
    started = []
    for name in (tag, other):
        sent = wire(Command(script=TREE, tag=name), password=None)
        process = subprocess.Popen(
            ["sh", "-c", sent.command_line], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin
        assert process.stdout
        process.stdin.write(sent.prologue)
        process.stdin.close()
        lines = {process.stdout.readline(), process.stdout.readline()}
        assert b"ready\n" in lines
        started.append((process, int((lines - {b"ready\n"}).pop())))
    (victim, orphan), (bystander, spared) = started
    done = subprocess.run(
        [*argv_of(killer), "-c", kill_script(tag), f"{tag}.kill"],
        env={"PATH": path}, capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert victim.wait(5) == -15
    assert victim.stdout
    assert victim.stdout.read() == b""  # end of file: nobody of the tree is left
    assert not Path(f"/proc/{orphan}/cmdline").exists() or not Path(f"/proc/{orphan}/cmdline").read_bytes()
    assert bystander.poll() is None
    assert Path(f"/proc/{spared}/cmdline").read_bytes()
    subprocess.run(["sh", "-c", kill_script(other)], check=True)
    assert bystander.wait(5) == -15
    assert bystander.stdout
    bystander.stdout.close()
    victim.stdout.close()


def test_without_proc_the_group_and_the_children_are_killed_and_nothing_is_proven() -> None:
    tag = f"k-{uuid.uuid4().hex}"
    sent = wire(Command(script="sleep 300 & setsid sleep 301 & echo ready; wait", tag=tag), password=None)
    process = subprocess.Popen(
        ["sh", "-c", sent.command_line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(sent.prologue)
    process.stdin.close()
    assert process.stdout.readline() == b"ready\n"
    script = kill_script(tag).replace("/proc", "/no-such-proc")
    done = subprocess.run(["sh", "-c", script, f"{tag}.kill"], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
    assert process.wait(5) == -15
    assert process.stdout.read() == b""
    process.stdout.close()


@pytest.mark.parametrize("offset", range(6))
def test_digits_behind_a_backslash_are_never_taken_for_an_escape_where_pieces_end(offset: int) -> None:
    """A detached job's script is encoded twice: it is full of backslashes before digits, and longer than a piece."""
    text = "x" * offset + r"\0134" * 8000
    done = through("sh", Command(script='printf %s "$1"', args=(text,)))
    assert done.stdout.decode() == text
