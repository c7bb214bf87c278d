"""Read policies: YAML in, checked `Policy` out, or everything that is wrong, with its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from fleetctl.compliance.policy import Check, Policy, Waiver
from fleetctl.compliance.policy_form import PolicyForm
from fleetctl.errors import FleetError, NotFoundError, Problem, ProblemsError
from fleetctl.spec.check import check
from fleetctl.spec.suggest import did_you_mean
from fleetctl.spec.yaml import Document, parse_document, read_text

__all__ = ["find_policies", "load_policy", "policy_files", "read_policy"]

_SUFFIXES = (".yaml", ".yml", ".json")


def load_policy(path: Path, *, root: Path | None = None) -> Policy:
    """Read and check one policy.

    Args:
        path: its file.
        root: of the project; reports name the file from there.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: it cannot be read.
        ProblemsError: all that is wrong with it.
    """
    return read_policy(read_text(path), source=str(path), named=_named(path, root))


def read_policy(text: str, *, source: str, named: str) -> Policy:
    """Read and check the text of a policy.

    Args:
        text: YAML.
        source: its file.
        named: the same, as reports name it.

    Raises:
        ProblemsError: all that is wrong with it.
    """
    document = parse_document(text, file=source, later=True)
    form = check(document, PolicyForm)
    if problems := [*_doubles(document, form), *_waivers_of_nothing(document, form)]:
        raise ProblemsError(problems)
    return Policy(
        name=form.name,
        source=source,
        description=" ".join(form.description.split()),
        hosts=form.applies_to.hosts,
        systems=form.applies_to.os,
        checks=tuple(
            Check(
                id=item.id,
                title=item.title,
                severity=item.severity,
                resource=item.resource,
                why=item.why.strip(),
                remedy=item.remedy.strip(),
                refs=item.refs,
                place=f"{named}:{document.where(('checks', index)).line}",
            )
            for index, item in enumerate(form.checks)
        ),
        waivers=tuple(
            Waiver(
                checks=item.check,
                hosts=item.hosts,
                owner=item.owner,
                reason=item.reason,
                expires=item.expires,
                where=document.where(("waivers", index)),
            )
            for index, item in enumerate(form.waivers)
        ),
        text=text,
        named=named,
    )


def _named(path: Path, root: Path | None) -> str:
    absolute = path.absolute()
    return str(absolute.relative_to(root)) if root and absolute.is_relative_to(root) else str(path)


def policy_files(root: Path | None) -> list[Path]:
    """Return the files of a project's `policies/`, by name."""
    folder = root / "policies" if root else None
    if folder is None or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())


def find_policies(names: Sequence[str], root: Path | None) -> tuple[Policy, ...]:
    """Return the policies that names stand for: files, or names of the project's; without any, all of the project.

    Raises:
        NotFoundError: there is none of that name, or the project has none at all.
        ProblemsError: all that is wrong with all of them.
    """
    files = [Path(name) for name in names if _is_file(name)]
    wanted = [name for name in names if not _is_file(name)]
    if wanted or not names:
        own = _load_all(policy_files(root), root=root)
        if not own and not wanted:
            hint = "write one as policies/NAME.yaml; see docs/reference/policies.md"
            raise NotFoundError("this project has no policies", hint=hint)
        known = {policy.name: policy for policy in own}
        if missing := [name for name in wanted if name not in known]:
            raise NotFoundError(f"there is no policy '{missing[0]}'", hint=did_you_mean(missing[0], known))
        chosen = [known[name] for name in dict.fromkeys(wanted)] or own
    else:
        chosen = []
    found = [*chosen, *_load_all(files, root=root)]
    _stop_at_equal_names(found)
    return tuple(found)


def _is_file(name: str) -> bool:
    return "/" in name or name.lower().endswith(_SUFFIXES)


def _load_all(paths: Iterable[Path], *, root: Path | None) -> list[Policy]:
    found: list[Policy] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            found.append(load_policy(path, root=root))
        except ProblemsError as exc:
            problems += exc.problems
        except NotFoundError:
            raise
        except FleetError as exc:
            problems.append(Problem(exc.message, exc.where, exc.hint))
    if problems:
        raise ProblemsError(problems)
    _stop_at_equal_names(found)
    return found


def _stop_at_equal_names(policies: Sequence[Policy]) -> None:
    seen: dict[str, Policy] = {}
    for policy in policies:
        if policy.name in seen:
            text = f"{policy.source}: the policy '{policy.name}' is also in {seen[policy.name].source}"
            raise ProblemsError([Problem(text, hint="rename one of them")])
        seen[policy.name] = policy


def _doubles(document: Document, form: PolicyForm) -> Iterable[Problem]:
    seen: dict[str, int] = {}
    for index, item in enumerate(form.checks):
        if item.id in seen:
            line = document.where(("checks", seen[item.id], "id")).line
            yield document.problem(
                f"checks[{index}].id: '{item.id}' is also at line {line}", ("checks", index, "id")
            )
        seen.setdefault(item.id, index)


def _waivers_of_nothing(document: Document, form: PolicyForm) -> Iterable[Problem]:
    known = [item.id for item in form.checks]
    for index, waiver in enumerate(form.waivers):
        for name in waiver.check:
            if name not in known:
                text = f"waivers[{index}].check: there is no check '{name}'"
                yield document.problem(text, ("waivers", index, "check"), hint=did_you_mean(name, known))
