"""What is said of this machine."""

from __future__ import annotations

import resource

import keyring
import pytest
from keyring.backends import chainer, null

from fleetctl.doctor.machine import examine_machine
from fleetctl.doctor.model import State


def test_a_concurrency_beyond_the_limit_of_open_files_is_a_warning() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("open files are not limited here")
    found = {one.check: one for one in examine_machine(max_concurrency=hard)}
    assert found["open-files"].state is State.WARN
    assert "run.max_concurrency" in found["open-files"].remedy


def test_few_hosts_at_once_need_few_open_files() -> None:
    found = {one.check: one for one in examine_machine(max_concurrency=1)}
    assert found["open-files"].state is State.OK
    assert found["clock"].state is State.OK


def test_a_keyring_is_named_and_the_lack_of_one_is_no_fault() -> None:
    before = keyring.get_keyring()
    try:
        keyring.set_keyring(null.Keyring())
        without = {one.check: one for one in examine_machine(max_concurrency=1)}["keyring"]
        keyring.set_keyring(chainer.ChainerBackend())
        named = {one.check: one for one in examine_machine(max_concurrency=1)}["keyring"]
    finally:
        keyring.set_keyring(before)
    assert (without.state, named.state) == (State.INFO, State.OK)
