"""A list of patches that stands in for what a baseline asks for. SSM: InstallOverrideList.

patches:
  - id: dhclient.x86_64                       # name.arch, or a name; `*` and `?` in any place
    title: dhclient.x86_64:12:4.2.5-68.el7    # name.arch:epoch:version-release (rpm), name.arch:version (apt); optional
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

__all__ = ["ListedPatch", "PatchList", "read_patch_list"]

_EPOCH = re.compile(r"[0-9]+:")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPatch:
    """One entry.

    Attributes:
        id: pattern of `name.arch`, or of the name alone.
        title: pattern of name, architecture and version; empty: any version.
    """

    id: str
    title: str = ""

    def names(self, name: str, arch: str, version: str) -> bool:
        """Tell whether it names a version of a package."""
        full = f"{name}.{arch}" if arch else name
        if not any(fnmatchcase(text, self.id) for text in (full, name)):
            return False
        forms = (
            [f"{full}:{version}"] if _EPOCH.match(version) else [f"{full}:{version}", f"{full}:0:{version}"]
        )
        return not self.title or any(fnmatchcase(form, self.title) for form in forms)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchList:
    """All entries of a file.

    Attributes:
        file: as it was named.
    """

    file: str
    patches: Sequence[ListedPatch]

    def place(self, name: str, arch: str, version: str) -> str:
        """Return the entry that names a version, as `patches[0]`; empty if none does."""
        found = (f"patches[{i}]" for i, patch in enumerate(self.patches) if patch.names(name, arch, version))
        return next(found, "")


def read_patch_list(path: Path) -> PatchList:
    """Read a list.

    Raises:
        ProblemsError: everything that is wrong with it, with file, line and column.
        ConfigError, NotFoundError: it cannot be read.
    """
    from fleetctl.patch.patch_list_form import PatchListForm  # noqa: PLC0415 - brings pydantic
    from fleetctl.spec.check import check  # noqa: PLC0415
    from fleetctl.spec.yaml import parse_document, read_text  # noqa: PLC0415

    form = check(parse_document(read_text(path), file=str(path), later=True), PatchListForm)
    patches = tuple(ListedPatch(id=entry.id, title=entry.title) for entry in form.patches)
    return PatchList(file=str(path), patches=patches)
