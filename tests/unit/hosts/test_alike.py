"""What is said of many hosts, told once."""

from __future__ import annotations

import pytest

from fleetctl.hosts.alike import for_all, general, who


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("web-1: 10.0.0.1:22 refused the connection", "web-2: 10.0.0.2:2222 refused the connection"),
        ("[::1]:22 is not in known_hosts", "[fe80::2%eth0]:2222 is not in known_hosts"),
        ("it offers ssh-ed25519 SHA256:abc+/=", "it offers ssh-ed25519 SHA256:xyz"),
    ],
)
def test_texts_that_differ_only_in_name_address_and_key_are_the_same_in_general(one: str, other: str) -> None:
    assert general(one, "web-1") == general(other, "web-2")


def test_a_name_inside_another_name_stays() -> None:
    assert (
        general("web-1 asks web-1.example.net and web-10", "web-1") == "{} asks web-1.example.net and web-10"
    )


def test_a_remedy_of_fleetctl_is_for_all_and_that_of_another_program_for_the_first() -> None:
    remedy = "fleetctl hosts trust web-1\nssh web-1 uptime"
    assert for_all(remedy, ["web-1", "web-2"]) == "fleetctl hosts trust 'web-[1-2]'\nssh web-1 uptime"
    assert for_all(remedy, ["web-1"]) == remedy


def test_many_hosts_are_folded_and_counted() -> None:
    assert who(["web-1"]) == "web-1"
    assert who(["web-1", "web-2"]) == "web-[1-2] (2 hosts), such as web-1"
