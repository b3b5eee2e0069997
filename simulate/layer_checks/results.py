"""Results of layer checks: one row per check, and the report of a layer."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum


class Status(StrEnum):
    """Outcome of one check."""

    PASS = "pass"
    FAIL = "fail"
    NONE = "not applicable"


@dataclass(frozen=True)
class CheckResult:
    """One check of a layer.

    Attributes
    ----------
    part
        The part of the report it belongs to: forward, first derivatives, ...
    check
        Its name, unique within the part.
    outcome
        Whether the layer passes, fails, or the check does not apply.
    measured
        The error relative to the sum of the absolute values of the terms that cancel.  None if
        nothing was measured; infinite if a value is not finite.
    tolerance
        The largest value that passes; None if the number is stated but not judged.
    note
        What was measured, or why not.
    """

    part: str
    check: str
    outcome: Status
    measured: float | None = None
    tolerance: float | None = None
    note: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the row as JSON data; numbers that are not finite become None."""
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
    """Return a row that passes if `measured` is at most `tolerance`; NaN counts as infinite."""
    measured = math.inf if math.isnan(measured) else measured
    outcome = Status.PASS if measured <= tolerance else Status.FAIL
    return CheckResult(part, check, outcome, measured, tolerance, note)


def skip(part: str, check: str, why: str, measured: float | None = None) -> CheckResult:
    """Return a row for a check that does not apply."""
    return CheckResult(part, check, Status.NONE, measured, None, why)


def reason(error: Exception) -> str:
    """The first sentence of an exception's message, with its type."""
    lines = str(error).strip().splitlines() or ["no message"]
    sentence = lines[0].split(". ")[0]
    return f"{type(error).__name__}: {sentence[:160]}"


def share(off: float) -> str:
    """Format a relative error: in percent, or as a power of ten below 0.1 %."""
    return f"off by {off:.1%}" if off >= 1e-3 else f"off by {off:.0e}"


def attempt(
    part: str, check: str, measure: Callable[[], tuple[float, str]], tolerance: float
) -> CheckResult:
    """Judge the error returned by `measure`, whose note is shown if the check fails.

    If `measure` raises, the check fails with the reason as its note.
    """
    try:
        error, meaning = measure()
    except Exception as failure:
        return CheckResult(part, check, Status.FAIL, None, tolerance, f"raises {reason(failure)}")
    row = judge(part, check, error, tolerance)
    return row if row.outcome is Status.PASS else replace(row, note=meaning)


@dataclass(frozen=True)
class Report:
    """All results for one layer.

    Attributes
    ----------
    layer
        The repr of the module.
    spec
        What it was measured against, and how that was determined.
    shape, device, torch
        Shape of the input, device, version of PyTorch.
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
        """Return the row of that name.

        Raises
        ------
        KeyError
            If there is no such row.
        """
        for row in self.rows:
            if row.check == check:
                return row
        raise KeyError(f"no check {check!r}; known: {', '.join(row.check for row in self.rows)}")

    def as_dict(self) -> dict[str, object]:
        """Return the report as JSON data."""
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
        """The report as text, one line per row."""
        shape = " x ".join(map(str, self.shape))
        lines = [self.layer, f"measured against {self.spec}"]
        lines.append(f"input {shape}, {self.device}, PyTorch {self.torch}")
        width = max(len(row.check) for row in self.rows)
        part = ""
        for row in self.rows:
            if row.part != part:
                part = row.part
                lines += ["", part]
            lines.append(_line(row, width))
        count = sum(row.outcome is not Status.NONE for row in self.rows)
        lines += ["", f"{count - len(self.failed)} of {count} checks passed"]
        return lines


def _line(row: CheckResult, width: int) -> str:
    word = {Status.PASS: "pass", Status.FAIL: "FAIL", Status.NONE: "n/a "}[row.outcome]
    number = "" if row.measured is None else f"{row.measured:.1e}"
    limit = "" if row.tolerance is None else f"<= {row.tolerance:.0e}"
    return f"  {word}  {row.check:{width}}  {number:>7}  {limit:8}  {row.note}".rstrip()
