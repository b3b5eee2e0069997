"""How the end of a Ray task is told, with Ray's exceptions but without a cluster."""

from types import SimpleNamespace

import pytest

from bnproof.scheduler.job import Outcome
from bnproof.scheduler.on_ray import Ray


class RayError(Exception):
    """As in Ray, the base of the others."""


class TaskCancelledError(RayError):
    pass


class RayTaskError(RayError):
    pass


class WorkerCrashedError(RayError):
    pass


@pytest.fixture
def engine() -> Ray:
    def get(task: object) -> object:
        if isinstance(task, Exception):
            raise task
        return task

    names = (RayError, TaskCancelledError, RayTaskError)
    made = object.__new__(Ray)
    made._ray = SimpleNamespace(
        get=get, exceptions=SimpleNamespace(**{name.__name__: name for name in names})
    )
    return made


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (Outcome("done", log="one line"), Outcome("done", log="one line")),
        (TaskCancelledError(), Outcome("unfinished", "interrupted")),
        (RayTaskError("Traceback\nKeyError: 'x'\n"), Outcome("failed", "KeyError: 'x'")),
        (
            WorkerCrashedError("out of memory\nmore"),
            Outcome("crashed", "WorkerCrashedError: out of memory"),
        ),
    ],
)
def test_an_interrupt_is_unfinished_and_a_death_is_a_crash(
    engine: Ray, end: object, outcome: Outcome
) -> None:
    assert engine._outcome(end) == outcome
