"""Ctrl-C and SIGTERM during training: the step is finished first."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stoppable() -> Iterator[list[int]]:
    """Collect Ctrl-C and SIGTERM in a list that the loop checks between steps."""
    wish: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        wish.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
