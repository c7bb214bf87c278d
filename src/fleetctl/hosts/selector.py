"""Choose hosts: `web,&env=prod,!web-03`.

A selector is a comma list, read left to right. A term adds what it matches; `&term` keeps only what it also matches;
`!term` removes. One that begins with `&` or `!` begins with all hosts. A comma inside brackets does not separate.

| term | matches |
|---|---|
| `all`, `*` | every host |
| `web-03`, `web` | the host, and the hosts of the group, of that name |
| `web-0*`, `w?b` | hosts and groups whose name is like it |
| `web-[01-05,09]`, `rack[1-2]-*` | each name of the range that is there |
| `role=web`, `role=w*`, `tag:role=web` | hosts with that tag |
| `os=debian`, `platform=`, `zone=`, `group=`, `transport=`, `patch-group=` | hosts with that setting, or a tag so called |
| `@failed:RUN` | hosts of an earlier run, as the caller knows them |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import translate
from typing import Final, TypeAlias

from fleetctl.errors import SelectorError, UsageError
from fleetctl.hosts.inventory import Inventory
from fleetctl.hosts.names import expand
from fleetctl.model import Host
from fleetctl.spec.suggest import near

__all__ = ["ResolveRun", "select", "split_terms"]

ResolveRun: TypeAlias = Callable[[str, str], Iterable[str]]

_ATTRIBUTES: Final[Mapping[str, str]] = {
    "os": "platform",
    "platform": "platform",
    "zone": "zone",
    "transport": "transport",
    "patch-group": "patch_group",
    "patch_group": "patch_group",
}
_RUN: Final = re.compile(r"@([a-z][a-z-]*):(.+)")


def split_terms(text: str) -> list[str]:
    """Split at commas outside brackets; blanks around terms do not count, nor does a last comma.

    Raises:
        SelectorError: an empty term, or a bracket that is not closed.
    """
    terms, depth, start = [], 0, 0
    for position, char in enumerate(text):
        depth += (char == "[") - (char == "]")
        if char == "," and depth == 0:
            terms.append(text[start:position].strip())
            start = position + 1
        if depth not in {0, 1}:
            break
    last = text[start:].strip()
    terms += [last] if last or not terms else []
    if depth:
        raise SelectorError(f"'{text}': brackets do not match", hint="a range is written web-[01-05]")
    if not all(terms):
        what = "it is empty" if not text.strip() else "there is nothing between two commas"
        raise SelectorError(f"selector '{text}': {what}", hint="every host is 'all'")
    return terms


def select(
    inventory: Inventory,
    selector: str,
    *,
    limit: int | None = None,
    exclude: str | None = None,
    resolve_run: ResolveRun | None = None,
    absent: Callable[[SelectorError], None] | None = None,
) -> list[Host]:
    """Return the hosts that a selector names, in inventory order.

    Args:
        inventory: the hosts.
        selector: as above.
        limit: only the first so many of them.
        exclude: a selector of hosts to leave out; it may match none.
        resolve_run: turns `@failed:RUN` into host names, called with `failed` and `RUN`; None where there are no runs.
        absent: is told of each term that matches nothing, which is then no error, nor is it when nothing is left.

    Raises:
        SelectorError: it cannot be read, a term that adds or keeps matches nothing, or nothing is left.
        UsageError: `limit` is not positive.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"a limit of {limit} hosts leaves none", hint="it is 1 or more")
    matcher = _Matcher(inventory, resolve_run)
    if not inventory.hosts:
        raise SelectorError(f"'{selector}' matches nothing: the inventory has no hosts")
    chosen: set[str] = set()
    for index, written in enumerate(split_terms(selector)):
        sign, term = _signed(written)
        if index == 0 and sign:
            chosen = set(inventory.hosts)
        found = matcher.match(term)
        if sign == "!":
            chosen -= found
            continue
        if not found:
            if absent is None:
                raise matcher.nothing(term)
            absent(matcher.nothing(term))
        chosen = chosen & found if sign == "&" else chosen | found
    if exclude is not None:
        chosen -= _excluded(exclude, matcher)
    if not chosen and absent is None:
        left = f" without '{exclude}'" if exclude else ""
        raise SelectorError(
            f"'{selector}'{left} leaves no host", hint="each term matches, together they do not"
        )
    hosts = [host for host in inventory.hosts.values() if host.name in chosen]
    return hosts[:limit]


def _excluded(selector: str, matcher: _Matcher) -> set[str]:
    found: set[str] = set()
    for written in split_terms(selector):
        sign, term = _signed(written)
        if sign:
            raise SelectorError(
                f"--exclude '{selector}': '{sign}' makes no sense there", hint="name what to leave out"
            )
        found |= matcher.match(term)
    return found


def _signed(term: str) -> tuple[str, str]:
    if term[0] not in "&!":
        return "", term
    bare = term[1:].strip()
    if not bare or bare[0] in "&!":
        raise SelectorError(f"'{term}' is no term of a selector", hint="write &TERM to keep, !TERM to remove")
    return term[0], bare


