"""The schema that editors get must accept what the loader accepts."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml

from fleetctl.document.schema import schema

ROOT = Path(__file__).parents[3]
GOOD = sorted(
    [
        *(ROOT / "tests/golden/documents/good").glob("*.*"),
        *(ROOT / "examples/documents").glob("*.*"),
        *(Path(str(files("fleetctl.document"))) / "builtin").glob("*.yaml"),
    ]
)
VALIDATOR = jsonschema.Draft202012Validator(schema())


def data(path):
    text = path.read_text()
    return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)


def test_it_is_a_json_schema():
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_good_documents_are_valid(path):
    VALIDATOR.validate(data(path))


@pytest.mark.parametrize(
    "name", ["automation.yaml", "form.yaml", "other-plugins.yaml", "steps.yaml", "unknown-version.yaml"]
)
def test_documents_of_a_wrong_form_are_not(name):
    assert not VALIDATOR.is_valid(data(ROOT / "tests/golden/documents/bad" / name))
