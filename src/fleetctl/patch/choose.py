"""Choose the baseline of a host, as SSM does: what the command names, else its patch group's, else the default of its system."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fleetctl.errors import ConfigError, NotFoundError, UsageError, Where
from fleetctl.model import Host
from fleetctl.packages.model import HostFacts
from fleetctl.patch.baseline import Baseline, OperatingSystem
from fleetctl.patch.baseline_load import SUFFIXES, Declared, load_baselines, load_files
from fleetctl.patch.defaults import BUILT_IN, NoBaseline, operating_system
from fleetctl.spec.suggest import did_you_mean
from fleetctl.store.project import Project

__all__ = ["Baselines", "baseline_choice", "find_baseline", "find_declared", "patch_group_of"]

# SSM: the tag's key, case and all; the second one is for instances that show their tags in their metadata.
_TAGS: Final = ("Patch Group", "PatchGroup")


def patch_group_of(host: Host) -> str | None:
    """Return the patch group of a host: the inventory's `patch_group`, else the tag `Patch Group` or `PatchGroup`."""
    return host.patch_group or next((host.tags[tag] for tag in _TAGS if host.tags.get(tag)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baselines:
    """All that a choice is made from; called with a host and its facts it is a `BaselineChoice`.

    Attributes:
        override: what the command names, by system; where there is any, nothing else counts.
        groups: by patch group and system.
        defaults: the project's, by system.
    """

    override: Mapping[OperatingSystem, Baseline] = field(default_factory=dict)
    groups: Mapping[tuple[str, OperatingSystem], Baseline] = field(default_factory=dict)
    defaults: Mapping[OperatingSystem, Baseline] = field(default_factory=dict)

    def __call__(self, host: Host, facts: HostFacts) -> Baseline | None:
        """Return the baseline of a host; None if there is none for its system.

        Raises:
            NoBaseline: the command names baselines, and none for the host's system.
        """
        return self.chosen(host, facts)[0]

    def chosen(self, host: Host, facts: HostFacts) -> tuple[Baseline | None, str]:
        """Return the baseline of a host, and why it is that one, as in `chosen ...`.

        Raises:
            NoBaseline: as above.
        """
        system = operating_system(facts)
        if system is None:
            return None, ""
        if self.override:
            if system in self.override:
                return self.override[system], "by --baseline"
            named = ", ".join(f"'{b.name}' is for {b.operating_system.value}" for b in self.override.values())
            raise NoBaseline(f"none of --baseline is for {system.value}: {named}")
        group = patch_group_of(host)
        if group is not None and (group, system) in self.groups:
            return self.groups[group, system], f"for the patch group '{group}'"
        if system in self.defaults:
            return self.defaults[system], f"as the project's default for {system.value}"
        return BUILT_IN.get(system), f"as the predefined one for {system.value}"

    def record(self) -> dict[str, Any]:
        """Return it as data for `run.json`: a run that is resumed is judged by what it began with, whatever the files say by then."""
        from fleetctl.patch.baseline_telling import form_data  # noqa: PLC0415

        return {
            "Override": [form_data(baseline) for baseline in self.override.values()],
            "Groups": [[group, form_data(baseline)] for (group, _), baseline in self.groups.items()],
            "Defaults": [form_data(baseline) for baseline in self.defaults.values()],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Baselines:
        """Make it again.

        Raises:
            KeyError, TypeError, ValueError: it is no such record.
        """
        from fleetctl.patch.baseline_form import BaselineForm  # noqa: PLC0415 - brings pydantic

        def made(data: Any) -> Baseline:
            return BaselineForm.model_validate(data).baseline("")

        groups = [(group, made(data)) for group, data in record["Groups"]]
        return cls(
            override=_by_system(made(data) for data in record["Override"]),
            groups={(group, baseline.operating_system): baseline for group, baseline in groups},
            defaults=_by_system(made(data) for data in record["Defaults"]),
        )


def baseline_choice(project: Project, override: Sequence[str] = ()) -> Baselines:
    """Return how hosts of a project get their baselines.

    Args:
        project: whose `baselines/` count.
        override: names or files, at most one for each system (`--baseline`).

    Raises:
        ProblemsError: a baseline is wrong, or two contradict each other.
        NotFoundError: `override` names one that is not there.
        UsageError: `override` names two of one system.
    """
    if override:
        found = [find_baseline(name, project) for name in override]
        chosen = _by_system(found)
        if len(chosen) < len({baseline.name for baseline in found}):
            told = ", ".join(f"'{b.name}' ({b.operating_system.value})" for b in found)
            raise UsageError(f"--baseline names two for one system: {told}", hint="name one for each system")
        return Baselines(override=chosen)
    declared = load_baselines(project.folder("baselines"))
    return Baselines(
        groups={
            (group, item.baseline.operating_system): item.baseline
            for item in declared
            for group in item.patch_groups
        },
        defaults=_by_system(item.baseline for item in declared if item.default),
    )


def find_baseline(name: str, project: Project) -> Baseline:
    """Return a baseline by its name, or by its file.

    Args:
        name: with a `/` or a suffix it is a file; else one of the project, or a predefined one.
        project: where names are looked up.

    Raises:
        NotFoundError: there is none.
        ProblemsError: it is wrong; or, where it is named by name, any of the project is.
    """
    return find_declared(name, project).baseline


def find_declared(name: str, project: Project) -> Declared:
    """Return a baseline with what its file says besides; see `find_baseline`."""
    if "/" in name or name.lower().endswith(SUFFIXES):
        path = Path(name).expanduser()
        if not path.is_file():
            raise NotFoundError(f"there is no file {name}")
        loaded = load_files([path])
        if not loaded:
            raise ConfigError(f"{name} says nothing: there is no baseline in it")
        return loaded[0]
    predefined = {baseline.name: baseline for baseline in BUILT_IN.values()}
    if name in predefined:
        return Declared(baseline=predefined[name], where=Where(f"builtin:{name}"))
    declared = {item.baseline.name: item for item in load_baselines(project.folder("baselines"))}
    if name not in declared:
        raise NotFoundError(
            f"there is no baseline '{name}'", hint=did_you_mean(name, [*declared, *predefined])
        )
    return declared[name]


def _by_system(baselines: Iterable[Baseline]) -> dict[OperatingSystem, Baseline]:
    return {baseline.operating_system: baseline for baseline in baselines}
