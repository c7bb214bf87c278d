"""Which servers are known to get what wrong."""

import pytest

from fleetctl.transport.quirks import one_command_at_a_time


@pytest.mark.parametrize(
    ("version", "alone"),
    [
        ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", False),
        ("SSH-2.0-dropbear_2020.81", False),
        ("SSH-2.0-dropbear_2022.82", True),
        ("SSH-2.0-dropbear_2022.83", True),
        ("SSH-2.0-dropbear_2024.85", True),
        ("SSH-2.0-dropbear_2024.86", False),
        ("SSH-2.0-dropbear_2025.88", False),
        ("SSH-2.0-dropbear", True),
        ("", False),
    ],
)
def test_commands_follow_one_another_where_a_second_one_breaks_the_connection(
    version: str, *, alone: bool
) -> None:
    assert one_command_at_a_time(version) is alone
