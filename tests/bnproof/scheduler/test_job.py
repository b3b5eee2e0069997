"""What becomes of one attempt at a job, whatever it raises."""

import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from bnproof.scheduler.job import Job, Outcome, WaitError, attempt, captured
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.files import WriteError


def job(work: Callable[[], object]) -> Job:
    return SimpleNamespace(carry_out=work)


def raising(error: BaseException) -> Job:
    def work() -> None:
        print("so far", file=sys.stderr)
        raise error

    return job(work)


def test_an_interrupted_job_is_unfinished_wherever_it_runs() -> None:
    """Never done, and not failed either: it can be resumed."""
    with pytest.raises(KeyboardInterrupt):
        attempt(raising(KeyboardInterrupt()), float("inf"))
    found = captured(raising(KeyboardInterrupt()), float("inf"))
    assert found == Outcome("unfinished", "interrupted", log="so far\n")


@pytest.mark.parametrize(
    ("error", "status", "note"),
    [
        (WriteError("cannot write x: full"), "refused", "cannot write x: full"),
        (UserError("seed -1: no"), "failed", "seed -1: no"),
        (FileNotFoundError(2, "No such file", "x"), "failed", "x"),
        (KeyError("x"), "failed", "KeyError: 'x'"),
    ],
)
def test_an_error_is_told_by_its_kind(error: Exception, status: str, note: str) -> None:
    found = captured(raising(error), float("inf"))
    assert found.status == status
    assert note in found.note
    assert found.log.startswith("so far\n")
    assert ("Traceback" in found.log) is isinstance(error, KeyError)  # only that one is a bug


def test_what_is_done_and_what_waits() -> None:
    assert captured(job(lambda: None), float("inf")) == Outcome("done")
    first = job(lambda: None)
    assert attempt(raising(WaitError([first])), float("inf")).needs == (first,)
