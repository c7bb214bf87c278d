"""Make a new project: commented files, and never over what is there."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from fleetctl.errors import UsageError

__all__ = ["Created", "create_project"]

# File of the project -> file of the template. A `.gitignore` in the template would hide files of our own repository.
_FILES = {
    "fleetctl.yaml": "fleetctl.yaml",
    "inventories/hosts.yaml": "inventories/hosts.yaml",
    "documents/hello.yaml": "documents/hello.yaml",
    "baselines/debian.yaml": "baselines/debian.yaml",
    ".gitignore": "gitignore",
    "README.md": "README.md",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """What `create_project` did; paths are relative to `folder`.

    Attributes:
        made: files that were written.
        kept: files that were there before, and stay as they are.
    """

    folder: Path
    made: tuple[str, ...]
    kept: tuple[str, ...]


def create_project(folder: Path) -> Created:
    """Write the files of a new project; a file that exists is left alone, whatever it holds.

    Args:
        folder: made where it does not exist.

    Raises:
        UsageError: something cannot be written.
    """
    template = files("fleetctl.store") / "template"
    made, kept = [], []
    for name, source in _FILES.items():
        target = folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8") as file:
                file.write(template.joinpath(source).read_text(encoding="utf-8"))
        except FileExistsError:
            if not target.is_file():
                raise UsageError(
                    f"{target} cannot be written: {_in_the_way(folder, target)} is in the way"
                ) from None
            kept.append(name)
        except OSError as exc:
            raise UsageError(
                f"{target} cannot be written: {exc.strerror}",
                hint="name another folder: fleetctl init FOLDER",
            ) from exc
        else:
            made.append(name)
    return Created(folder=folder, made=tuple(made), kept=tuple(kept))


def _in_the_way(folder: Path, target: Path) -> Path:
    """Return the lowest existing path from the target up: a file where a folder is wanted, or the reverse."""
    for path in (target, *target.parents):
        if path.is_symlink() or path.exists():
            return path
    return folder
