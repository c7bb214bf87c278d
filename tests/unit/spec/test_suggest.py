"""Guesses of what was meant."""

from __future__ import annotations

from fleetctl.spec.suggest import did_you_mean, near

HOSTS = [f"web-{number:03}" for number in range(1, 130)]


def test_a_number_without_its_zeros_means_the_one_with_them() -> None:
    assert near("web-1", HOSTS) == ["web-001"]
    assert near("web-0012", HOSTS) == ["web-012"]


def test_without_such_a_number_the_nearest_words_are_named() -> None:
    assert did_you_mean("prot", ["port", "user"]) == "did you mean 'port'?"
    assert did_you_mean("x", ["port", "user"]) == "known: port, user"
    assert did_you_mean("x", []) is None
