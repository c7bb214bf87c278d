"""Read fleetctl's own inventory files: YAML with defaults, groups, hosts and sources."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

from fleetctl.errors import FleetError, Problem, ProblemsError, Where
from fleetctl.hosts.declared import HOST, Declared, GroupEntry, HostEntry, Origin, Settings
from fleetctl.hosts.form import BecomeForm, GroupForm, HostForm, InventoryForm, SettingsForm
from fleetctl.hosts.names import check_group_name, check_host_name, expand
from fleetctl.model import Become
from fleetctl.spec.check import check, dotted
from fleetctl.spec.plugins import load, names
from fleetctl.spec.suggest import did_you_mean
from fleetctl.spec.yaml import Document

__all__ = ["read"]

_Path = tuple[str | int, ...]
_AS_IS = ("port", "user", "transport", "jump", "zone", "platform", "patch_group", "address")
# WinRM comes with a later release; an inventory may list its hosts already.
_KNOWN_TRANSPORTS = frozenset({"ssh", "winrm"})


def read(document: Document, *, folder: Path) -> Declared:
    """Return what an inventory file and the sources that it names say.

    Args:
        document: the file.
        folder: where it lies; the paths of its sources start there.

    Raises:
        ProblemsError: everything that is wrong with it, and with its sources.
    """
    return _Reader(document, folder=folder).read()


class _Reader:
    def __init__(self, document: Document, *, folder: Path) -> None:
        self._document = document
        self._folder = folder
        self._problems: list[Problem] = []
        self._declared = Declared(file=document.file)
        self._transports: dict[str, bool] = {}

    def read(self) -> Declared:
        form = check(self._document, InventoryForm)
        if form.defaults is not None:
            path = ("defaults",)
            self._declared.defaults = GroupEntry(
                name="defaults",
                where=self._document.where(path, key=True),
                settings=self._settings(form.defaults, path),
                locate=partial(_locate, self._document, path),
            )
        # The order of hosts is the order of the file, whichever section comes first.
        for section in self._document.data or {}:
            if section == "groups":
                for name, group in (form.groups or {}).items():
                    self._group(name, group or GroupForm())
            elif section == "hosts":
                self._hosts(form.hosts or {}, ("hosts",))
            elif section == "sources":
                self._sources(form.sources or [])
        if self._problems:
            raise ProblemsError(self._problems)
        return self._declared

    def _problem(self, text: str, path: _Path, *, hint: str | None = None) -> None:
        self._problems.append(self._document.problem(f"{dotted(path)}: {text}", path, hint=hint, key=True))

    def _group(self, name: str, form: GroupForm) -> None:
        path = ("groups", name)
        if wrong := check_group_name(name):
            self._problem(wrong, path)
        children = []
        for index, child in enumerate(form.children or []):
            children.append((child, self._document.where((*path, "children", index))))
        self._declared.groups.append(
            GroupEntry(
                name=name,
                where=self._document.where(path, key=True),
                settings=self._settings(form, path),
                children=tuple(children),
                hosts=self._hosts(form.hosts or {}, (*path, "hosts")),
                locate=partial(_locate, self._document, path),
            )
        )

    def _hosts(self, forms: dict[str, HostForm | None] | list[str], path: _Path) -> tuple[str, ...]:
        """Put the hosts of one place in, and return their names."""
        found: list[str] = []
        if isinstance(forms, list):
            for index, pattern in enumerate(forms):
                found += self._entries(pattern, None, (*path, index))
        else:
            for pattern, form in forms.items():
                found += self._entries(pattern, form, (*path, pattern))
        return tuple(found)

    def _entries(self, pattern: str, form: HostForm | None, path: _Path) -> Iterator[str]:
        listed = self._expand(pattern, path)
        settings = Settings() if form is None else self._settings(form, path)
        own = self._addresses(settings, len(listed), path)
        where = self._document.where(path, key=True)
        locate = partial(_locate, self._document, path)
        for index, name in enumerate(listed):
            said = own[index] if len(own) > 1 else own[0]
            self._declared.hosts.append(
                HostEntry(name=name, where=where, settings=said, rank=HOST, locate=locate)
            )
            yield name

    def _expand(self, pattern: str, path: _Path) -> list[str]:
        try:
            listed = expand(pattern)
        except ValueError as exc:
            self._problem(str(exc), path)
            return []
        wrong = check_host_name(listed[-1])
        if wrong:
            self._problem(wrong, path)
            return []
        return listed

    def _addresses(self, settings: Settings, count: int, path: _Path) -> list[Settings]:
        """Deal a range of addresses out to a range of hosts."""
        address = settings.values.get("address")
        if address is None:
            return [settings]
        try:
            addresses = expand(address)
        except ValueError as exc:
            self._problem(str(exc), (*path, "address"))
            return [settings]
        if len(addresses) != count:
            text = (
                f"{len(addresses)} address for {count} hosts"
                if len(addresses) == 1
                else f"{len(addresses)} addresses for {count} hosts"
            )
            self._problem(text, (*path, "address"), hint="write as many as there are hosts: 10.0.0.[1-20]")
            return [settings]
        return [
            Settings(values={**settings.values, "address": each}, tags=settings.tags, vars=settings.vars)
            for each in addresses
        ]

    def _settings(self, form: SettingsForm, path: _Path) -> Settings:
        said = form.model_fields_set
        values: dict[str, Any] = {
            name: value for name in _AS_IS if name in said and (value := getattr(form, name)) is not None
        }
        if form.identity_file is not None:
            keys = form.identity_file
            values["identity_file"] = (keys,) if isinstance(keys, str) else tuple(keys)
        if form.become is not None:
            values["become"] = _become(form.become)
        if "transport" in values:
            self._check_transport(values["transport"], path)
        return Settings(values=values, tags=self._tags(form, path), vars=form.vars or {})

    def _tags(self, form: SettingsForm, path: _Path) -> dict[str, str]:
        """Return tags as text, numbers and booleans as they stand in the file (`1.10`, `0755`)."""
        return {
            tag: value
            if isinstance(value, str)
            else self._document.written((*path, "tags", tag)) or str(value)
            for tag, value in (form.tags or {}).items()
        }

    def _check_transport(self, name: str, path: _Path) -> None:
        if name not in self._transports:
            self._transports[name] = name in _KNOWN_TRANSPORTS or name in names("fleetctl.transports")
        if not self._transports[name]:
            known = sorted({*names("fleetctl.transports"), *_KNOWN_TRANSPORTS})
            self._problem(f"unknown transport '{name}'", (*path, "transport"), hint=did_you_mean(name, known))

    def _sources(self, sources: list[dict[str, Any]]) -> None:
        known = names("fleetctl.sources")
        for index, source in enumerate(sources):
            path = ("sources", index)
            if len(source) != 1:
                self._problem("one source each, such as '- ansible: hosts.ini'", path)
                continue
            ((kind, argument),) = source.items()
            if kind not in known:
                self._problem(f"unknown source '{kind}'", (*path, kind), hint=did_you_mean(kind, known))
                continue
            origin = Origin(folder=self._folder, where=self._document.where((*path, kind), key=True))
            try:
                self._declared.absorb(load("fleetctl.sources", kind)().read(argument, origin))
            except ProblemsError as exc:
                self._problems += exc.problems
            except FleetError as exc:
                self._problems.append(Problem(exc.message, exc.where or origin.where, exc.hint))


def _locate(document: Document, path: _Path, inside: tuple[str, ...]) -> Where:
    # No method: an entry that knew the reader that knows the entries would keep the tree of nodes alive.
    return document.where((*path, *inside), key=True)


def _become(form: BecomeForm | Literal["sudo", "doas", "su", False]) -> Become | Literal[False]:
    if isinstance(form, BecomeForm):
        return Become(method=form.method, user=form.user)
    if form is False:
        return form
    return Become(method=form)
