"""Keep out of a plan what must not come along as a dependency, and what needs it.

SSM: RejectedPatchesAction BLOCK: a rejected package is never installed, nor are packages that need it. Which ones need it is found out by
asking the package manager about ever smaller parts of the request: that works with all of them, and costs nothing where there is
nothing to keep out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from fnmatch import fnmatchcase
from typing import TypeAlias

from fleetctl.packages.change import Change, Simulation
from fleetctl.packages.model import PackageState
from fleetctl.patch.approval import Approval, Deployment
from fleetctl.patch.baseline import RejectedAction
from fleetctl.patch.candidate import Candidate
from fleetctl.patch.plan import PlannedPatch

__all__ = ["Ask", "Unwanted", "without_unwanted"]

Ask: TypeAlias = Callable[[Sequence[PlannedPatch]], Awaitable[Simulation]]
"""Asks a host's package manager what bringing these patches would change."""


class Unwanted:
    """Says why a package must not come along.

    Args:
        state: of the host.
        approval: its baseline.
        exclude: patterns of names that are never to be touched (`--exclude-package`).
    """

    def __init__(self, state: PackageState, approval: Approval, exclude: Sequence[str] = ()) -> None:
        self._facts = state.facts
        self._approval = approval
        self._blocks = approval.baseline.rejected_patches_action is RejectedAction.BLOCK
        self._exclude = tuple(exclude)
        self._updates = {update.name: update for update in state.updates}

    def why(self, change: Change) -> str:
        """Return why a change must not come along; empty if it may."""
        if change.kind in {"remove", "configure"}:
            return ""
        if any(fnmatchcase(change.name, pattern) for pattern in self._exclude):
            return "--exclude-package leaves out"
        if self._blocks and self._rejected(change):
            return f"the patch baseline '{self._approval.baseline.name}' rejects (BLOCK)"
        return ""

    def _rejected(self, change: Change) -> bool:
        update = self._updates.get(change.name)
        known = next((v for v in update.versions if v.version == change.after), None) if update else None
        if update is not None and known is not None:
            candidate = Candidate.newer(update, known, self._facts)
        else:
            candidate = Candidate(name=change.name, arch=change.arch, version=change.after, security=False)
        decision = self._approval.decide(candidate)
        return decision is not None and decision.status is Deployment.EXPLICIT_REJECTED

    def first(self, simulation: Simulation, asked: Sequence[PlannedPatch]) -> str:
        """Return the first thing that comes along and must not, as `fl-x 1.0, which ...`; empty if there is none."""
        names = {patch.name for patch in asked}
        for change in simulation.changes:
            if change.name not in names and (why := self.why(change)):
                return f"{change.name} {change.after}, which {why}"
        return ""


async def without_unwanted(
    ask: Ask, patches: Sequence[PlannedPatch], unwanted: Unwanted
) -> tuple[Simulation, dict[PlannedPatch, str]]:
    """Return what the patches change that need nothing unwanted, and why each of the others is left out.

    Args:
        ask: what the package manager says.
        patches: that are asked for.
        unwanted: what must not come along.
    """
    refused: dict[PlannedPatch, str] = {}
    kept = list(patches)
    while True:
        simulation = await ask(kept) if kept else Simulation()
        if not unwanted.first(simulation, kept):
            return simulation, refused
        refused |= await _guilty(ask, kept, simulation, unwanted)
        kept = [patch for patch in kept if patch not in refused]


async def _guilty(
    ask: Ask, patches: Sequence[PlannedPatch], simulation: Simulation, unwanted: Unwanted
) -> dict[PlannedPatch, str]:
    what = unwanted.first(simulation, patches)
    if not what or len(patches) == 1:
        return dict.fromkeys(patches, f"it needs {what}") if what else {}
    middle = len(patches) // 2
    found: dict[PlannedPatch, str] = {}
    for half in (patches[:middle], patches[middle:]):
        found |= await _guilty(ask, half, await ask(half), unwanted)
    # Neither half alone needs it, both together do: the first half may go.
    return found or dict.fromkeys(patches[middle:], f"with other patches of this plan it needs {what}")
