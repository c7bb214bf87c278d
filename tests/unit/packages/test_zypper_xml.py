"""zypper's lists are read row by row where they are written as zypper does, and as any XML where they are not: the same is read."""

from pathlib import Path

import pytest

from fleetctl.packages.sections import read_sections
from fleetctl.packages.zypper_xml import read_origins, read_patches, readable

GOLDEN = Path(__file__).parents[2] / "golden" / "zypper"
CASES = [folder for folder in sorted(GOLDEN.iterdir()) if (folder / "stdout").exists()]


def otherwise(text: str) -> str:
    """The same document, written in another way."""
    return text.replace("<update kind=", "<update  kind=").replace("<solvable status=", "<solvable  status=")


@pytest.mark.parametrize("folder", CASES, ids=[folder.name for folder in CASES])
def test_rows_are_read_as_the_tree_says(folder):
    sections = read_sections((folder / "stdout").read_bytes())
    for name, read in (("zypper-patches", read_patches), ("zypper-origins", read_origins)):
        text = sections[name].text
        other = otherwise(text)
        assert read(text) == read(other)
        assert readable(text) is readable(other)


def test_entities_and_signs_are_those_of_xml():
    row = (
        '<update kind="patch" name="{}" status="needed" category="security" severity="low" restart="true">'
        '<status-since time_t="1"/><summary>a &amp; b</summary><issue-list/></update>'
    )
    text = "<?xml version='1.0'?><stream>" + "".join(map(row.format, ("a", "b&amp;c"))) + "</stream>"
    found = read_patches(text)
    assert list(found) == ["a", "b&c"]
    assert {advisory.title for advisory, _ in found.values()} == {"a & b"}
    assert read_patches(text.replace("&amp; b", "& b")) == {}
    assert read_patches(text[:-30]) == {}


def test_what_has_a_document_type_is_not_read():
    text = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><stream>&b;</stream>'
    assert not readable(text)
    assert read_patches(text) == {}
