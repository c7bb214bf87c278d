"""Open files: every host takes some, and the system gives a process only so many."""

from __future__ import annotations

import contextlib
import resource
from dataclasses import replace

from fleetctl.engine.budget import Limits, Quota

__all__ = ["within_open_files"]

# A host takes a socket, two files of output, and the pipes of a local process or proxy.
_FILES_PER_HOST = 6
_FILES_OF_OUR_OWN = 64


def within_open_files(limits: Limits, *, hosts: int) -> tuple[Limits, str]:
    """Raise the soft limit of open files to what the concurrency needs; where the hard limit forbids it, work on fewer hosts at once.

    Returns:
        The limits to keep to, and what to tell the operator (empty: nothing).
    """
    wanted = _FILES_OF_OUR_OWN + _FILES_PER_HOST * limits.max_concurrency.of(hosts, least=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits, ""
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed >= wanted:
        return limits, ""
    places = max(1, (allowed - _FILES_OF_OUR_OWN) // _FILES_PER_HOST)
    note = f"only {allowed} files may be open (ulimit -n): working on {places} hosts at once"
    return replace(limits, max_concurrency=Quota(places)), note
