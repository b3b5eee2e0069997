"""Ctrl-C in the callback of a weak reference, where Python drops exceptions."""

import signal
import sys
import threading
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_deferred_it_comes_after_the_block(number: signal.Signals) -> None:
    steps = []
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012
            with interrupts.deferred():
                signal.raise_signal(number)
                steps.append("whole")
            pytest.fail("the interrupt was lost")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert steps == ["whole"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_deferred_does_nothing_in_other_threads() -> None:
    def work() -> None:
        with interrupts.deferred():
            done.append(signal.getsignal(signal.SIGINT))

    done: list[object] = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.default_int_handler]
