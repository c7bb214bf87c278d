"""Options and fixtures of every test."""

import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ("lab.fixtures", "bucket.fixtures")

# A busy machine is no fault of the code: no deadlines; few examples, for the suite is run often.
settings.register_profile(
    "house", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")


class FleetIsRequired:
    """Fail the session when a test of the fleet was skipped: in CI a skipped test is a test that nobody runs."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and "fleet" in report.keywords and not hasattr(report, "wasxfail"):
            why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.skipped.append(f"{report.nodeid}: {why}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.skipped:
            terminalreporter.write_line(f"fleet test skipped, but the fleet is required: {line}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    required = os.environ.get("CI", "") not in {"", "0", "false"} or "FLEETCTL_REQUIRE_FLEET" in os.environ
    if required and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FleetIsRequired())
