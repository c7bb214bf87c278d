"""What a host would do by now that its plan does not say."""

from __future__ import annotations

from collections.abc import Sequence

from fleetctl.packages.change import Change, TroubleKind
from fleetctl.patch.plan import HostPlan, PlannedPatch, moved

__all__ = ["drift"]


def drift(share: HostPlan, now: Sequence[Change], *, already: Sequence[PlannedPatch] = ()) -> list[str]:
    """Tell how a host is otherwise than planned, one line for each package; empty where it is as planned.

    Args:
        share: the plan.
        now: the changes that what is left of the same request would make now.
        already: patches that were installed since: then less is to do, but nothing else may be.
    """
    if not share.changes and any(trouble.kind is TroubleKind.LOCKED for trouble in share.troubles):
        # Somebody was at work when it was planned, and nobody could say what would come along: then nothing may.
        asked = {(patch.name, patch.arch) for patch in share.patches}
        return moved(
            (), [c for c in now if (c.name, c.arch) not in asked or c.kind in {"remove", "downgrade"}]
        )
    if not already:
        return moved(share.changes, now)
    done = {(patch.name, patch.arch) for patch in already}
    left = {(change.name, change.arch) for change in now} - done
    return moved([change for change in share.changes if (change.name, change.arch) in left], now)
