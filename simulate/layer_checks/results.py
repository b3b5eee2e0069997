"""Results of layer checks: one row per check, and the report of a layer."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final
from xml.etree import ElementTree


class Status(StrEnum):
    """Outcome of one check.

    Only a fault counts against a layer: a number is wrong, or something that users need raises.
    A limit is known and inherent: a transform that in-place updates or a custom backward pass do
    not support, a precision that the layer chooses, or a derivative that PyTorch's own layer gets
    wrong as well.  A note states a convention.
    """

    PASS = "pass"
    FAULT = "fault"
    LIMIT = "limit"
    NOTE = "note"
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
        Whether the layer passes, has a fault or a limit, or the check does not apply.
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
    """Return a row that passes if `measured` is at most `tolerance`; NaN counts as infinite.

    The note is that of a fault.
    """
    measured = math.inf if math.isnan(measured) else measured
    passes = measured <= tolerance
    outcome = Status.PASS if passes else Status.FAULT
    return CheckResult(part, check, outcome, measured, tolerance, "" if passes else note)


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
    part: str,
    check: str,
    measure: Callable[[], tuple[float, str]],
    tolerance: float,
    raising: Status = Status.FAULT,
) -> CheckResult:
    """Judge the error returned by `measure`, whose note is shown if the check finds a fault.

    If `measure` raises, the outcome is `raising` with the reason as its note.
    """
    try:
        error, meaning = measure()
    except Exception as failure:
        return CheckResult(part, check, raising, None, tolerance, f"raises {reason(failure)}")
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
    cause
        What is most probably wrong, in words; empty if no row has a fault.
    """

    layer: str
    spec: str
    shape: tuple[int, ...]
    device: str
    torch: str
    rows: tuple[CheckResult, ...]
    cause: str = ""

    def __str__(self) -> str:
        """The report as text, as the command prints it."""
        return "\n".join(self.lines())

    def of(self, outcome: Status) -> tuple[CheckResult, ...]:
        """The rows with this outcome."""
        return tuple(row for row in self.rows if row.outcome is outcome)

    @property
    def faults(self) -> tuple[CheckResult, ...]:
        """The rows with a fault."""
        return self.of(Status.FAULT)

    @property
    def passed(self) -> bool:
        """Whether no row has a fault."""
        return not self.faults

    def summary(self) -> str:
        """The numbers of outcomes in words, such as ``50 checks passed, 0 faults, 2 limits``."""
        counts = {outcome: len(self.of(outcome)) for outcome in Status}
        words = [f"{counts[Status.PASS]} checks passed", _count(counts[Status.FAULT], "fault")]
        others = (Status.LIMIT, Status.NOTE)
        words += [_count(counts[one], str(one)) for one in others if counts[one]]
        return ", ".join(words)

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
            "cause": self.cause,
            "rows": [row.as_dict() for row in self.rows],
        }

    def junit(self) -> str:
        """Return the report as JUnit XML: a test case per check that applies."""
        judged = [row for row in self.rows if row.outcome is not Status.NONE]
        suite = ElementTree.Element(
            "testsuite", name=self.layer, tests=str(len(judged)), failures=str(len(self.faults))
        )
        for row in judged:
            case = ElementTree.SubElement(suite, "testcase", classname=row.part, name=row.check)
            if row.outcome is Status.FAULT:
                ElementTree.SubElement(case, "failure", message=row.note).text = _line(row, 0)
            elif row.outcome in (Status.LIMIT, Status.NOTE):
                ElementTree.SubElement(case, "system-out").text = _line(row, 0)
        return ElementTree.tostring(suite, "unicode", xml_declaration=True)

    def lines(self, *, every: bool = False) -> list[str]:
        """The report as text, one line per row.

        Unless `every` is set, derivatives that have a fault or a limit are folded into one line
        each, which names the others.
        """
        shape = " x ".join(map(str, self.shape))
        lines = [self.layer, f"measured against {self.spec}"]
        lines.append(f"input {shape}, {self.device}, PyTorch {self.torch}")
        if self.cause:
            lines.append(f"most probable cause: {self.cause}")
        width = max(len(row.check) for row in self.rows)
        for part in dict.fromkeys(row.part for row in self.rows):
            lines += ["", part]
            rows = [row for row in self.rows if row.part == part]
            folded: set[Status] = set()
            for row in rows:
                if row.outcome in folded:
                    continue
                lines.append(_line(row, width))
                others = [other.check for other in rows if other.outcome is row.outcome][1:]
                if part in FOLDED and row.outcome in FOLDS and len(others) > 1 and not every:
                    folded.add(row.outcome)
                    lines.append(f"         and {len(others)} more: {_first(others)}")
        return [*lines, "", self.summary()]


def _first(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown}, ..."


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


FOLDED: Final = ("first derivatives", "second derivatives")
FOLDS: Final = (Status.FAULT, Status.LIMIT)
SHOWN: Final = 3  # names of rows that are folded
WORDS: Final = {Status.FAULT: "FAULT", Status.NONE: "n/a"}  # in the table; others as they are


def _line(row: CheckResult, width: int) -> str:
    word = f"{WORDS.get(row.outcome, row.outcome):5}"
    number = "" if row.measured is None else f"{row.measured:.1e}"
    limit = "" if row.tolerance is None else f"<= {row.tolerance:.0e}"
    return f"  {word}  {row.check:{width}}  {number:>7}  {limit:8}  {row.note}".rstrip()
