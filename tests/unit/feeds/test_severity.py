"""Severities: vendors' words, and CVSS 3 vectors (scores by FIRST's own examples)."""

import pytest

from fleetctl.feeds.severity import severity_of, severity_word


@pytest.mark.parametrize(
    ("vector", "severity"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", "critical"),  # 10.0
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "critical"),  # 9.8
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", "high"),  # 7.5 (Heartbleed)
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", "medium"),  # 6.1
        ("CVSS:3.0/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", "low"),  # 3.1 (POODLE)
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", ""),  # 0.0
        ("CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H", "high"),  # 7.2
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", ""),
        ("CVSS:3.1/AV:N", ""),
        ("nonsense", ""),
    ],
)
def test_a_vector_has_the_severity_of_its_base_score(vector, severity):
    assert severity_of(vector) == severity


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("Important", "high"),
        ("Moderate", "medium"),
        ("negligible", "unimportant"),
        ("LOW", "low"),
        ("odd", ""),
    ],
)
def test_vendors_words_become_ours(word, ours):
    assert severity_word(word) == ours
