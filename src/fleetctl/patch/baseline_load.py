"""Read `baselines/*.yaml`: all that is wrong with all of them at once, and what is probably not meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fleetctl.errors import ConfigError, NotFoundError, Problem, ProblemsError, Where
from fleetctl.patch.baseline import Baseline, FilterKey, OperatingSystem
from fleetctl.patch.defaults import BUILT_IN
from fleetctl.patch.filter_words import keys_of, odd_values, why_no_key

if TYPE_CHECKING:
    from fleetctl.spec.yaml import Document

__all__ = ["SUFFIXES", "Declared", "baseline_files", "load_baselines", "load_files"]

SUFFIXES: Final = (".yaml", ".yml", ".json")
_RESERVED: Final = "AWS-"
_UNSCANNED: Final = {OperatingSystem.WINDOWS, OperatingSystem.MACOS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A baseline that a person wrote.

    Attributes:
        patch_groups: hosts of these groups get it.
        default: whether hosts of its system in no group that has a baseline get it.
        where: its `name`, or its file.
        places: where each patch group stands, and (under the empty name) the key `default`.
        warnings: what is probably not meant.
    """

    baseline: Baseline
    patch_groups: tuple[str, ...] = ()
    default: bool = False
    where: Where
    places: Mapping[str, Where] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()


def baseline_files(folder: Path | None) -> list[Path]:
    """Return the files of a project's `baselines/`, by name; none where there is no such folder."""
    if folder is None or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def load_baselines(folder: Path | None) -> tuple[Declared, ...]:
    """Read all baselines of a project.

    Args:
        folder: its `baselines/`, if it has one.

    Raises:
        ProblemsError: all that is wrong with any of them, or that they contradict one another about.
    """
    return load_files(baseline_files(folder))


def load_files(paths: Iterable[Path]) -> tuple[Declared, ...]:
    """Read baselines; a file that says nothing (all of it comments) is none.

    Raises:
        ProblemsError: all that is wrong with any of them, or that they contradict one another about.
        NotFoundError: the only thing that is wrong is that a file is not there.
    """
    declared: list[Declared] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            found = _load(path)
        except ProblemsError as exc:
            problems += exc.problems
        except (ConfigError, NotFoundError) as exc:
            problems.append(Problem(exc.message, exc.where, exc.hint))
        else:
            declared += [found] if found else []
    problems += _contradictions(declared)
    if problems:
        raise ProblemsError(problems)
    return tuple(declared)


def _load(path: Path) -> Declared | None:
    from fleetctl.patch.baseline_form import BaselineForm  # noqa: PLC0415 - brings pydantic
    from fleetctl.spec.check import check  # noqa: PLC0415
    from fleetctl.spec.yaml import parse_document, read_text  # noqa: PLC0415

    document = parse_document(read_text(path), file=str(path), later=True)
    if document.data is None and not document.problems:
        return None
    problems = list(_wrong(document))
    try:
        form = check(document, BaselineForm)
    except ProblemsError as exc:
        problems += exc.problems
        raise ProblemsError(sorted(problems, key=_place)) from exc
    name = form.name or path.stem
    if not form.name and not _is_name(name):
        problems.append(
            document.problem(
                f"the file's name '{name}' is no name of a baseline", hint="give it a key 'name'"
            )
        )
    if problems:
        raise ProblemsError(problems)
    baseline = form.baseline(name)
    return Declared(
        baseline=baseline,
        patch_groups=tuple(form.patch_groups),
        default=form.default,
        where=document.where(("name",)) if form.name else Where(str(path)),
        places={
            **{g: document.where(("patch_groups", i)) for i, g in enumerate(form.patch_groups)},
            "": document.where(("default",), key=True),
        },
        warnings=tuple(_odd(document, baseline)),
    )


def _is_name(text: str) -> bool:
    return text.isascii() and text[:1].isalnum() and all(char.isalnum() or char in "_.-" for char in text)


def _place(problem: Problem) -> tuple[int, int]:
    return (problem.where.line, problem.where.column) if problem.where else (0, 0)


