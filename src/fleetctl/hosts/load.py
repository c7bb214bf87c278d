"""Load inventories: any number of files, folders, programs and inline lists, as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fleetctl.errors import FleetError, InventoryError, Problem, ProblemsError, Where
from fleetctl.hosts.declared import HOST, Declared, HostEntry, Origin, Source
from fleetctl.hosts.detect import Kind, files_of, is_inline, kind_of_data, kind_of_file
from fleetctl.hosts.inventory import Inventory
from fleetctl.hosts.merge import merge
from fleetctl.hosts.names import check_host_name, expand
from fleetctl.spec.compose import without_collecting

if TYPE_CHECKING:
    from fleetctl.spec.yaml import Document

__all__ = ["load"]


def load(paths: Sequence[str | Path]) -> Inventory:
    """Read inventories and merge them.

    Args:
        paths: files and folders of any kind that `fleetctl.hosts.detect` knows, or text such as `web-[1-3],db1,`.

    Raises:
        NotFoundError: a file is not there.
        InventoryError: a file or source cannot be read.
        ProblemsError: everything that is wrong with the files, or what they contradict one another about.
    """
    declared: list[Declared] = []
    failures: list[FleetError] = []
    with without_collecting():
        for place in paths:
            try:
                readings = _places(place)
            except FleetError as exc:
                failures.append(exc)
                continue
            for reading in readings:
                try:
                    declared.append(_read(reading))
                except FleetError as exc:
                    failures.append(exc)
        if failures:
            raise _all_at_once(failures)
        return merge(declared)


def _all_at_once(failures: list[FleetError]) -> FleetError:
    if len(failures) == 1:
        return failures[0]
    problems: list[Problem] = []
    for failure in failures:
        if isinstance(failure, ProblemsError):
            problems += failure.problems
        else:
            problems.append(Problem(failure.message, failure.where, failure.hint))
    return ProblemsError(problems)


def _places(place: str | Path) -> Sequence[str | Path]:
    if isinstance(place, str) and is_inline(place):
        return [place]
    return files_of(Path(place).expanduser())


def _read(place: str | Path) -> Declared:
    if isinstance(place, str):
        return _inline(place)
    try:
        data = place.read_bytes()
    except OSError as exc:
        raise InventoryError(f"{place} cannot be read: {exc.strerror}") from exc
    kind = kind_of_file(place, data)
    if kind is Kind.YAML:
        return _read_yaml(place, data)
    return _read_source(kind, place)


def _read_source(kind: Kind, path: Path) -> Declared:
    from fleetctl.spec.plugins import load as load_plugin  # noqa: PLC0415 - our own YAML needs no plugin

    if not path.is_file():
        raise InventoryError(
            f"{path} is no file", hint="only fleetctl's own YAML, and JSON, are read from a pipe"
        )
    source: Source = load_plugin("fleetctl.sources", kind.value)()
    if kind is Kind.PROGRAM:
        return source.read([str(path.absolute())], Origin(folder=path.parent, where=Where(str(path))))
    return source.read(str(path), Origin(folder=Path(), where=Where(str(path))))


def _read_yaml(path: Path, data: bytes) -> Declared:
    from fleetctl.hosts.sources.vault import ANSIBLE_TAGS  # noqa: PLC0415
    from fleetctl.spec.yaml import decode_text, parse_document  # noqa: PLC0415 - inline hosts need no YAML

    text = decode_text(data, file=str(path))
    document: Document = parse_document(text, file=str(path), tags=ANSIBLE_TAGS, later=True)
    kind = kind_of_data(document.data)
    if kind is Kind.OWN and any(tag in text for tag in ANSIBLE_TAGS):
        document = parse_document(text, file=str(path), later=True)
    if kind is Kind.OWN:
        from fleetctl.hosts.native import read  # noqa: PLC0415 - brings pydantic

        return read(document, folder=path.parent)
    if document.problems:
        raise ProblemsError(document.problems)
    if kind is Kind.ANSIBLE_LIST:
        from fleetctl.hosts.sources.ansible_list import declare  # noqa: PLC0415

        return declare(document.data, file=str(path), where=Where(str(path)))
    return _read_source(Kind.ANSIBLE, path)


def _inline(text: str) -> Declared:
    """Read hosts that stand on the command line, ranges and all; a comma inside brackets does not separate."""
    from fleetctl.hosts.selector import split_terms  # noqa: PLC0415

    declared = Declared(file="-i")
    where = Where(f"-i {text}")
    for term in split_terms(text):
        try:
            names = expand(term)
        except ValueError as exc:
            raise InventoryError(str(exc), where=where) from exc
        for name in names:
            if wrong := check_host_name(name):
                raise InventoryError(wrong, where=where)
            declared.hosts.append(HostEntry(name=name, where=where, rank=HOST))
    return declared
