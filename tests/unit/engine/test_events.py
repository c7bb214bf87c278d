from __future__ import annotations

from fleetctl.engine.events import Audience, Event, Note


def test_everybody_is_told_in_order() -> None:
    seen: list[tuple[str, Event]] = []
    audience = Audience([lambda event: seen.append(("a", event)), lambda event: seen.append(("b", event))])
    audience.tell(Note("x"))
    assert seen == [("a", Note("x")), ("b", Note("x"))]
    assert audience.fault is None


def test_one_that_fails_is_told_no_more_and_the_others_go_on() -> None:
    seen: list[Event] = []

    def broken(event: Event) -> None:
        raise BrokenPipeError(event)

    audience = Audience([broken, seen.append])
    audience.tell(Note("x"))
    audience.tell(Note("y"))
    assert seen == [Note("x"), Note("y")]
    assert str(audience.fault) == str(BrokenPipeError(Note("x")))
