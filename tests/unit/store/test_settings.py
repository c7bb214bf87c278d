"""`fleetctl.yaml`: what it may say, and that model, defaults and schema agree."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from fleetctl.engine.budget import Limits
from fleetctl.errors import ProblemsError
from fleetctl.store.settings import (
    RetentionSettings,
    RunSettings,
    Settings,
    SinkSettings,
    SshSettings,
    load_settings,
    settings_schema,
)
from fleetctl.store.settings_form import SettingsForm

FULL = """\
inventory: [hosts.yaml]
run:
  max_concurrency: 10%
  max_errors: 3
  max_unreachable: 5%
  connect_concurrency: 8
  timeout: 60
  connect_timeout: 2.5
  confirm_above: 100
ssh:
  known_hosts: [known_hosts]
  host_keys: accept-new
  config: ssh_config
  key_exchange: curve25519
password_command: [pass, show]
vars: {port: 80}
sinks:
- url: s3://audit/fleet
  endpoint: https://minio.example.net:9000
  region: eu-central-1
  profile: audit
  when: end
  every: 5m
- {url: file:///mnt/archive}
retention: {keep: 90d, max_size: 5GB}
"""


def load(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "fleetctl.yaml").write_text(text)
    return load_settings(tmp_path / "fleetctl.yaml")


def test_everything_that_may_be_said(tmp_path: Path) -> None:
    assert load(tmp_path, FULL) == Settings(
        inventory=("hosts.yaml",),
        run=RunSettings(
            max_concurrency="10%",
            max_errors="3",
            max_unreachable="5%",
            connect_concurrency=8,
            timeout=60,
            connect_timeout=2.5,
            confirm_above=100,
        ),
        ssh=SshSettings(
            known_hosts=("known_hosts",),
            host_keys="accept-new",
            config="ssh_config",
            key_exchange="curve25519",
        ),
        password_command=("pass", "show"),
        vars={"port": 80},
        sinks=(
            SinkSettings(
                url="s3://audit/fleet",
                options={
                    "endpoint": "https://minio.example.net:9000",
                    "region": "eu-central-1",
                    "profile": "audit",
                },
                when="end",
                every=300,
            ),
            SinkSettings(url="file:///mnt/archive"),
        ),
        retention=RetentionSettings(keep=90 * 86_400, max_size=5_000_000_000),
    )


def test_the_schema_accepts_it_too() -> None:
    schema = settings_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(FULL))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({"rum": {}})


@pytest.mark.parametrize("text", ["", "\n# only a comment\n", "{}\n", "run: {}\n"])
def test_nothing_said_means_the_defaults(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == Settings()


def test_defaults_are_the_same_wherever_they_stand() -> None:
    model: Any = SettingsForm()
    for field in fields(RunSettings):
        assert getattr(model.run, field.name) == getattr(RunSettings(), field.name)
    for name in ("max_concurrency", "max_errors", "max_unreachable"):
        assert str(getattr(Limits(), name)) == getattr(RunSettings(), name)
    for name in ("timeout", "connect_timeout", "connect_concurrency"):
        assert getattr(Limits(), name) == getattr(RunSettings(), name)


@pytest.mark.parametrize(
    "text",
    [
        "run: {max_errors: 101%}",
        "run: {max_errors: -1}",
        "run: {max_concurrency: many}",
        "run: {timeout: 0}",
        "run: {timeout: soon}",
        "run: {connect_concurrency: 0}",
        "ssh: {host_keys: no}",
        "ssh: {known_hosts: file}",
        "password_command: pass show",
        "sinks: s3://bucket",
        "sinks: [{url: bucket}]",
        "sinks: [{url: s3://key:secret@bucket}]",
        "sinks: [{url: s3://bucket, endpoint: minio}]",
        "sinks: [{url: s3://bucket, every: soon}]",
        "sinks: [{url: s3://bucket, every: 0}]",
        "sinks: [{url: s3://bucket, when: later}]",
        "retention: {keep: always}",
        "retention: {max_size: much}",
        "unknown: 1",
        "- a list",
        "just text",
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'fleetctl.yaml'}:1:")
