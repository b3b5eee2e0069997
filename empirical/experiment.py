"""What an experiment on images consists of, and how measurements become evidence.

An experiment measures networks: usually one with BN, one without, and a control, which is one of
these after the effect that the statement is about has been destroyed.  Its criteria are thresholds
on the measurements, derived from the printed statement; if one was changed after measuring, the
claim's remark says so.

Seeds are a sample: a criterion is decided by an exact confidence interval for the median of its
quantity over seeds, and is undecided if the threshold lies inside.  The statement holds if all
criteria are satisfied, and fails if one is not.  The control, substituted for the network that it
was derived from, must get the opposite answer.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bnproof.empirical.trial import RESNET, SIZES, Size, Trial
from bnproof.theory.claim import Claim, Evidence, Kind, Scale

WITH, WITHOUT, CONTROL = "with BN", "without BN", "control"
NETS = (WITH, WITHOUT, CONTROL)
CONFIDENCE = "confidence in each end of an interval"
RISK = 0.05  # that the median over seeds lies on the other side of an end of its interval

# Measured: network -> quantity -> one number or a row of numbers.
Measured = Mapping[str, Mapping[str, Any]]
Series = Mapping[str, Mapping[str, NDArray[np.float64]]]


@dataclass(frozen=True)
class Criterion:
    """A threshold on the median over seeds of one quantity of one network.

    If the quantity is a row (one number per layer), every entry must satisfy it: for each seed the
    entry furthest to the wrong side counts.

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

    def values(self, series: Series) -> NDArray[np.float64]:
        """Return one number for each seed, the first axis of `series`."""
        values = series[self.net][self.quantity]
        worst = np.min if self.at_least is not None else np.max
        return np.asarray(worst(values.reshape(len(values), -1), axis=1), dtype=float)

    def decided(self, values: NDArray[np.float64]) -> bool | None:
        """Whether both ends of `interval` satisfy it, or neither; None if they differ."""
        low, high = map(self.satisfied, interval(values))
        return low if low == high else None

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


def rank(seeds: int) -> int:
    """Which of the sorted values of so many seeds, from either end, bounds their median.

    The k-th smallest of n exceeds the median of their law if fewer than k of them lie below, which
    has the probability of fewer than k heads in n tosses.  The largest k with a probability of at
    most `RISK` is taken; with fewer than five seeds there is none, and the range has to do.
    """
    below = np.cumsum([math.comb(seeds, heads) for heads in range(seeds)]) / 2.0**seeds
    return max(1, int((below <= RISK).sum()))


def confidence(seeds: int) -> float:
    """Probability, at the least, with which an end of `interval` is on its side of the median."""
    return 1 - sum(math.comb(seeds, heads) for heads in range(rank(seeds))) / 2.0**seeds


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Exact confidence interval for the median of the law that the seeds' `values` are drawn from.

    Each end is on its side of the median with the probability `confidence`.
    """
    ordered, k = np.sort(values), rank(len(values))
    return float(ordered[k - 1]), float(ordered[-k])


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
        Provenance of the networks; what differs between scales is given for each.
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
    networks: Mapping[str, str | Mapping[Scale, str]] = field(default_factory=lambda: RESNET)
    data: str = ""
    sizes: Mapping[Scale, Size] = field(default_factory=lambda: SIZES)

    def networks_at(self, scale: Scale) -> dict[str, str]:
        """Provenance of the networks of one scale."""
        return {
            name: words if isinstance(words, str) else words[scale]
            for name, words in self.networks.items()
        }

    def networks_in_words(self) -> Iterator[tuple[str, str]]:
        """Provenance of the networks of all scales, by name; scales that are alike together."""
        for name, words in self.networks.items():
            if isinstance(words, str):
                yield name, words
                continue
            for one in dict.fromkeys(words.values()):
                scales = [scale.value for scale, other in words.items() if other == one]
                yield name, f"{one} ({', '.join(scales)})"

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
    in_control = {**series, experiment.made_of: series[CONTROL]}
    rows: list[dict[str, Any]] = []
    for criterion in experiment.criteria:
        found, control = criterion.values(series), criterion.values(in_control)
        rows.append(
            {
                "words": criterion.words,
                "asked": criterion.asked,
                "value": np.median(found),
                "interval": interval(found),
                "satisfied": criterion.decided(found),
                "seeds that satisfy it": sum(map(criterion.satisfied, found)),
                "control value": np.median(control),
                "control interval": interval(control),
                "control satisfied": criterion.decided(control),
            }
        )
    finite = all(np.isfinite([row["value"], row["control value"]]).all() for row in rows)
    holds = together(row["satisfied"] for row in rows) if finite else None
    passes = together(row["control satisfied"] for row in rows)
    values = "; ".join(f"{row['words']} {row['value']:.3g} (asked: {row['asked']})" for row in rows)
    answer = "passes" if passes else "is undecided"
    if passes is False:
        failing = next(row for row in rows if row["control satisfied"] is False)
        answer = f"does not pass: {failing['words']} {failing['control value']:.3g}"
    medians = {
        net: {name: np.median(values, axis=0) for name, values in quantities.items()}
        for net, quantities in series.items()
    }
    count = _count(series)
    return Evidence(
        kind=Kind.EXPERIMENT,
        holds=holds,
        control_differs=None not in (holds, passes) and holds != passes,
        summary=f"On {where}: {values}; the control {answer}.",
        numbers=_numbers(experiment, series, medians, rows),
        provenance={
            **(provenance or {}),
            CONFIDENCE: confidence(count),
        },
        reason=_reason(rows, finite=finite, seeds=count),
        series=series,
    )


def together(answers: Iterable[bool | None]) -> bool | None:
    """Whether all hold: False if one does not, None if that is open."""
    answers = list(answers)
    if False in answers:
        return False
    return None if None in answers else True


def _reason(rows: list[dict[str, Any]], *, finite: bool, seeds: int) -> str:
    """Why a criterion, or that of the control, is undecided; empty if none is."""
    if not finite:
        return "a number is not finite"
    for name in ("", "control "):
        if together(row[f"{name}satisfied"] for row in rows) is None:
            row = next(row for row in rows if row[f"{name}satisfied"] is None)
            low, high = row[f"{name}interval"]
            return (
                f"{'for the control, ' * bool(name)}{row['words']}: the interval over {seeds} "
                f"seeds, {low:.3g} to {high:.3g}, includes the threshold ({row['asked']})"
            )
    return ""


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
    if isinstance(value, tuple) or (isinstance(value, np.ndarray) and value.ndim):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return _plain(value.item())
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