def _wrong(document: Document) -> Iterator[Problem]:
    """Yield what a form cannot tell; whatever the data are, also what the form will refuse."""
    data = document.data if isinstance(document.data, dict) else {}
    name = data.get("name")
    if isinstance(name, str) and (
        name.startswith(_RESERVED) or name in {built_in.name for built_in in BUILT_IN.values()}
    ):
        yield document.problem(
            f"name: '{name}' is reserved for predefined baselines",
            ("name",),
            hint="give it a name of its own",
        )
    system = data.get("operating_system")
    if not isinstance(system, str) or system not in set(OperatingSystem):
        return
    known = keys_of(OperatingSystem(system))
    for path, filters in _filters(data):
        for key, values in filters.items():
            if key not in set(FilterKey) or FilterKey(key) in known or values == ["*"]:
                continue
            yield document.problem(
                f"{_dotted(path)}: {key} never matches on {system}: {why_no_key(FilterKey(key), OperatingSystem(system))}",
                (*path, key),
                hint=f"take it out; what {system} knows: {', '.join(sorted(known))}",
                key=True,
            )


def _filters(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, Any]]]:
    """Yield each map of filters with its place."""
    if isinstance(data.get("global_filters"), dict):
        yield ("global_filters",), data["global_filters"]
    rules = data.get("approval_rules")
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict) and isinstance(rule.get("filters"), dict):
            yield ("approval_rules", index, "filters"), rule["filters"]


def _dotted(path: Sequence[str | int]) -> str:
    from fleetctl.spec.check import dotted  # noqa: PLC0415

    return dotted(tuple(path))


def _odd(document: Document, baseline: Baseline) -> Iterator[Problem]:
    """Yield what is allowed, and probably not meant."""
    system = baseline.operating_system
    if system in _UNSCANNED:
        yield document.problem(
            f"fleetctl cannot scan hosts of {system.value} yet: this baseline does nothing",
            ("operating_system",),
        )
    for path, filters in _filters(document.data):
        for key, values in filters.items():
            written = [str(value) for value in values]
            for index, what, hint in odd_values(FilterKey(key), written, system):
                yield document.problem(
                    f"{_dotted((*path, key))}: {what}", (*path, key, index), hint=hint or None
                )
    if not baseline.approval_rules and not baseline.approved_patches:
        yield document.problem(
            "it asks for nothing: every host is compliant by it", hint="give it approval_rules"
        )
    yield from _odd_patches(document, baseline)
    if baseline.sources:
        yield document.problem(
            "sources are only kept: hosts are patched from the repositories that they have",
            ("sources",),
            hint="put them on the hosts by other means",
            key=True,
        )


def _odd_patches(document: Document, baseline: Baseline) -> Iterator[Problem]:
    for name in ("approved_patches", "rejected_patches"):
        for index, entry in enumerate(getattr(baseline, name)):
            if _is_windows(entry) and baseline.operating_system is not OperatingSystem.WINDOWS:
                yield document.problem(
                    f"{name}: '{entry}' matches nothing on {baseline.operating_system.value}", (name, index)
                )
    rejected = {entry.casefold() for entry in baseline.rejected_patches}
    for index, entry in enumerate(baseline.approved_patches):
        if entry.casefold() in rejected:
            yield document.problem(
                f"approved_patches: '{entry}' is rejected too, and rejection wins",
                ("approved_patches", index),
            )


def _is_windows(entry: str) -> bool:
    """Tell whether it is a knowledge base article (`KB5031356`) or a bulletin (`MS17-010`)."""
    text = entry.casefold()
    return text[:2] in {"kb", "ms"} and text[2:].replace("-", "").isdecimal()


def _contradictions(declared: Sequence[Declared]) -> Iterator[Problem]:
    """Yield names, groups and defaults that two baselines claim."""
    names: dict[str, Declared] = {}
    claimed: dict[tuple[str, OperatingSystem], Declared] = {}
    for item in declared:
        baseline = item.baseline
        if (other := names.setdefault(baseline.name, item)) is not item:
            yield Problem(
                f"the name '{baseline.name}' is taken by {other.where}", item.where, "rename one of them"
            )
        claims = [(group, f"patch group '{group}'") for group in dict.fromkeys(item.patch_groups)]
        claims += [("", "default")] if item.default else []
        for claim, told in claims:
            first = claimed.setdefault((claim, baseline.operating_system), item)
            if first is not item:
                what = f"the {told} of {baseline.operating_system.value} has two baselines"
                place = first.places.get(claim, first.where)
                yield Problem(
                    f"{what}: '{baseline.name}' here, '{first.baseline.name}' at {place}",
                    item.places.get(claim, item.where),
                    "take it out of one of them",
                )