class _Matcher:
    def __init__(self, inventory: Inventory, resolve_run: ResolveRun | None) -> None:
        self._inventory = inventory
        self._resolve_run = resolve_run

    def match(self, term: str) -> set[str]:
        """Return the names of the hosts that a term matches, without its sign."""
        if term in {"all", "*"}:
            return set(self._inventory.hosts)
        if term.startswith("@"):
            return self._of_run(term)
        if "=" in term:
            return self._of_setting(term)
        if "[" in term or "]" in term:
            return self._of_range(term)
        return self._of_name(term)

    def _of_name(self, name: str) -> set[str]:
        hosts, groups = self._inventory.hosts, self._inventory.groups
        if _is_glob(name):
            like = _like(name)
            found = {host for host in hosts if like(host)}
            return found.union(*(group.hosts for group in groups.values() if like(group.name)))
        found = {name} if name in hosts else set()
        return found.union(groups[name].hosts) if name in groups else found

    def _of_range(self, term: str) -> set[str]:
        # A range may be followed by a wildcard, which ClusterShell does not know: it passes through as text.
        stars = {"*": "__any__", "?": "__one__"}
        hidden = "".join(stars.get(char, char) for char in term)
        try:
            names = expand(hidden)
        except ValueError as exc:
            raise SelectorError(str(exc), hint="a range is written web-[01-05]") from exc
        found: set[str] = set()
        for name in names:
            shown = name.replace("__any__", "*").replace("__one__", "?") if hidden != term else name
            found |= self._of_name(shown)
        return found

    def _of_setting(self, term: str) -> set[str]:
        key, _, value = term.partition("=")
        key, value = key.strip(), value.strip()
        if not key or not value:
            raise SelectorError(
                f"'{term}' is no term of a selector", hint="write TAG=VALUE, such as role=web or role=*"
            )
        like = _like(value)
        if key.startswith("tag:"):
            return self._of_tag(key.removeprefix("tag:"), like)
        if key == "group":
            groups = self._inventory.groups.values()
            return {name for group in groups if like(group.name) for name in group.hosts}
        found = self._of_tag(key, like)
        if key not in _ATTRIBUTES:
            return found
        field, fold_case = _ATTRIBUTES[key], _ATTRIBUTES[key] == "platform"
        like = _like(value.lower()) if fold_case else like
        for host in self._inventory.hosts.values():
            own = getattr(host, field)
            if own is not None and like(own.lower() if fold_case else own):
                found.add(host.name)
        return found

    def _of_tag(self, tag: str, like: Callable[[str], bool]) -> set[str]:
        values = self._inventory.tags.get(tag, {})
        return {name for value, names in values.items() if like(value) for name in names}

    def _of_run(self, term: str) -> set[str]:
        parts = _RUN.fullmatch(term)
        if parts is None:
            raise SelectorError(
                f"'{term}' is no term of a selector",
                hint="hosts of a run are written @failed:RUN or @unreachable:last",
            )
        if self._resolve_run is None:
            raise SelectorError(f"'{term}': no runs are known here")
        named = set(self._resolve_run(parts[1], parts[2]))
        found = named & self._inventory.hosts.keys()
        if named and not found:
            raise SelectorError(f"'{term}': none of its {len(named)} hosts is in the inventory any more")
        return found

    def nothing(self, term: str) -> SelectorError:
        """Return the error that says that a term matches nothing, and what was near."""
        if term.startswith("@"):
            run = term.rpartition(":")[2]
            return SelectorError(
                f"'{term}' matches no host", hint=f"what became of them: fleetctl runs show {run}"
            )
        meant = [name for name in self._near(term) if name != term]
        hint = (
            f"did you mean {' or '.join(repr(name) for name in meant)}?" if meant else self._what_there_is()
        )
        return SelectorError(f"'{term}' matches no host, group or tag", hint=hint)

    def _near(self, term: str) -> Iterator[str]:
        key, equals, value = term.partition("=")
        if not equals:
            known = {name.lower(): name for name in ("all", *self._inventory.groups, *self._inventory.hosts)}
            yield from (known[name] for name in near(term.lower(), known))
            return
        values = [*self._values_of(key), *self._inventory.tags.get(key.removeprefix("tag:"), ())]
        if values:
            meant = get_close_matches(value, values, n=3, cutoff=0.5) or values[:3]
            yield from (f"{key}={name}" for name in meant)
            return
        keys = [*self._inventory.tags, *_ATTRIBUTES, "group"]
        yield from (f"{name}={value}" for name in get_close_matches(key, keys, n=3, cutoff=0.6))

    def _values_of(self, key: str) -> list[str]:
        if key == "group":
            return list(self._inventory.groups)
        if key not in _ATTRIBUTES:
            return []
        found = (getattr(host, _ATTRIBUTES[key]) for host in self._inventory.hosts.values())
        return list(dict.fromkeys(str(value) for value in found if value is not None))

    def _what_there_is(self) -> str:
        groups, hosts = list(self._inventory.groups), list(self._inventory.hosts)
        names = [*groups[:6], *hosts[:6]]
        more = ", ..." if len(names) < len(groups) + len(hosts) else ""
        return f"known: {', '.join(names)}{more}"


def _is_glob(text: str) -> bool:
    return "*" in text or "?" in text


def _like(pattern: str) -> Callable[[str], bool]:
    if not _is_glob(pattern):
        return pattern.__eq__
    # Only * and ? are wildcards: brackets are ranges in selectors, and plain text in the values of tags.
    match = re.compile(translate(pattern.replace("[", "[[]"))).match
    return lambda text: match(text) is not None
