"""Read a Command document: YAML or JSON in, a checked `Document` out, or everything that is wrong with it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from fleetctl.document.declared import read_parameters
from fleetctl.document.lint import lint
from fleetctl.document.model import MAX_SIZE, Document
from fleetctl.document.schema import models
from fleetctl.document.source import Source
from fleetctl.document.steps import read_steps
from fleetctl.document.supported import check_supported, schema_version
from fleetctl.errors import DocumentError, DocumentProblemsError, NotFoundError, Problem, ProblemsError, Where
from fleetctl.spec.check import check
from fleetctl.spec.yaml import parse_document

__all__ = ["load_file", "load_text"]


def load_file(path: Path) -> Document:
    """Read and check a document.

    Raises:
        NotFoundError: the file cannot be read.
        DocumentError: it is wrong, or asks for what fleetctl does not have; all problems at once.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as exc:
        raise NotFoundError(f"{path} cannot be read: {exc.strerror}") from exc
    return load_text(data, source=str(path), name=path.stem)


def load_text(data: bytes, *, source: str, name: str) -> Document:
    """Check a document that has been read.

    Args:
        data: YAML or JSON, UTF-8.
        source: the file, for messages.
        name: what to call the document.

    Raises:
        DocumentError: it is wrong, or asks for what fleetctl does not have; all problems at once.
    """
    text = _decode(data, source)
    try:
        return _load(text, data, source=source, name=name)
    except DocumentError:
        raise
    except ProblemsError as exc:
        raise DocumentProblemsError(exc.problems) from exc


def _decode(data: bytes, source: str) -> str:
    if len(data) > MAX_SIZE:
        raise DocumentError(
            f"the document is larger than {MAX_SIZE} bytes, the most that SSM allows",
            where=Where(source),
            hint="copy a large script to the hosts first: fleetctl copy push",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise DocumentError("not UTF-8 text", where=Where(source, line)) from exc


def _load(text: str, data: bytes, *, source: str, name: str) -> Document:
    parsed = parse_document(text, file=source)
    if not isinstance(parsed.data, dict):
        raise DocumentError(
            "a document must be a map with schemaVersion, parameters and steps", where=Where(source, 1, 1)
        )
    raw: dict[str, Any] = parsed.data
    at = Source(where=parsed.where, version=schema_version(raw))
    check_supported(raw, at)
    _stop_at_problems(at)
    parsed = parsed.with_data({**raw, "schemaVersion": at.version})
    form: Any = check(parsed, models()[0 if at.version == "1.2" else 1])
    parameters = read_parameters(form.parameters, at)
    steps = read_steps(form, parameters, at)
    _stop_at_problems(at)
    lint(parameters, steps, at)
    return Document(
        name=name,
        source=source,
        schema_version=at.version,
        description=form.description,
        parameters=parameters,
        steps=steps,
        digest=sha256(data).hexdigest(),
        size=len(data),
        warnings=tuple(at.warnings),
    )


def _stop_at_problems(source: Source) -> None:
    if source.problems:
        raise DocumentProblemsError(sorted(source.problems, key=_place))


def _place(problem: Problem) -> tuple[int, int]:
    return (problem.where.line, problem.where.column) if problem.where else (0, 0)
