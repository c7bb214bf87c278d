"""A feed as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fleetctl.feeds.model import Feed

__all__ = ["FEED_SCHEMA", "feed_json"]

_TEXT = {"type": "string"}
FEED_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": [
        "Feed",
        "Kind",
        "Scope",
        "Date",
        "DatedBy",
        "AgeDays",
        "Stale",
        "Entries",
        "Source",
        "Imported",
    ],
    "properties": {
        "Feed": {**_TEXT, "description": "kind and scope: osv:Debian"},
        "Kind": _TEXT,
        "Scope": _TEXT,
        "Date": {"type": "string", "format": "date-time", "description": "of what it says"},
        "DatedBy": {"enum": ["feed", "file", "user"], "description": "who says of what date it is"},
        "AgeDays": {"type": "integer", "minimum": 0},
        "Stale": {"type": "boolean", "description": "older than seven days"},
        "Entries": {"type": "integer", "minimum": 0},
        "Source": {**_TEXT, "description": "name of the file"},
        "Imported": {"type": "string", "format": "date-time"},
    },
    "additionalProperties": False,
}


def feed_json(feed: Feed, now: datetime) -> dict[str, Any]:
    """Return a feed, JSON-ready.

    Args:
        feed: as it is kept.
        now: aware; its age is counted to it.
    """
    return {
        "Feed": feed.title,
        "Kind": feed.kind,
        "Scope": feed.scope,
        "Date": feed.dated.isoformat(),
        "DatedBy": feed.dated_by,
        "AgeDays": feed.age(now).days,
        "Stale": feed.stale(now),
        "Entries": feed.entries,
        "Source": feed.source,
        "Imported": feed.imported.isoformat(),
    }
