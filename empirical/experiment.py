"""What an experiment on images consists of, and how measurements become evidence.

An experiment measures networks: usually one with BN, one without, and a control, which is one of
these after the effect that the statement is about has been destroyed.  Its criteria are thresholds
on the measurements, derived from the printed statement; if one was changed after measuring, the
claim's remark says so.  The statement holds if all criteria are satisfied.  The control,
substituted for the network that it was derived from, must get the opposite answer.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bnproof.empirical.trial import RESNET, SIZES, Size, Trial
from bnproof.theory.claim import Claim, Evidence, Kind, Scale

WITH, WITHOUT, CONTROL = "with BN", "without BN", "control"
NETS = (WITH, WITHOUT, CONTROL)

# Measured: network -> quantity -> one number or a row of numbers.
Measured = Mapping[str, Mapping[str, Any]]
Series = Mapping[str, Mapping[str, NDArray[np.float64]]]


@dataclass(frozen=True)
class Criterion:
    """A threshold on the median over seeds of one quantity of one network.

    If the quantity is a row (one number per layer), every entry must satisfy it.

    Raises
    ------
    ValueError
        Unless exactly one of `at_least` and `at_most` is given.
    """

    net: str
    quantity: str
    words: str
    _: KW_ONLY
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"{self.words}: give one of at_least and at_most")

    def value(self, medians: Series) -> float:
        """Return the entry closest to violating the threshold, or furthest beyond it."""
        row = medians[self.net][self.quantity]
        return float(np.min(row) if self.at_least is not None else np.max(row))

    def satisfied(self, value: float) -> bool:
        """Return whether `value` is on the right side of the threshold; NaN never is."""
        if self.at_least is not None:
            return value >= self.at_least
        return self.at_most is not None and value <= self.at_most

    @property
    def asked(self) -> str:
        """The threshold in words."""
        if self.at_least is not None:
            return f"at least {self.at_least:.3g}"
        return f"at most {self.at_most:.3g}"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A check that measures networks on images; a member of `Claim.checks`.

    Attributes
    ----------
    run
        Measures one `Trial`: for each network, one of them `CONTROL`, quantities by name.
    criteria
        What the printed statement requires of the numbers.
    control
        How the control was made, in words.  The control of a statement that is true must fail the
        criteria; that of a statement that is false must satisfy them.
    draw
        Draws the evidence on a figure and returns its text alternative.
    printed
        The numbers that the source prints, in the form that `run` returns, for comparison.
    positions
        What the entries of a row refer to, such as ``{"layer": (18, 54, 90)}``.
    plot_only
        Quantities that are only drawn, and left out of `Evidence.numbers`.
    made_of
        The network that the control is derived from and replaces in the criteria.
    networks
        Provenance of the networks.
    data
        Name of the data set, if it is not the given images.
    sizes
        What each scale means.  With `Size.updates` the experiment trains: `verify` then judges
        the published measurements, and `bnproof experiment run` measures.
    """

    run: Callable[[Trial], Measured]
    criteria: tuple[Criterion, ...]
    control: str
    draw: Callable[[Figure, Evidence], str]
    printed: Measured = field(default_factory=dict)
    positions: Mapping[str, Sequence[int]] = field(default_factory=dict)
    plot_only: frozenset[str] = frozenset()
    made_of: str = WITHOUT
    networks: Mapping[str, str] = field(default_factory=lambda: RESNET)
    data: str = ""
    sizes: Mapping[Scale, Size] = field(default_factory=lambda: SIZES)

    @property
    def trains(self) -> bool:
        """Whether networks are trained, which takes too long for `verify`."""
        return any(size.updates for size in self.sizes.values())


def judge(
    experiment: Experiment,
    series: Series,
    *,
    where: str,
    provenance: Mapping[str, Any] | None = None,
) -> Evidence:
    """Turn measurements, seed along the first axis, into evidence."""
    medians = {
        net: {name: np.median(values, axis=0) for name, values in quantities.items()}
        for net, quantities in series.items()
    }
    in_control = medians | {experiment.made_of: medians[CONTROL]}
    seeds = [
        {net: {name: values[seed] for name, values in rows.items()} for net, rows in series.items()}
        for seed in range(_count(series))
    ]
    rows: list[dict[str, Any]] = []
    for criterion in experiment.criteria:
        value, control = criterion.value(medians), criterion.value(in_control)
        rows.append(
            {
                "words": criterion.words,
                "asked": criterion.asked,
                "value": value,
                "satisfied": criterion.satisfied(value),
                "seeds that satisfy it": sum(
                    criterion.satisfied(criterion.value(seed)) for seed in seeds
                ),
                "control value": control,
                "control satisfied": criterion.satisfied(control),
            }
        )
    finite = all(math.isfinite(row[name]) for row in rows for name in ("value", "control value"))
    holds = all(row["satisfied"] for row in rows) if finite else None
    failing = next((row for row in rows if not row["control satisfied"]), None)
    values = "; ".join(f"{row['words']} {row['value']:.3g} (asked: {row['asked']})" for row in rows)
    answer = "passes"
    if failing is not None:
        answer = f"does not pass: {failing['words']} {failing['control value']:.3g}"
    return Evidence(
        kind=Kind.EXPERIMENT,
        holds=holds,
        control_differs=holds is not None and holds == (failing is not None),
        summary=f"On {where}: {values}; the control {answer}.",
        numbers=_numbers(experiment, series, medians, rows),
        # n values lie on one side of their law's median with probability 2^-n each way.
        provenance={
            **(provenance or {}),
            "confidence that the range over seeds covers the median": 1 - 2.0 ** (1 - len(seeds)),
        },
        series=series,
    )


def draw(fig: Figure, claim: Claim, evidence: Evidence) -> str:
    """Draw the evidence of the claim's experiment on `fig`; return the text alternative.

    Raises
    ------
    ValueError
        If the claim has no experiment.
    """
    return experiment_of(claim).draw(fig, evidence)


def experiment_of(claim: Claim) -> Experiment:
    """The experiment among the checks of `claim`.

    Raises
    ------
    ValueError
        If it has none.
    """
    experiment: Experiment | None = claim.check_of(Experiment)
    if experiment is None:
        raise ValueError(f"{claim.id}: has no experiment among its checks")
    return experiment


def _count(series: Series) -> int:
    return min(len(values) for rows in series.values() for values in rows.values())


def _numbers(
    experiment: Experiment, series: Series, medians: Series, rows: list[dict[str, Any]]
) -> dict[str, Any]:
    measured = {
        net: {
            name: {
                "median": _plain(medians[net][name]),
                "smallest": _plain(values.min(axis=0)),
                "largest": _plain(values.max(axis=0)),
            }
            for name, values in quantities.items()
            if name not in experiment.plot_only
        }
        for net, quantities in series.items()
    }
    return {
        "criteria": [{name: _plain(value) for name, value in row.items()} for row in rows],
        "measured": measured,
        "printed": {net: dict(values) for net, values in experiment.printed.items()},
        "positions": {name: list(values) for name, values in experiment.positions.items()},
    }


def _plain(value: Any) -> Any:
    """Convert numbers and arrays for JSON; NaN and infinity, which JSON lacks, become None."""
    if isinstance(value, np.ndarray):
        return [_plain(entry) for entry in value] if value.ndim else _plain(value.item())
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
