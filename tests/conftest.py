"""Options and fixtures of every test."""

from hypothesis import HealthCheck, settings

pytest_plugins = ("lab.fixtures",)

# A busy machine is no fault of the code: no deadlines; few examples, for the suite is run often.
settings.register_profile(
    "house", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")
