"""What is made ready once decides as a plain look at every pattern and every value does."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from fleetctl.packages.model import Advisory
from fleetctl.patch.baseline import FilterKey, Filters
from fleetctl.patch.candidate import Candidate
from fleetctl.patch.matching import conditions_of, fit, list_of

WORDS = st.sampled_from(["a", "A", "ab", "lib-a", "a.b", "1.0", "1", "CVE-2024-1", "cve-2024-12", "x[1]"])
GLOBS = WORDS | st.text("aAbx1.*?-[]", min_size=1, max_size=6)
ADVISORIES = st.builds(
    Advisory,
    id=WORDS,
    classification=WORDS | st.just(""),
    severity=WORDS | st.just(""),
    cve_ids=st.lists(WORDS, max_size=2).map(tuple),
    bugzilla_ids=st.lists(WORDS, max_size=1).map(tuple),
)
CANDIDATES = st.builds(
    Candidate,
    name=WORDS,
    arch=st.sampled_from(["all", "amd64"]),
    version=st.sampled_from(["1.0-1", "1:1.0-1", "1", "a"]),
    security=st.booleans(),
    repositories=st.lists(WORDS, max_size=2).map(tuple),
    advisories=st.lists(ADVISORIES, max_size=2).map(tuple),
)


@given(entries=st.lists(GLOBS, max_size=4).map(tuple), candidate=CANDIDATES)
def test_a_list_names_what_one_of_its_entries_names(entries, candidate):
    def named(entry: str) -> bool:
        # In lists of patches, brackets stand for themselves.
        pattern = entry.casefold().replace("[", "[[]")
        return any(fnmatchcase(name.casefold(), pattern) for name in candidate.names())

    ready = list_of(entries)
    assert ready.names(candidate) is any(named(entry) for entry in entries)
    assert ready.entry(candidate) == next((entry for entry in entries if named(entry)), "")


@given(
    values=st.dictionaries(
        st.sampled_from(FilterKey), st.lists(GLOBS | st.just("*"), max_size=3).map(tuple), max_size=3
    ),
    candidate=CANDIDATES,
)
def test_filters_fit_where_each_key_has_a_value_that_one_of_its_patterns_fits(values, candidate):
    def fits(key: FilterKey, globs: tuple[str, ...]) -> bool:
        return "*" in globs or any(
            fnmatchcase(value.casefold(), glob.casefold())
            for value in candidate.values(key)
            for glob in globs
        )

    wanted = all(fits(key, globs) for key, globs in values.items())
    assert fit(conditions_of(Filters(values)), candidate) is wanted
