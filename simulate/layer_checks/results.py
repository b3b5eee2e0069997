"""What is reported of a layer: one row a check, and all rows together."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """What a row says."""

    PASS = "pass"
    FAIL = "fail"
    NONE = "not applicable"


@dataclass(frozen=True)
class CheckResult:
    """One check of a layer.

    Attributes
    ----------
    part
        What the check belongs to: forward, first derivatives, ...
    check
        Its name, unlike all others of the same part.
    outcome
        Whether the layer passes, fails, or the check says nothing about it.
    measured
        The error, without unit: over the sum of the absolute values of the terms that cancel.
        None if nothing was measured; infinite where a value is not finite.
    tolerance
        The largest value that passes; None where a number is stated and not judged.
    note
        What was measured or why not, in words.
    """

    part: str
    check: str
    outcome: Status
    measured: float | None = None
    tolerance: float | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The row for JSON; a number that is not finite becomes None."""
        finite = self.measured is not None and math.isfinite(self.measured)
        return {
            "part": self.part,
            "check": self.check,
            "outcome": str(self.outcome),
            "measured": self.measured if finite else None,
            "tolerance": self.tolerance,
            "note": self.note,
        }


def judge(part: str, check: str, measured: float, tolerance: float, note: str = "") -> CheckResult:
    """A row that passes if `measured` is at most `tolerance`; NaN counts as infinite."""
    measured = math.inf if math.isnan(measured) else measured
    outcome = Status.PASS if measured <= tolerance else Status.FAIL
    return CheckResult(part, check, outcome, measured, tolerance, note)


def skip(part: str, check: str, why: str, measured: float | None = None) -> CheckResult:
    """A row that does not apply."""
    return CheckResult(part, check, Status.NONE, measured, None, why)


def reason(error: Exception) -> str:
    """The first sentence of an exception's message, with its type."""
    lines = str(error).strip().splitlines() or ["no message"]
    sentence = lines[0].split(". ")[0]
    return f"{type(error).__name__}: {sentence[:160]}"


def share(off: float) -> str:
    """How far off, in words: percents, or a power of ten where they would be 0."""
    return f"off by {off:.1%}" if off >= 1e-3 else f"off by {off:.0e}"


def attempt(
    part: str, check: str, measure: Callable[[], tuple[float, str]], tolerance: float
) -> CheckResult:
    """Judge the error that `measure` returns; what it says besides is shown if that is too large.

    A layer that raises there fails, with the reason as note.
    """
    try:
        error, meaning = measure()
    except Exception as failure:
        return CheckResult(part, check, Status.FAIL, None, tolerance, f"raises {reason(failure)}")
    row = judge(part, check, error, tolerance)
    return row if row.outcome is Status.PASS else replace(row, note=meaning)


@dataclass(frozen=True)
class Report:
    """All rows of one layer.

    Attributes
    ----------
    layer
        The module as it prints itself.
    declared
        What it was measured against, and how that was found.
    shape, device, torch
        Shape of the input, where it was computed, version of PyTorch.
    rows
        The checks in order.
    """

    layer: str
    spec: str
    shape: tuple[int, ...]
    device: str
    torch: str
    rows: tuple[CheckResult, ...]

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The rows that fail."""
        return tuple(row for row in self.rows if row.outcome is Status.FAIL)

    @property
    def passed(self) -> bool:
        """Whether no row fails."""
        return not self.failed

    def row(self, check: str) -> CheckResult:
        """The row of that name.

        Raises
        ------
        KeyError
            If there is none.
        """
        for row in self.rows:
            if row.check == check:
                return row
        raise KeyError(f"no check {check!r}; known: {', '.join(row.check for row in self.rows)}")

    def as_dict(self) -> dict[str, Any]:
        """The report for JSON."""
        return {
            "layer": self.layer,
            "spec": self.spec,
            "shape": list(self.shape),
            "device": self.device,
            "torch": self.torch,
            "passed": self.passed,
            "rows": [row.as_dict() for row in self.rows],
        }

    def lines(self) -> list[str]:
        """The report as text, one line a row."""
        shape = " x ".join(map(str, self.shape))
        found = [self.layer, f"measured against {self.spec}"]
        found.append(f"input {shape}, {self.device}, PyTorch {self.torch}")
        width = max(len(row.check) for row in self.rows)
        part = ""
        for row in self.rows:
            if row.part != part:
                part = row.part
                found += ["", part]
            found.append(_line(row, width))
        count = sum(row.outcome is not Status.NONE for row in self.rows)
        found += ["", f"{count - len(self.failed)} of {count} checks passed"]
        return found


def _line(row: CheckResult, width: int) -> str:
    word = {Status.PASS: "pass", Status.FAIL: "FAIL", Status.NONE: "n/a "}[row.outcome]
    number = "" if row.measured is None else f"{row.measured:.1e}"
    limit = "" if row.tolerance is None else f"<= {row.tolerance:.0e}"
    return f"  {word}  {row.check:{width}}  {number:>7}  {limit:8}  {row.note}".rstrip()
