"""Find a document by its name: a file, one of the project's `documents/`, or a built-in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

from fleetctl.document.load import load_file, load_text
from fleetctl.document.model import Document
from fleetctl.errors import DocumentError, NotFoundError
from fleetctl.spec.suggest import did_you_mean

__all__ = ["SUFFIXES", "Listed", "find", "listed", "read_source"]

SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A document that can be named.

    Attributes:
        name: what to call it.
        origin: where it is from.
        path: its file; None for a built-in.
    """

    name: str
    origin: Literal["project", "built-in"]
    path: Path | None = None


def listed(project: Path | None = None) -> list[Listed]:
    """Return the project's documents, then the built-ins; nothing is read, so wrong ones are among them."""
    own = [Listed(name=path.stem, origin="project", path=path) for path in _project_files(project)]
    return own + [Listed(name=name, origin="built-in") for name in sorted(_builtins())]


def find(name: str, project: Path | None = None) -> Document:
    """Read and check the document that a name stands for.

    A name with a `/` or a suffix is a file; else the project's `documents/` come first, then the built-ins.

    Args:
        name: path, or name without suffix.
        project: the project's root folder.

    Raises:
        NotFoundError: there is none.
        DocumentError: it is wrong, two files of the project have that name, or a file of the project has a built-in's name.
    """
    path, builtin = _source(name, project)
    if builtin is not None:
        return load_text(builtin.read_bytes(), source=f"builtin:{name}", name=name)
    return load_file(path)


def read_source(name: str, project: Path | None = None) -> str:
    """Return the text of a document as it is written.

    Raises:
        NotFoundError: there is none, or it cannot be read.
        DocumentError: the name stands for two files.
    """
    path, builtin = _source(name, project)
    try:
        return (builtin or path).read_bytes().decode("utf-8", "replace")
    except OSError as exc:
        raise NotFoundError(f"{name} cannot be read: {exc.strerror}") from exc


def _source(name: str, project: Path | None) -> tuple[Path, Traversable | None]:
    """Return a file, or the built-in that stands in for it."""
    if "/" in name or name.startswith("~") or name.lower().endswith(SUFFIXES):
        return _file(name, project), None
    own = [path for path in _project_files(project) if path.stem == name]
    builtin = _builtins().get(name)
    if len(own) > 1:
        raise DocumentError(
            f"'{name}' is the name of {' and '.join(str(path) for path in own)}", hint="rename one of them"
        )
    if own and builtin is not None:
        # SSM reserves the prefix AWS: what runs as root must not depend on which of two is found first.
        raise DocumentError(
            f"{own[0]} has the name of a built-in document", hint="rename it, or name it by its path"
        )
    if own or builtin is not None:
        return own[0] if own else Path(name), builtin
    known = [item.name for item in listed(project)]
    raise NotFoundError(
        f"there is no document '{name}'",
        hint=f"the file of that name is ./{name}"
        if Path(name).is_file()
        else did_you_mean(name, known) or "name a file, such as ./document.yaml",
    )


def _file(name: str, project: Path | None) -> Path:
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise NotFoundError(f"{name} is a folder, not a document")
    if project is not None and "/" not in name and (project / "documents" / name).is_file():
        return project / "documents" / name
    folder = path.parent if path.parent.is_dir() else Path()
    near = [str(path.parent / item.name) for item in folder.iterdir() if item.suffix.lower() in SUFFIXES]
    known = near + [item.name for item in listed(project)]
    raise NotFoundError(f"there is no file {name}", hint=did_you_mean(name, known))


def _project_files(project: Path | None) -> list[Path]:
    folder = project / "documents" if project else None
    if folder is None or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def _builtins() -> dict[str, Traversable]:
    return dict(_builtin_files())


def _builtin_files() -> Iterator[tuple[str, Traversable]]:
    for item in files("fleetctl.document").joinpath("builtin").iterdir():
        if item.name.endswith(".yaml"):
            yield item.name.removesuffix(".yaml"), item
