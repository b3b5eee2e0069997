"""Ctrl-C in the callback of a weak reference, where Python drops exceptions."""

import signal
import sys
import time
import weakref
from typing import Any

import pytest

from bnproof.theory.common import interrupts


class Thing:
    """Something that can be referred to weakly."""


def interrupted_in_a_callback() -> None:
    thing = Thing()
    reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    assert reference() is None


def test_python_drops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: dropped.append(found.exc_type))
    interrupted_in_a_callback()
    assert dropped == [KeyboardInterrupt]


def test_it_is_raised_where_the_work_goes_on() -> None:
    before = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), interrupts.kept():  # noqa: PT012
        interrupted_in_a_callback()
        time.sleep(60)  # is interrupted
        pytest.fail("the work went on")
    assert sys.unraisablehook is before


def test_it_is_raised_where_the_work_ends() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.kept():
        interrupted_in_a_callback()


def test_other_exceptions_are_reported_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: dropped.append(found.exc_type))
    with interrupts.kept():
        thing = Thing()
        reference = weakref.ref(thing, lambda _: 1 / 0)
        del thing
    assert reference() is None
    assert dropped == [ZeroDivisionError]
