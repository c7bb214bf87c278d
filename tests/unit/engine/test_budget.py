from __future__ import annotations

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.engine.budget import Limits, Quota
from fleetctl.errors import BudgetError


@given(number=st.integers(0, 10**9 - 1))
def test_a_number_is_that_many_hosts_whatever_the_total(number: int) -> None:
    quota = Quota.parse(str(number), name="--max-errors")
    assert quota.of(7) == number
    assert str(quota) == str(number)


@given(percent=st.integers(0, 100), total=st.integers(0, 100_000))
def test_a_percentage_is_rounded_down(percent: int, total: int) -> None:
    quota = Quota.parse(f"{percent}%", name="--max-errors")
    assert quota.of(total) == floor(Fraction(percent * total, 100))
    assert str(quota) == f"{percent}%"


@given(percent=st.integers(1, 100), total=st.integers(0, 1000))
def test_a_percentage_of_concurrency_is_at_least_one_host(percent: int, total: int) -> None:
    assert Quota.parse(f"{percent}%", name="--max-concurrency", least=1).of(total, least=1) == max(
        1, percent * total // 100
    )


@pytest.mark.parametrize(
    "text", ["", "%", "x", "5x", "-1", "+1", "1.5", "1.5%", "10 %", "5%%", "0x10", "٣", "1e3", "9" * 10]
)
def test_what_is_no_number_is_refused_by_name(text: str) -> None:
    with pytest.raises(BudgetError, match="--max-errors") as caught:
        Quota.parse(text, name="--max-errors")
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_spaces_around_do_no_harm() -> None:
    assert Quota.parse(" 10% ", name="--max-errors") == Quota(10, percent=True)


@pytest.mark.parametrize("text", ["101%", "1000%"])
def test_more_than_all_is_refused_not_clamped(text: str) -> None:
    with pytest.raises(BudgetError, match="100%"):
        Quota.parse(text, name="--max-errors")


@pytest.mark.parametrize("text", ["0", "0%"])
def test_no_concurrency_at_all_is_refused(text: str) -> None:
    with pytest.raises(BudgetError, match="too small"):
        Quota.parse(text, name="--max-concurrency", least=1)


def test_limits_allow_everything_to_fail_by_default() -> None:
    assert Limits().max_errors.of(500) == 500
    assert Limits().max_unreachable.of(500) == 500
