"""The contract of a resource type: what a person writes, what the host is asked, and what the answer means.

A type is one file with one pydantic form and `scripts/TYPE.sh`, which defines `check_TYPE`: a POSIX sh function that prints facts
as `key=value` lines and changes nothing. State Manager's side joins it as a function `apply_TYPE` and a method `change`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, StringConstraints

from fleetctl.resource.facts import Facts
from fleetctl.resource.verdict import Verdict

__all__ = ["Line", "Resource", "Text"]

# What a shell can be given as an argument: all but NUL.
Text = Annotated[str, StringConstraints(min_length=1, max_length=65536, pattern=r"^[^\x00]*$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00\n\r]+$")]


class Resource(BaseModel):
    """One thing on a host, as it should be.

    Attributes:
        type: its name in policies and states, and of its script.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    type: ClassVar[str]

    @property
    def name(self) -> str:
        """What it is called in sentences."""
        raise TypeError(f"{type(self).__name__} has no name")

    def words(self) -> tuple[str, ...]:
        """Return the arguments of `check_TYPE`, not quoted."""
        raise TypeError(f"{type(self).__name__} asks nothing")

    def judge(self, facts: Facts) -> Verdict:  # noqa: ARG002 - a contract
        """Say what the answer means. Pure; never raises, whatever the host printed; `facts` have no fault."""
        raise TypeError(f"{type(self).__name__} judges nothing")
