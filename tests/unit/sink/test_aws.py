"""Which credentials win: those that other AWS tools would take."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.errors import CredentialError
from fleetctl.sink.aws import profile_settings

CREDENTIALS = """\
[default]
aws_access_key_id = DEFAULT
aws_secret_access_key = default-secret
[audit]
aws_access_key_id = AUDIT
aws_secret_access_key = audit%secret
aws_session_token = token
"""
CONFIG = """\
[default]
region = eu-west-1
[profile audit]
region = eu-central-1
[profile sso]
sso_session = corp
"""


@pytest.fixture
def files(aws: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    (tmp_path / "credentials").write_text(CREDENTIALS)
    (tmp_path / "config").write_text(CONFIG)
    aws.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    aws.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    aws.delenv("AWS_ACCESS_KEY_ID")
    aws.delenv("AWS_SECRET_ACCESS_KEY")
    return aws


AUDIT = {
    "access_key_id": "AUDIT",
    "secret_access_key": "audit%secret",
    "session_token": "token",
    "region": "eu-central-1",
}


def test_the_profile_that_the_setting_names(files: pytest.MonkeyPatch) -> None:
    files.setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT")
    assert profile_settings("audit") == AUDIT


def test_the_profile_that_the_environment_names(files: pytest.MonkeyPatch) -> None:
    files.setenv("AWS_PROFILE", "audit")
    assert profile_settings() == AUDIT
    files.setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT")
    assert profile_settings() == {}


def test_the_default_profile_where_nothing_is_said(files: pytest.MonkeyPatch) -> None:
    found = profile_settings()
    assert found == {"access_key_id": "DEFAULT", "secret_access_key": "default-secret", "region": "eu-west-1"}
    files.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")
    assert profile_settings() == {}


def test_the_region_of_the_environment_stays(files: pytest.MonkeyPatch) -> None:
    files.setenv("AWS_REGION", "us-west-2")
    assert "region" not in profile_settings("audit")


def test_without_files_there_is_nothing_and_that_is_no_fault(aws: pytest.MonkeyPatch) -> None:
    aws.delenv("AWS_ACCESS_KEY_ID")
    assert profile_settings() == {}


@pytest.mark.parametrize(("name", "what"), [("sso", "holds no keys"), ("none", "does not exist")])
def test_a_profile_without_keys_says_how_to_get_them(name: str, what: str, files: pytest.MonkeyPatch) -> None:
    with pytest.raises(CredentialError, match=what) as caught:
        profile_settings(name)
    assert f"aws configure export-credentials --profile {name}" in (caught.value.hint or "")
