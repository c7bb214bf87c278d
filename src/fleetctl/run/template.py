"""Jinja2 over the host's vars: sandboxed, and undefined is an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleetctl.errors import TemplateError, Where
from fleetctl.model import EMPTY, Host

__all__ = ["template"]


def template(text: str, *, name: str, variables: Mapping[str, Any] = EMPTY) -> Callable[[Host], str]:
    """Compile a template and return what renders it for a host.

    A template sees the host's vars by their names, and `host` (name, address, port, user, groups, tags, zone, platform,
    patch_group, vars).

    Args:
        text: the template.
        name: of the file, for errors.
        variables: weaker than the host's own vars.

    Raises:
        TemplateError: bad syntax, with its line; and, on rendering, an undefined name or a forbidden act.
    """
    from jinja2 import StrictUndefined, TemplateSyntaxError  # noqa: PLC0415
    from jinja2 import TemplateError as JinjaError  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    # Output is shell text, not HTML: HTML escaping would corrupt it.
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    environment.filters["quote"] = _quote
    try:
        compiled = environment.from_string(text)
    except TemplateSyntaxError as exc:
        raise TemplateError(exc.message or "syntax error", where=Where(name, exc.lineno)) from exc

    def render(host: Host) -> str:
        try:
            return compiled.render({**variables, **host.vars, "host": _view(host)})
        except JinjaError as exc:
            hint = "define it in the host's or a group's vars, or use {{ x | default('...') }}"
            raise TemplateError(f"{host.name}: {exc.message}", where=_place(name, exc), hint=hint) from exc
        except Exception as exc:  # a template may do arithmetic on a string, divide by zero, ...
            raise TemplateError(f"{host.name}: {type(exc).__name__}: {exc}", where=_place(name, exc)) from exc

    return render


def _place(name: str, exc: Exception) -> Where:
    """Return the line of the template at which rendering failed: jinja puts it into the traceback."""
    trace, line = exc.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return Where(name, line)


def _quote(value: object) -> str:
    import shlex  # noqa: PLC0415

    return shlex.quote(str(value))


def _view(host: Host) -> dict[str, Any]:
    return {
        "name": host.name,
        "address": host.target,
        "port": host.port,
        "user": host.user,
        "groups": list(host.groups),
        "tags": dict(host.tags),
        "zone": host.zone,
        "platform": host.platform,
        "patch_group": host.patch_group,
        "vars": dict(host.vars),
    }
