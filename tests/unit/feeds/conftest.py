"""Feeds in their makers' form, and what is told of them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetctl.feeds.ask import asking
from fleetctl.feeds.importing import import_file

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def feeds():
    """The folder of files."""
    return Path(__file__).parents[2] / "golden" / "feeds"


@pytest.fixture
def bring(tmp_path):
    """Import a file, or a text that is written to one, into the state folder `tmp_path / "state"`."""
    state = tmp_path / "state"
    state.mkdir()

    def bring(what, *, name="feed.json", **options):
        path = what
        if not isinstance(what, Path):
            path = tmp_path / name
            path.write_bytes(what if isinstance(what, bytes) else what.encode())
        return import_file(path, state, now=NOW, **options)

    bring.state = state
    return bring


@pytest.fixture
def about(bring):
    """What is kept about a CVE: feed, ecosystem, package, ranges."""

    def about(cve):
        with asking(bring.state) as asked:
            return [
                (one.feed.title, one.claim.ecosystem, one.claim.package, one.claim.ranges)
                for one in asked.about_cve(cve)
            ]

    return about
