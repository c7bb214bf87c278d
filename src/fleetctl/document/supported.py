"""Refuse, before any host is touched, what a document asks for and fleetctl does not have."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from fleetctl.document.model import ACTIONS, OTHER_ACTIONS, SCHEMA_VERSIONS
from fleetctl.document.parameters import STORE_HINT
from fleetctl.document.source import Path, Source, strings
from fleetctl.document.substitute import store_references
from fleetctl.spec.suggest import did_you_mean

__all__ = ["check_supported", "schema_version"]

_OTHER_KINDS = {
    "0.3": "an Automation runbook",
    "1.0": "a Session document",
}


def schema_version(data: dict[str, Any]) -> str:
    """Return the schema version as text; `2.2` without quotes is a number in YAML."""
    value = data.get("schemaVersion", "")
    return str(value) if isinstance(value, str | float | int) and not isinstance(value, bool) else ""


def check_supported(data: dict[str, Any], source: Source) -> None:
    """Note what cannot be run in `source.problems`: other kinds of documents, other plugins, the parameter store.

    Args:
        data: the document as it was parsed, not yet checked.
        source: for places.
    """
    _check_version(data, source)
    if source.problems:
        return
    for path, name, action in _actions(data):
        if isinstance(action, str) and action not in ACTIONS:
            known = action in OTHER_ACTIONS
            hint = None if known else did_you_mean(action, (*ACTIONS, *OTHER_ACTIONS))
            listed = f"fleetctl has: {', '.join(ACTIONS)}"
            source.problem(
                path,
                f"{name} asks for {action}, which fleetctl does not have"
                if known
                else f"{name}: there is no '{action}'",
                hint=f"{hint}\n{listed}" if hint and not hint.startswith("known:") else listed,
                key=path[0] == "runtimeConfig",
            )
    for path, text in strings(data):
        if path == ("description",) or path[-1:] == ("description",):
            continue
        for reference in store_references(text):
            source.problem(
                path, f"{{{{{reference}}}}} is a reference to the parameter store", hint=STORE_HINT
            )


def _check_version(data: dict[str, Any], source: Source) -> None:
    version = schema_version(data)
    supported = f"fleetctl runs Command documents of schema {', '.join(SCHEMA_VERSIONS)}"
    if version in SCHEMA_VERSIONS:
        return
    path = ("schemaVersion",) if "schemaVersion" in data else ()
    if not path:
        near = get_close_matches("schemaVersion", [str(key) for key in data], n=1)
        if near:
            source.problem(
                (near[0],),
                f"unknown key '{near[0]}'",
                hint=f"did you mean 'schemaVersion'?\n{supported}",
                key=True,
            )
        else:
            source.problem(path, "schemaVersion is missing", hint=supported)
    elif version in _OTHER_KINDS:
        source.problem(path, f"this is {_OTHER_KINDS[version]} (schema {version})", hint=supported)
    else:
        source.problem(
            path, f"schema version '{version or data['schemaVersion']}' is not known", hint=supported
        )


def _actions(data: dict[str, Any]) -> list[tuple[Path, str, Any]]:
    """Return (place, what to call it, action) of every step, whatever else is wrong with them."""
    found: list[tuple[Path, str, Any]] = []
    steps = data.get("mainSteps")
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        if isinstance(step, dict) and "action" in step:
            named = f"step '{step['name']}'" if isinstance(step.get("name"), str) else f"step {index + 1}"
            found.append((("mainSteps", index, "action"), named, step["action"]))
    plugins = data.get("runtimeConfig")
    names = plugins if isinstance(plugins, dict) else {}
    return found + [(("runtimeConfig", action), "runtimeConfig", action) for action in names]
