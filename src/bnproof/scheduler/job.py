"""A unit of work, and how an attempt at it ended; imports nothing heavy."""

import io
import signal
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from types import FrameType
from typing import Final, Literal, Protocol

from bnproof.theory.common.errors import UserError, described
from bnproof.theory.common.files import WriteError

GRACE: Final = 60.0  # seconds that a job has for its step and checkpoint before it is killed


class Job(Protocol):
    """A unit of work whose result lies on disk; it can be pickled."""

    @property
    def key(self) -> str:
        """Hash of everything that the result depends on: jobs of one key are one job."""

    @property
    def name(self) -> str:
        """What a person calls it."""

    @property
    def cost(self) -> float:
        """About how many seconds it takes; decides nothing but the order."""

    @property
    def needs(self) -> "Sequence[Job]":
        """Jobs whose results it reads."""

    def done(self) -> bool:
        """Whether its result is there."""

    def carry_out(self) -> None:
        """Do the work, or what is left of it, and write the result.

        Raises
        ------
        WaitError
            If it needs results that are not there yet.
        """


class WaitError(Exception):
    """A job found out that it needs other jobs first."""

    def __init__(self, needs: Sequence[Job]) -> None:
        super().__init__(f"needs {len(needs)} other jobs")
        self.needs = tuple(needs)


@dataclass(frozen=True)
class Outcome:
    """How an attempt at a job ended.

    Attributes
    ----------
    status
        ``"done"``; ``"kept"``: its result was there before; ``"failed"``, as it would again;
        ``"unfinished"``: stopped, and can be resumed; ``"crashed"``: its process vanished, and
        another attempt may succeed; ``"refused"``: its folder cannot be written, nor can those of
        others; ``"waiting"`` for `needs`.
    note
        One line.
    log
        What it wrote to standard error, with the traceback of a fault of the program.
    needs
        Jobs that it found out to need.
    """

    status: Literal["done", "kept", "failed", "unfinished", "crashed", "refused", "waiting"]
    note: str = ""
    log: str = ""
    needs: tuple[Job, ...] = ()


def attempt(job: Job, seconds: float) -> Outcome:
    """Work on a job in this process for at most so many seconds.

    Raises
    ------
    KeyboardInterrupt
        After SIGINT, unless it came because the time is over.
    """
    late: list[int] = []
    try:
        with _limited(seconds, late):
            job.carry_out()
    except WaitError as wait:
        return Outcome("waiting", needs=wait.needs)
    except KeyboardInterrupt:
        if not late:
            raise
        return Outcome("unfinished", f"stopped after {seconds:g} s")
    except WriteError as error:
        return Outcome("refused", described(error))
    except (UserError, OSError) as error:  # no fault of the program
        return Outcome("failed", described(error))
    except Exception as error:
        return Outcome("failed", described(error), traceback.format_exc())
    return Outcome("done")


def captured(job: Job, seconds: float) -> Outcome:
    """As `attempt`; what the job writes to standard error is the outcome's log."""
    with redirect_stderr(io.StringIO()) as messages:
        try:
            outcome = attempt(job, seconds)
        except KeyboardInterrupt:
            outcome = Outcome("unfinished", "stopped from outside")
    return replace(outcome, log=messages.getvalue() + outcome.log)


@contextmanager
def _limited(seconds: float, late: list[int]) -> Iterator[None]:
    """Interrupt this process, as Ctrl-C does, when the time is over; `late` is then not empty."""

    def ring(number: int, _frame: FrameType | None) -> None:
        late.append(number)
        signal.raise_signal(signal.SIGINT)

    if seconds == float("inf"):
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
