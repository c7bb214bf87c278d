"""The published schema says what the loader says."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from fleetctl.hosts import load
from fleetctl.hosts.schema import schema

ROOT = Path(__file__).parents[3]
EXAMPLES = [ROOT / "inventories/example.yaml", *sorted((ROOT / "examples/inventories").glob("*.yaml"))]


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_load_and_agree_with_the_schema(path):
    assert load([path]).hosts
    jsonschema.validate(yaml.safe_load(path.read_text()), schema())


@pytest.mark.parametrize(
    "data",
    [
        {"host": {}},
        {"hosts": {"a": {"prot": 1}}},
        {"hosts": {"a": {"port": 0}}},
        {"hosts": {"a": {"become": "sud"}}},
        {"groups": {"g": {"children": "web"}}},
        {"sources": {"ansible": "x"}},
    ],
)
def test_it_refuses_what_the_loader_refuses(data):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema())
