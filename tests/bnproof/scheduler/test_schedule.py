"""Which job is next, with an engine that only writes down what it is given."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnproof.scheduler.job import Job, Outcome
from bnproof.scheduler.schedule import run
from bnproof.theory.common.files import WriteError

DONE = Outcome("done")
CRASHED = Outcome("crashed", "its process was killed by SIGKILL")


@dataclass(eq=False)
class Toy:
    """A job whose attempts end as they are told to, the last way again and again."""

    name: str
    cost: float = 1.0
    needs: Sequence["Toy"] = ()
    ends: Sequence[Outcome] = (DONE,)
    finished: bool = False

    @property
    def key(self) -> str:
        return self.name

    def done(self) -> bool:
        return self.finished

    def carry_out(self) -> None:
        raise AssertionError("the engine of these tests carries nothing out")


@dataclass
class Notes:
    """An engine of so many places, in which jobs end in the order in which they began."""

    places: int = 1
    threads: int = 1
    begun: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    running: list[Toy] = field(default_factory=list)
    most: int = 0
    closed: bool = False

    def room(self) -> bool:
        return len(self.running) < self.places

    def start(self, job: Job, seconds: float) -> None:
        assert isinstance(job, Toy)
        assert all(need.finished for need in job.needs)
        self.begun.append(job.name)
        self.seconds.append(seconds)
        self.running.append(job)
        self.most = max(self.most, len(self.running))

    def wait(self, seconds: float) -> Sequence[tuple[Job, Outcome]]:
        job = self.running.pop(0)
        ends = job.ends[min(self.begun.count(job.name), len(job.ends)) - 1]
        job.finished = ends.status == "done"
        return [(job, ends)]

    def close(self) -> None:
        self.closed = True


def ran(*jobs: Toy, engine: Notes | None = None, **options) -> list[tuple[str, str, str]]:
    return [
        (job.name, outcome.status, outcome.note)
        for job, outcome in run(jobs, engine or Notes(), **options)
    ]


def test_the_longest_first_and_needs_before_what_needs_them() -> None:
    a, b = Toy("a", 1), Toy("b", 5)
    c = Toy("c", 9, needs=(a, b))
    engine = Notes()
    found = ran(c, Toy("d", 3), engine=engine)
    assert engine.begun == ["b", "d", "a", "c"]
    assert {status for _, status, _ in found} == {"done"}
    assert [name for name, *_ in found] == engine.begun
    assert engine.closed


def test_equal_costs_keep_their_order() -> None:
    engine = Notes()
    ran(*(Toy(name) for name in "dacb"), engine=engine)
    assert engine.begun == list("dacb")


def test_what_is_done_is_not_begun_nor_what_only_it_needs() -> None:
    seed = Toy("seed")
    engine = Notes()
    found = ran(Toy("claim", needs=(seed,), finished=True), Toy("other"), engine=engine)
    assert engine.begun == ["other"]
    assert [row[:2] for row in found] == [("claim", "kept"), ("other", "done")]


def test_jobs_of_one_key_are_one_job() -> None:
    engine = Notes()
    shared = [Toy("run"), Toy("run")]
    found = ran(*(Toy(f"seed {n}", needs=(shared[n],)) for n in (0,)), shared[1], engine=engine)
    assert engine.begun == ["run", "seed 0"]
    assert len(found) == 2


def test_a_crash_is_tried_once_more_and_then_reported_by_name() -> None:
    engine = Notes()
    found = ran(Toy("a", ends=(CRASHED, DONE)), Toy("b", ends=(CRASHED,)), engine=engine)
    assert engine.begun.count("a") == engine.begun.count("b") == 2
    assert ("a", "done", "") in found
    assert ("b", "failed", "b: its process was killed by SIGKILL, 2 times") in found
    assert ran(Toy("c", ends=(CRASHED,)), retries=0)[0][1] == "failed"
    engine = Notes()
    ran(Toy("d", ends=(CRASHED,)), engine=engine, retries=3)
    assert engine.begun == ["d"] * 4


def test_what_needs_a_failed_job_fails_with_its_note() -> None:
    seed = Toy("seed", ends=(Outcome("failed", "KeyError: 'x'", "Traceback"),))
    claim = Toy("claim", needs=(seed, Toy("fine")))
    engine = Notes()
    found = ran(claim, Toy("top", needs=(claim,)), engine=engine)
    assert engine.begun == ["seed", "fine"]
    assert ("claim", "failed", "KeyError: 'x'") in found
    assert ("top", "failed", "KeyError: 'x'") in found
    assert len(found) == 4


def test_a_job_that_finds_out_what_it_needs_waits_for_it() -> None:
    training = Toy("run")
    first, second = (
        Toy(name, ends=(Outcome("waiting", needs=(training,)), DONE)) for name in ("s", "t")
    )
    engine = Notes()
    found = ran(first, second, engine=engine)
    assert engine.begun == ["s", "run", "t", "s"] or engine.begun == ["s", "t", "run", "s", "t"]
    assert engine.begun.count("run") == 1  # two asked for it
    assert [status for _, status, _ in found] == ["done"] * 3


def test_one_that_waits_for_what_failed_fails() -> None:
    training = Toy("run", ends=(Outcome("failed", "no"),))
    late = Toy("late", cost=0.5, ends=(Outcome("waiting", needs=(training,)),))
    found = ran(training, late)
    assert ("late", "failed", "no") in found


def test_a_disk_that_refuses_ends_all() -> None:
    engine = Notes()
    bad = Toy("a", ends=(Outcome("refused", "cannot write x: No space left on device"),))
    with pytest.raises(WriteError, match="No space left"):
        ran(bad, Toy("b"), engine=engine)
    assert engine.begun == ["a"]
    assert engine.closed


def test_no_more_at_a_time_than_there_is_room_for() -> None:
    engine = Notes(places=3)
    ran(*(Toy(str(n)) for n in range(8)), engine=engine)
    assert engine.most == 3


def test_after_the_deadline_nothing_begins() -> None:
    engine = Notes()
    found = ran(Toy("a"), Toy("b"), engine=engine, deadline=time.monotonic())
    assert engine.begun == []
    assert found == [("a", "unfinished", ""), ("b", "unfinished", "")]
    assert engine.closed


def test_a_job_has_what_is_left_of_the_time() -> None:
    engine = Notes()
    ran(Toy("a"), engine=engine, limit=7.0, deadline=time.monotonic() + 1000)
    ran(Toy("b"), engine=engine, deadline=time.monotonic() + 1000)
    ran(Toy("c"), engine=engine)
    assert engine.seconds[0] == 7.0
    assert 900 < engine.seconds[1] <= 1000
    assert engine.seconds[2] == math.inf


def test_closing_the_iterator_closes_the_engine() -> None:
    engine = Notes()
    results = run([Toy("a"), Toy("b")], engine)
    next(results)
    results.close()
    assert engine.closed


def test_it_says_what_runs() -> None:
    seen: list[list[str]] = []
    watch: Callable[..., None] = lambda running: seen.append([job.name for job in running])  # noqa: E731
    ran(Toy("a"), Toy("b"), engine=Notes(places=2), watch=watch)
    assert ["a", "b"] in seen
    assert seen[-1] == []


@given(st.data())
def test_whatever_depends_on_whatever(data) -> None:
    """Every job ends once, and begins after all that it needs; the engine of `Notes` looks."""
    count = data.draw(st.integers(1, 8))
    jobs: list[Toy] = []
    for number in range(count):
        needs = data.draw(st.lists(st.sampled_from(jobs), max_size=3)) if jobs else []
        ends = data.draw(st.sampled_from([(DONE,), (CRASHED, DONE), (Outcome("failed", "x"),)]))
        jobs.append(Toy(str(number), data.draw(st.floats(0, 9)), tuple(needs), ends))
    engine = Notes(places=data.draw(st.integers(1, 3)))
    found = ran(*data.draw(st.permutations(jobs)), engine=engine)
    assert sorted(name for name, *_ in found) == sorted(job.name for job in jobs)
    for job in jobs:
        expected = all(need.finished for need in job.needs) and job.ends[-1] is DONE
        assert job.finished is expected
