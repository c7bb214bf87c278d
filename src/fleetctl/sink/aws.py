"""Credentials for S3 from where operators have them: a profile of `~/.aws/`.

obstore itself takes the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`), web identity and container
credentials, and those of an EC2 instance. It knows no files, so static keys are read from them here.
"""

from __future__ import annotations

import configparser
import os
from pathlib import Path

from fleetctl.errors import CredentialError

__all__ = ["profile_settings"]

_KEYS = {
    "access_key_id": "aws_access_key_id",
    "secret_access_key": "aws_secret_access_key",
    "session_token": "aws_session_token",
}
# Whoever set one of these wants credentials from there, not from a file.
_ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def profile_settings(name: str = "") -> dict[str, str]:
    """Return `access_key_id`, `secret_access_key`, `session_token` and `region` of a profile, as far as it has them.

    Args:
        name: of the profile. Empty: `AWS_PROFILE`, else `default`, which is left aside where the environment has credentials.

    Raises:
        CredentialError: there is no such profile, or it holds no keys.
    """
    wanted = name or os.environ.get("AWS_PROFILE", "")
    if not wanted and any(os.environ.get(variable) for variable in _ENVIRONMENT):
        return {}
    if not name and os.environ.get("AWS_ACCESS_KEY_ID"):
        return {}  # as every AWS tool does: keys in the environment win over AWS_PROFILE
    profile = wanted or "default"
    credentials = _section("AWS_SHARED_CREDENTIALS_FILE", "credentials", profile)
    config = _section("AWS_CONFIG_FILE", "config", profile if profile == "default" else f"profile {profile}")
    merged = {**config, **credentials}
    found = {key: merged[stored] for key, stored in _KEYS.items() if merged.get(stored)}
    if wanted and not {"access_key_id", "secret_access_key"} <= set(found):
        what = "holds no keys" if merged else "does not exist"
        raise CredentialError(
            f"the AWS profile '{wanted}' {what}",
            hint=f'for SSO and roles: eval "$(aws configure export-credentials --profile {wanted} --format env)"',
        )
    region = merged.get("region")
    if region and not (os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")):
        found["region"] = region
    return found


def _section(variable: str, name: str, section: str) -> dict[str, str]:
    path = Path(os.environ.get(variable) or Path("~/.aws", name)).expanduser()
    parser = configparser.RawConfigParser()
    try:
        with path.open(encoding="utf-8") as file:
            parser.read_file(file)
    except OSError:
        return {}
    except (configparser.Error, UnicodeDecodeError) as exc:
        # The parser's own message quotes the line, which may be a secret.
        raise CredentialError(f"{path} cannot be read: it is no AWS configuration") from exc
    return dict(parser.items(section)) if parser.has_section(section) else {}
