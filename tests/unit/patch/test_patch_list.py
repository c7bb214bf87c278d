"""A list of patches names exactly what it says, and what is wrong with it is told with its place."""

from pathlib import Path

import pytest

from fleetctl.errors import ProblemsError
from fleetctl.patch.patch_list import ListedPatch, PatchList, read_patch_list


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "list.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("id_", "title", "version", "named"),
    [
        ("bash.x86_64", "", "4.2-28.el7", True),
        ("bash", "", "4.2-28.el7", True),
        ("ba*", "", "4.2-28.el7", True),
        ("ba?h.x86*", "", "4.2-28.el7", True),
        ("bash.i686", "", "4.2-28.el7", False),
        ("bas", "", "4.2-28.el7", False),
        ("Bash", "", "4.2-28.el7", False),
        ("bash.x86_64", "bash.x86_64:0:4.2-28.el7", "4.2-28.el7", True),
        ("bash.x86_64", "bash.x86_64:4.2-28.el7", "4.2-28.el7", True),
        ("bash.x86_64", "*:4.2-*", "4.2-28.el7", True),
        ("bash.x86_64", "bash.x86_64:1:4.2-28.el7", "1:4.2-28.el7", True),
        ("bash.x86_64", "bash.x86_64:0:4.2-28.el7", "1:4.2-28.el7", False),
        ("bash.x86_64", "bash.x86_64:0:4.2-29.el7", "4.2-28.el7", False),
    ],
)
def test_ids_and_titles_name_versions_as_in_ssm(id_: str, title: str, version: str, named: bool) -> None:
    assert ListedPatch(id=id_, title=title).names("bash", "x86_64", version) is named


def test_the_entry_that_names_a_version_is_told() -> None:
    listed = PatchList(file="x", patches=[ListedPatch(id="a"), ListedPatch(id="b*")])
    assert listed.place("bb", "amd64", "1") == "patches[1]"
    assert listed.place("c", "amd64", "1") == ""


def test_a_list_is_read_and_other_fields_are_for_people(tmp_path: Path) -> None:
    text = "patches:\n  - id: bash.amd64\n    title: bash.amd64:5.2-1\n    owner: us\n  - {id: 'lib*'}\n"
    assert read_patch_list(written(tmp_path, text)).patches == (
        ListedPatch(id="bash.amd64", title="bash.amd64:5.2-1"),
        ListedPatch(id="lib*"),
    )


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "list.yaml:1:1", "patches"),
        ("patches: []\n", "list.yaml:1:10", "at least 1"),
        ("patches: [bash]\n", "list.yaml:1:11", "patches[0]"),
        ("patches:\n  - title: x:1\n", "list.yaml:2:5", "id"),
        ("patches:\n  - id: a b\n", "list.yaml:2:9", "'a b' is no patch"),
        ("patches:\n  - id: bash\n    title: bash-5\n", "list.yaml:3:12", "has no version"),
        ("patch:\n  - id: bash\n", "list.yaml:1:1", "patch"),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_column(
    tmp_path: Path, text: str, place: str, words: str
) -> None:
    with pytest.raises(ProblemsError) as caught:
        read_patch_list(written(tmp_path, text))
    told = [f"{problem.where}: {problem.message}" for problem in caught.value.problems]
    assert any(place in line and words in line for line in told), told
