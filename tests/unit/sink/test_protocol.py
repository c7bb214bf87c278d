"""URLs of sinks: what they may be, and that no secret in one is ever shown or used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fleetctl.errors import CredentialError, FleetError, PluginError, UsageError
from fleetctl.sink.protocol import open_sink, plain_url, split_url


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("s3://bucket", ("s3", "bucket", "")),
        ("s3://bucket/a/b/", ("s3", "bucket", "/a/b/")),
        ("s3://bucket/a%20b", ("s3", "bucket", "/a b")),
        ("file:///mnt/archive", ("file", "", "/mnt/archive")),
    ],
)
def test_a_url_is_taken_apart(url: str, parts: tuple[str, str, str]) -> None:
    assert split_url(url)[:3] == parts


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bucket",
        "s3:bucket",
        "s3://",
        "s3:///x",
        "file://host/x",
        "file:///",
        "s3://b/../c",
        "s3://b/%2e%2e/c",
        "s3://b c/x",
        "s3://[b",
    ],
)
def test_what_is_no_url_of_a_sink_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        split_url(url)


@pytest.mark.parametrize(
    "url", ["s3://AKIA:hunter22@bucket/x", "s3://bucket/x?secret=hunter22", "s3://bucket/x#hunter22"]
)
def test_secrets_in_a_url_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match="must not carry") as caught:
        open_sink(url, {})
    assert "hunter22" not in f"{caught.value} {caught.value.hint}"
    assert plain_url(url) == "s3://bucket/x"


def test_equal_places_have_equal_names() -> None:
    assert plain_url("s3://bucket/x/") == plain_url("s3://bucket/x")
    assert plain_url("file:///") == "file:///"


def test_an_unknown_scheme_says_what_is_known() -> None:
    with pytest.raises(PluginError, match="unknown sink 's4'") as caught:
        open_sink("s4://bucket", {})
    assert "s3" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("s3://bucket", {"endpont": "http://x"}),
        ("s3://bucket", {"endpoint": "minio:9000"}),
        ("file:///x", {"region": "eu"}),
        ("gs://bucket", {"endpoint": "http://x"}),
        ("az://container", {}),
    ],
)
def test_options_that_make_no_sense_are_refused(
    url: str, options: dict[str, str], aws: pytest.MonkeyPatch
) -> None:
    aws.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(UsageError):
        open_sink(url, options)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("obstore", "obstore.store", "obstore.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PluginError) as caught:
        open_sink("s3://bucket", {})
    assert "pip install 'fleetctl[objects]'" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "stored", ["[default]\naws_access_key_id = hunter22\nno equals sign hunter22\n", "\xff"]
)
def test_a_damaged_credentials_file_is_named_and_not_quoted(
    stored: str, aws: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "credentials"
    path.write_text(stored, encoding="latin-1")
    aws.delenv("AWS_ACCESS_KEY_ID")
    aws.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    with pytest.raises(CredentialError) as caught:
        open_sink("s3://bucket", {})
    error: FleetError = caught.value
    assert str(path) in error.message
    assert "hunter22" not in f"{error} {error.hint}"
