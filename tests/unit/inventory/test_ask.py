"""The script speaks every POSIX shell, and nothing in it can be broken out of."""

import shutil
import subprocess

import pytest

from fleetctl.errors import UsageError
from fleetctl.inventory.ask import FilePattern, Wanted, file_pattern
from fleetctl.inventory.reading import read_answer
from fleetctl.inventory.types import DEFAULT

SHELLS = [("dash",), ("bash", "--posix"), ("busybox", "sh"), ("mksh",), ("ksh",), ("yash",)]
PRESENT = [shell for shell in SHELLS if shutil.which(shell[0])]
WANTED = Wanted(
    types=(*DEFAULT, "Process", "File"),
    files=(file_pattern("/etc/pass*"),),
    custom={
        "Custom:Broken": "if",
        "Custom:Ends": "echo A=1; exit 3",
        "Custom:Good": "printf 'A=%s\\n' \"it's\"",
    },
)


@pytest.mark.parametrize("shell", PRESENT, ids=" ".join)
def test_every_shell_tells_the_same_and_a_broken_script_ends_nothing_but_itself(shell):
    told = subprocess.run([*shell, "-s"], input=WANTED.script().encode(), capture_output=True, check=False)
    found = read_answer(told.stdout, told.stderr, WANTED, host="h")
    assert found.complete
    assert found.contents["Custom:Good"] == [{"A": "it's"}]
    assert [item["Name"] for item in found.contents["File"]][:1] == ["passwd"]
    assert {"InstanceInformation", "InstanceDetailedInformation", "Process"} <= set(found.contents)
    assert not {"Custom:Broken", "Custom:Ends"} & set(found.contents)
    assert [text for text in found.warnings if text.startswith("Custom:Ends")]


def test_shellcheck_finds_nothing_in_the_script():
    shellcheck = shutil.which("shellcheck") or pytest.skip("shellcheck is not installed")
    # Never called directly, set for later, sourced on the host, a pattern that must expand.
    ignored = "-eSC2329,SC2317,SC2034,SC1091,SC1090,SC2154,SC2086,SC2016"
    script = Wanted(types=WANTED.types, files=WANTED.files).script()
    told = subprocess.run(
        [shellcheck, "-s", "sh", ignored, "-"], input=script, capture_output=True, text=True, check=False
    )
    assert told.stdout == ""


def test_the_script_has_no_here_documents():
    assert "<<" not in WANTED.script()


@pytest.mark.parametrize(
    "text", ["/tmp/x/';touch broken;'*", "/tmp/x/$(touch broken)", "/tmp/$(touch broken)/*", "/x/a b*"]
)
def test_patterns_are_data_whatever_they_look_like(text, tmp_path):
    wanted = Wanted(types=("File",), files=(file_pattern(text),), recursive=True, custom_files=False)
    told = subprocess.run(
        ["sh", "-s"], input=wanted.script().encode(), capture_output=True, check=False, cwd=tmp_path
    )
    assert read_answer(told.stdout, told.stderr, wanted, host="h").contents["File"] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["etc/*.conf", "*", "/etc/", "/e*c/x", "/etc/a\nb", "/etc/\\*", "/" + "x" * 5000]
)
def test_what_is_no_pattern_is_refused(text):
    with pytest.raises(UsageError):
        file_pattern(text)


def test_a_pattern_is_a_folder_and_a_name():
    assert file_pattern("/etc/*.conf") == FilePattern(folder="/etc", name="*.conf")
    assert file_pattern("/vmlinuz*") == FilePattern(folder="/", name="vmlinuz*")


@pytest.mark.parametrize(
    "name", ["rack", "Custom:rack", "Custom:", "Rack", "Custom:A b", "Custom:" + "A" * 100]
)
def test_a_wrong_name_of_a_custom_type_is_refused(name):
    with pytest.raises(UsageError, match="no name of a custom type"):
        Wanted(custom={name: "true"})
