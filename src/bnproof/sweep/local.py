"""Trials on this machine: one process each, so many at a time."""

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence

from bnproof.sweep.process import POLL, Outcome, Process, command


def run(
    orders: Sequence[str],
    *,
    jobs: int,
    threads: int,
    retries: int,
    seconds: float,
    command: Callable[[str], Sequence[str]] = command,
) -> Generator[tuple[int, Outcome], None, None]:
    """Carry out trials; yields the place of each in `orders`, and its outcome, as they end.

    When the iterator is closed, by Ctrl-C say, every process is asked to end and waited for.

    Parameters
    ----------
    orders
        Trials, as JSON.
    jobs
        Processes at a time.
    threads
        Threads of each.
    retries
        Further attempts at a trial whose process vanishes.
    seconds
        Time that a process has, on each attempt.
    """
    waiting = deque((place, retries) for place in range(len(orders)))
    running: dict[int, tuple[Process, int]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                place, left = waiting.popleft()
                process = Process(command(orders[place]), threads=threads, seconds=seconds)
                running[place] = process, left
            for place, (process, left) in list(running.items()):
                outcome = process.poll()
                if outcome is None:
                    continue
                del running[place]
                if outcome.status == "crashed" and left:
                    waiting.appendleft((place, left - 1))
                    continue
                if outcome.status == "crashed":
                    outcome = Outcome("failed", f"{outcome.note}, {retries + 1} times")
                yield place, outcome
            time.sleep(POLL)
    finally:
        for process, _ in running.values():
            process.stop()
        for process, _ in running.values():
            process.end()
