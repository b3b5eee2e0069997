"""Ctrl-C that is not lost."""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

PAUSE: Final = 0.01  # seconds: the callback that dropped an interrupt is over then


@contextmanager
def kept() -> Iterator[None]:
    """Send an interrupt again that Python drops.

    An exception in the callback of a weak reference or in a destructor is reported and forgotten.
    If Ctrl-C falls there, so would the `KeyboardInterrupt` be, and the program would go on.
    """
    before = sys.unraisablehook
    pending: list[threading.Timer] = []

    def send_again() -> None:
        pending.append(threading.Timer(PAUSE, _interrupt))
        pending[-1].start()

    def hook(dropped: Any) -> None:
        if not isinstance(dropped.exc_value, KeyboardInterrupt):
            before(dropped)
            return
        try:
            send_again()
        except KeyboardInterrupt:  # on a busy machine it can arrive while the timer starts
            send_again()

    sys.unraisablehook = hook
    try:
        yield
        for timer in pending:
            timer.join()  # here at the latest it is raised
    finally:
        for timer in pending:
            timer.cancel()
        sys.unraisablehook = before


@contextmanager
def collected() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list instead of acting on them."""
    arrived: list[int] = []
    before = {
        number: signal.signal(number, lambda received, _: arrived.append(received))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interruptible(arrived: Sequence[int] = ()) -> Iterator[None]:
    """Let SIGINT and SIGTERM end a block at once, inside one that collects them.

    Parameters
    ----------
    arrived
        Signals collected so far: if there are any, the block is not begun.

    Raises
    ------
    KeyboardInterrupt
        At the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        if arrived:
            raise KeyboardInterrupt
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def deferred() -> Iterator[None]:
    """Postpone SIGINT and SIGTERM to the end of a block that must not stay half done.

    Only the main thread receives them; in other threads this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with collected() as arrived:
        yield
    if arrived:
        signal.raise_signal(arrived[0])


def _interrupt() -> None:
    """Do what Ctrl-C does; unlike `_thread.interrupt_main` it ends a wait of the main thread."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)
