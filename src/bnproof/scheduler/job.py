"""Jobs and the outcomes of attempts to run them; imports nothing heavy."""

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

GRACE: Final = 60.0  # seconds to finish a step and write a checkpoint before being killed


class Job(Protocol):
    """A picklable unit of work whose result is stored on disk."""

    @property
    def key(self) -> str:
        """Hash of everything that the result depends on; jobs with equal keys are the same."""

    @property
    def name(self) -> str:
        """Name to display."""

    @property
    def cost(self) -> float:
        """Estimated time in seconds, used only to order jobs."""

    @property
    def needs(self) -> "Sequence[Job]":
        """Jobs that must be finished first."""

    def done(self) -> bool:
        """Whether the result exists."""

    def carry_out(self) -> None:
        """Do the work, or resume it, and write the result.

        Raises
        ------
        WaitError
            If the job needs results that do not exist yet.
        """


class WaitError(Exception):
    """Raised by a running job that needs other jobs to finish first."""

    def __init__(self, needs: Sequence[Job]) -> None:
        super().__init__(f"needs {len(needs)} other jobs")
        self.needs = tuple(needs)


@dataclass(frozen=True)
class Outcome:
    """Outcome of an attempt to run a job.

    Attributes
    ----------
    status
        ``"done"``; ``"kept"`` if the result existed already; ``"failed"`` if another attempt would
        fail too; ``"unfinished"`` if it was stopped and can be resumed; ``"crashed"`` if its
        process died, so that another attempt may succeed; ``"refused"`` if the folder is not
        writable, which concerns all jobs; ``"waiting"`` for `needs`.
    note
        Explanation in one line.
    log
        Output on standard error, with the traceback if there was a bug.
    needs
        Jobs to wait for.
    """

    status: Literal["done", "kept", "failed", "unfinished", "crashed", "refused", "waiting"]
    note: str = ""
    log: str = ""
    needs: tuple[Job, ...] = ()


def attempt(job: Job, seconds: float) -> Outcome:
    """Run a job in this process, for at most `seconds`.

    Raises
    ------
    KeyboardInterrupt
        After SIGINT, unless it was caused by the time limit.
    """
    alarms: list[int] = []
    try:
        with _time_limit(seconds, alarms):
            job.carry_out()
    except WaitError as wait:
        return Outcome("waiting", needs=wait.needs)
    except KeyboardInterrupt:
        if not alarms:
            raise
        return Outcome("unfinished", f"stopped after {seconds:g} s")
    except WriteError as error:
        return Outcome("refused", described(error))
    except (UserError, OSError) as error:  # not a bug
        return Outcome("failed", described(error))
    except Exception as error:
        return Outcome("failed", described(error), traceback.format_exc())
    return Outcome("done")


def captured(job: Job, seconds: float) -> Outcome:
    """Like `attempt`, but capture standard error as the outcome's log."""
    with redirect_stderr(io.StringIO()) as messages:
        try:
            outcome = attempt(job, seconds)
        except KeyboardInterrupt:
            outcome = Outcome("unfinished", "interrupted")
    return replace(outcome, log=messages.getvalue() + outcome.log)


@contextmanager
def _time_limit(seconds: float, alarms: list[int]) -> Iterator[None]:
    """Interrupt this process like Ctrl-C after `seconds`, and then append to `alarms`."""

    def ring(number: int, _frame: FrameType | None) -> None:
        alarms.append(number)
        # What a shell starts in the background ignores SIGINT.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            raise KeyboardInterrupt
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
