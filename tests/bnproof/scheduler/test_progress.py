"""The line at the foot of a terminal: k of n, what runs, the time that is left; none elsewhere."""

import io
import sys
from dataclasses import dataclass

import pytest

from bnproof.scheduler import progress as module
from bnproof.scheduler.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Toy:
    name: str
    cost: float = 1.0

    @property
    def key(self) -> str:
        return self.name


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def last(terminal: io.StringIO) -> str:
    return terminal.getvalue().rpartition("\r")[-1].rstrip()


def test_on_a_terminal(clock, monkeypatch, capsys) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "70")
    a, b, c = Toy("bjorck_fig3, seed 2", 30), Toy("santurkar_4_1", 10), Toy("bn_jacobian", 10)
    shown = Progress("claims", 2, [a, b, c])
    shown.watch([a, b])
    assert last(terminal) == "0 of 2 claims; bjorck_fig3, seed 2; santurkar_4_1"
    clock[0] = 5.0
    shown.ended(b, "", "santurkar_4_1  proved  1.0 s")
    shown.watch([a])
    # A fifth of the work took 5 s.
    assert last(terminal) == "1 of 2 claims; 20 s left; bjorck_fig3, seed 2"
    clock[0] = 100.0
    shown.watch([a, c, Toy("a run that bjorck_fig3 found out to need", 50)])
    line = last(terminal)
    assert line.startswith("1 of 2 claims; 15 min left; bjorck_fig3, seed 2; bn_jac")
    assert len(line) == 69
    shown.close()
    assert last(terminal) == ""
    assert capsys.readouterr().out == "santurkar_4_1  proved  1.0 s\n"


def test_elsewhere_there_are_only_lines(capsys) -> None:
    job = Toy("a")
    shown = Progress("claims", 1, [job])
    shown.watch([job])
    shown.ended(job, "a warning\n", "a  proved  1.0 s")
    shown.watch([])
    shown.close()
    assert capsys.readouterr() == ("a  proved  1.0 s\n", "a warning\n")
