"""Find the project on disk, and where its state is kept.

The project is found upward from the current directory, as git does; `--project` and `FLEETCTL_PROJECT` override. Without
a project, state goes to the platform's data folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from fleetctl.errors import NotFoundError, StateFolderError
from fleetctl.store.settings import Settings, load_settings

__all__ = ["PROJECT_FILE", "Project", "find_project", "open_project"]

PROJECT_FILE = "fleetctl.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A fleet project, or the lack of one.

    Attributes:
        root: folder of `fleetctl.yaml`; None without a project.
        state: folder for runs, reports and sessions; made when first written.
        settings: of `fleetctl.yaml`, or the defaults.
    """

    root: Path | None
    state: Path
    settings: Settings = field(default_factory=Settings)

    def folder(self, name: str) -> Path | None:
        """Return the project's folder of that name (`documents`, `baselines`), if there is a project."""
        return self.root / name if self.root else None

    def inventories(self) -> list[Path]:
        """Return the inventory files and folders that the project names, `inventories/` by default."""
        if self.root is None:
            return []
        if self.settings.inventory:
            return [self.root / Path(item).expanduser() for item in self.settings.inventory]
        folder = self.root / "inventories"
        return [folder] if folder.is_dir() else []

    def state_folder(self, *parts: str) -> Path:
        """Make and return a folder below the state folder, private to the user (mode 0700).

        Raises:
            StateFolderError: it cannot be made or written.
        """
        try:
            if not self.state.is_dir():
                self.state.mkdir(parents=True, mode=0o700)
                (self.state / ".gitignore").write_text("*\n")  # what hosts print belongs in no repository
            folder = self.state.joinpath(*parts)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            raise StateFolderError(
                f"the state folder {self.state} cannot be written: {exc.strerror}",
                hint="name another one with --state FOLDER or FLEETCTL_STATE",
            ) from exc
        if not os.access(folder, os.W_OK | os.X_OK):
            raise StateFolderError(
                f"the state folder {folder} cannot be written: permission denied",
                hint="name another one with --state FOLDER or FLEETCTL_STATE",
            )
        return folder


def find_project(start: Path) -> Path | None:
    """Return the nearest folder at or above `start` that holds a `fleetctl.yaml`."""
    for folder in (start, *start.parents):
        if os.path.isfile(folder / PROJECT_FILE):  # noqa: PTH113 - a folder we may not look into holds no project of ours
            return folder
    return None


def open_project(path: Path | None = None, *, state: Path | None = None) -> Project:
    """Open the project at `path`, or the one found upward from here, or none.

    Args:
        path: a project folder, or its `fleetctl.yaml`; `FLEETCTL_PROJECT` stands in.
        state: the state folder; `FLEETCTL_STATE`, then `.fleetctl` of the project stand in.

    Raises:
        NotFoundError: `path` holds no project.
        ProblemsError: `fleetctl.yaml` is wrong.
    """
    named = path or (Path(os.environ["FLEETCTL_PROJECT"]) if os.environ.get("FLEETCTL_PROJECT") else None)
    root: Path | None
    if named is not None:
        root = named.parent if named.name == PROJECT_FILE else named
        if not (root / PROJECT_FILE).is_file():
            raise NotFoundError(
                f"no {PROJECT_FILE} in {root}", hint="make a project there with: fleetctl init"
            )
        root = root.resolve()
    else:
        root = find_project(_here())
    settings = load_settings(root / PROJECT_FILE) if root else Settings()
    chosen = state or (Path(os.environ["FLEETCTL_STATE"]) if os.environ.get("FLEETCTL_STATE") else None)
    if chosen is None:
        chosen = root / ".fleetctl" if root else _platform_state()
    return Project(root=root, state=chosen.expanduser().absolute(), settings=settings)


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError as exc:
        raise NotFoundError("the current folder is gone", hint="enter another one: cd") from exc


def _platform_state() -> Path:
    from platformdirs import user_data_path  # noqa: PLC0415 - only without a project

    return user_data_path("fleetctl", appauthor=False)
