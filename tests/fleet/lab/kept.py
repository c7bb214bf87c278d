"""What is built once a week and kept: root file systems and package repositories, keyed by the recipe's own text."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from lab import cache

__all__ = ["kept"]


def kept(name: str, make: Callable[[Path], object], *, recipe: tuple[str, ...]) -> Path:
    """The folder that `make` fills; made now if this week's is not there yet.

    Whoever comes while another process makes it waits for it.

    Args:
        name: of the folder, before the recipe's mark.
        make: fills an empty folder.
        recipe: modules of this package that decide what comes out: a change in one of them makes a new folder.
    """
    bases = cache.folder() / "bases"
    path = bases / f"{name}-{_mark(recipe)}"
    with cache.lock(bases / f"{name}.lock"):
        if not path.exists():
            fresh = bases / f"{name}.new"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            fresh.chmod(0o755)
            make(fresh)
            fresh.rename(path)
            _forget_older(path, name)
    return path


def _mark(modules: tuple[str, ...]) -> str:
    """A new word whenever one of these modules changes, and every Monday."""
    texts = [Path(__file__).with_name(f"{module}.py").read_bytes() for module in modules]
    year, week, _ = dt.datetime.now(tz=dt.UTC).isocalendar()
    return f"{year}w{week:02}-{hashlib.sha256(b''.join(texts)).hexdigest()[:10]}"


def _forget_older(path: Path, name: str) -> None:
    in_use = Path("/proc/self/mounts").read_text()
    for old in path.parent.iterdir():
        if re.fullmatch(rf"{name}-\d+w\d+-\w+", old.name) and old != path and str(old) not in in_use:
            shutil.rmtree(old)
