"""CVEs: which hosts one is about, what is open, and the feeds that say so; no call here touches a host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetctl.fleet.inventory import InventoryCalls
from fleetctl.model import Host

if TYPE_CHECKING:
    from fleetctl.feeds.importing import Imported
    from fleetctl.feeds.model import Feed
    from fleetctl.patch.cve import Known
    from fleetctl.patch.cves import Filter

__all__ = ["CveAnswer", "CveCalls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CveAnswer:
    """What is known of CVEs on hosts.

    Attributes:
        report: JSON-ready, as `fleetctl schema cve-report` and `cves-report` say.
        exit_code: 5 where a host is affected, else 3 where it cannot be told of one, else 0.
    """

    report: dict[str, Any]
    exit_code: int


class CveCalls(InventoryCalls):
    """CVEs and feeds."""

    def import_feed(self, path: str | Path, *, dated: datetime | None = None) -> Imported:
        """Read a file and keep what it says, in the place of what was kept of that feed; on any fault all stays as it was.

        Args:
            path: OSV, Debian's tracker, Alpine's secdb, Arch's tracker, CISA KEV, or EPSS; told by its content.
            dated: of what date it is, aware; by default what it says itself, else the time of its last change.

        Raises:
            FeedError: it is no feed that is known, or a damaged one.
            StateFolderError: it cannot be kept.
        """
        from fleetctl.feeds.importing import import_file  # noqa: PLC0415

        return import_file(Path(path), self.project.state_folder(), now=datetime.now(UTC), dated=dated)

    def feeds(self) -> list[Feed]:
        """Return the feeds that are kept, by kind and scope."""
        from fleetctl.feeds.ask import feeds_of  # noqa: PLC0415

        return feeds_of(self.project.state_folder())

    def cve(
        self, cve: str, hosts: str | Sequence[Host] = "all", *, baseline: Sequence[str] = ()
    ) -> CveAnswer:
        """Say how hosts stand to a CVE, by their last scans and inventories and by the feeds that are kept.

        Args:
            cve: its id, in capital letters.
            hosts: a selector, or hosts.
            baseline: names or files that stand in for what hosts get, where it is about approved updates.

        Raises:
            SelectorError: there are no such hosts.
            StateFolderError: what is kept cannot be read.
        """
        from fleetctl.patch.cve import standings  # noqa: PLC0415
        from fleetctl.patch.cve_telling import cve_exit_code, cve_report  # noqa: PLC0415

        chosen = self.select(hosts) if isinstance(hosts, str) else tuple(hosts)
        with self._known(baseline) as known:
            found = standings(cve, chosen, known)
            report = cve_report(cve, found, known.asked, now=known.now)
        return CveAnswer(report=report, exit_code=cve_exit_code(found))

    def open_cves(
        self, hosts: str | Sequence[Host] = "all", *, wanted: Filter | None = None, top: int | None = None
    ) -> CveAnswer:
        """List the CVEs that are open on hosts, the most pressing first.

        Args:
            hosts: a selector, or hosts.
            wanted: which of them; by default all that vendors do not call unimportant.
            top: only so many.

        Raises:
            NotFoundError: `wanted` asks for a feed that is not kept.
            SelectorError, StateFolderError: as `cve`.
        """
        from fleetctl.patch.cves import Filter, ranking  # noqa: PLC0415
        from fleetctl.patch.cves_telling import cves_exit_code, cves_report  # noqa: PLC0415

        chosen = self.select(hosts) if isinstance(hosts, str) else tuple(hosts)
        with self._known(()) as known:
            told = ranking(chosen, known, wanted or Filter())
            report = cves_report(told, known.asked, now=known.now, top=top)
        return CveAnswer(report=report, exit_code=cves_exit_code(told))

    @contextmanager
    def _known(self, baseline: Sequence[str]) -> Iterator[Known]:
        from fleetctl.feeds.ask import asking  # noqa: PLC0415
        from fleetctl.patch.choose import baseline_choice  # noqa: PLC0415
        from fleetctl.patch.cve import Known  # noqa: PLC0415

        folder = self.project.state_folder()
        with asking(folder) as asked:
            yield Known(
                runs=self.runs,
                kept=self.inventory_of(),
                asked=asked,
                baselines=baseline_choice(self.project, baseline),
                state_folder=folder,
                now=datetime.now(UTC),
            )
