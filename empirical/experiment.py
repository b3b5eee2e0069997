"""What an experiment on images consists of, and how measurements become evidence.

An experiment measures networks: usually one with BN, one without, and controls.  Its criteria are
thresholds on the measurements, derived from the printed statement; if one was changed after
measuring, the claim's remark says so.

Seeds are a sample: a criterion is decided by an exact confidence interval for the median of its
quantity over seeds, and is undecided if the threshold lies inside.  The statement holds if all
criteria are satisfied, and fails if one is not.

Controls are networks whose answer is known beforehand, whatever that of the statement is.  A
negative control lacks the effect that the statement is about, and must not satisfy the criteria in
place of the network that it was made of; a positive control has it, and must.  An answer counts if
every control behaves so and at least one of them had to give the opposite answer.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bnproof.empirical.setting import Setting
from bnproof.empirical.trial import RESNET, SIZES, Networks, Size, Trial, Variant
from bnproof.theory.claim import Claim, Evidence, Kind, Scale

WITH, WITHOUT, CONTROL = "with BN", "without BN", "control"
NETS = (WITH, WITHOUT, CONTROL)
SECOND = "second control"
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


@dataclass(frozen=True)
class Control:
    """A network whose answer is known beforehand.

    Attributes
    ----------
    words
        How it was made.
    passes
        Whether it must satisfy the criteria (a positive control) or must not (a negative one).
    made_of
        The network that it was made of and that it replaces in the criteria.
    net
        Its name among the measured networks.
    also
        Further networks of the criteria, and what replaces each of them.
    """

    words: str
    _: KW_ONLY
    passes: bool
    made_of: str = WITHOUT
    net: str = CONTROL
    also: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Positive or negative."""
        return "positive" if self.passes else "negative"


class Fixed(NamedTuple):
    """When criteria, controls and numbers of seeds got their present form."""

    date: str
    commit: str


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A check that measures networks on images; a member of `Claim.checks`.

    Attributes
    ----------
    run
        Measures one `Trial`: for each network, including the controls, quantities by name.
    criteria
        What the printed statement requires of the numbers.
    controls
        Networks whose answers are known; to decide either way, at least one of each kind.
    fixed
        Date and commit at which criteria, controls and numbers of seeds were fixed; None before
        the first measurement.  What was measured earlier is marked.
    draw
        Draws the evidence on a figure and returns its text alternative.
    printed
        The numbers that the source prints, in the form that `run` returns, for comparison.
    traced
        Numbers read from the curves of a printed figure and judged by the same rule, by the number
        of updates that the rule looks at; in the form that `run` returns.
    positions
        What the entries of a row refer to, such as ``{"layer": (18, 54, 90)}``.
    plot_only
        Quantities that are only drawn, and left out of `Evidence.numbers`.
    networks
        Provenance of the networks; what differs between scales is given for each, or only for
        those that it concerns.
    setting
        The source's own setting, beside which a verdict is one on a miniature or not.
    data
        Name of the data set, if it is not the given images.
    variants
        Changes of the protocol, by name, whose effect `bnproof experiment run --variant` measures;
        the verdict is that of the protocol without them.
    sizes
        What each scale means.  With `Size.updates` the experiment trains: `verify` then judges
        the published measurements, and `bnproof experiment run` measures.
    """

    run: Callable[[Trial], Measured]
    criteria: tuple[Criterion, ...]
    controls: tuple[Control, ...]
    draw: Callable[[Figure, Evidence], str]
    fixed: Fixed | None = None
    printed: Measured = field(default_factory=dict)
    traced: Mapping[int, Measured] = field(default_factory=dict)
    positions: Mapping[str, Sequence[int]] = field(default_factory=dict)
    plot_only: frozenset[str] = frozenset()
    networks: Networks = field(default_factory=lambda: RESNET)
    setting: Setting = field(default_factory=Setting)
    data: str = ""
    variants: Mapping[str, Variant] = field(default_factory=dict)
    sizes: Mapping[Scale, Size] = field(default_factory=lambda: SIZES)

    def networks_at(self, scale: Scale) -> dict[str, str]:
        """Provenance of the networks of one scale."""
        return {
            name: words if isinstance(words, str) else words[scale]
            for name, words in self.networks.items()
            if isinstance(words, str) or scale in words
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

    def is_miniature(self, about: Mapping[str, Any]) -> bool:
        """Whether measurements with this provenance are below the source's own setting."""
        own_data = bool(self.data)
        return not self.setting.met(about, trains=self.trains, own_data=own_data)

    def setting_in_words(self, about: Mapping[str, Any]) -> str:
        """The setting of measurements with this provenance."""
        updates = about.get("steps")
        if not isinstance(updates, int):
            updates = self.sizes[Scale(about["scale"])].updates
        return self.setting.words(about, updates=updates)


def judge(
    experiment: Experiment,
    series: Series,
    *,
    where: str,
    provenance: Mapping[str, Any] | None = None,
) -> Evidence:
    """Turn measurements, seed along the first axis, into evidence.

    Controls that were not measured, because they were added later, are left out.
    """
    criteria, count = experiment.criteria, _count(series)
    about = provenance or {}
    rows = [_row(criterion, criterion.values(series)) for criterion in criteria]
    answer = together(row["satisfied"] for row in rows) if _finite(rows) else None
    miniature = bool(about) and experiment.is_miniature(about)
    controls = [
        _judged(control, criteria, series)
        for control in experiment.controls
        if control.net in series
    ]
    values = "; ".join(f"{row['words']} {row['value']:.3g} (asked: {row['asked']})" for row in rows)
    medians = {
        net: {name: np.median(values, axis=0) for name, values in quantities.items()}
        for net, quantities in series.items()
    }
    return Evidence(
        kind=Kind.EXPERIMENT,
        holds=None if miniature else answer,
        control_differs=answer is not None
        and all(control["passes"] is control["must pass"] for control in controls)
        and any(control["must pass"] is not answer for control in controls),
        summary=f"On {where}: " + "; ".join([values, *map(_answer, controls)]) + ".",
        numbers=_numbers(experiment, series, medians, rows, controls),
        provenance={**about, CONFIDENCE: confidence(count)},
        reason=_reason(rows, controls, holds=answer, seeds=count),
        series=series,
        setting=experiment.setting_in_words(about) if about else "",
        miniature=miniature,
        seen=answer if miniature else None,
    )


def _row(criterion: Criterion, values: NDArray[np.float64]) -> dict[str, Any]:
    """What a criterion asks, and what was found in each seed."""
    return {
        "words": criterion.words,
        "asked": criterion.asked,
        "value": np.median(values),
        "interval": interval(values),
        "satisfied": criterion.decided(values),
        "seeds that satisfy it": sum(map(criterion.satisfied, values)),
    }


def _judged(control: Control, criteria: Sequence[Criterion], series: Series) -> dict[str, Any]:
    """The answer of a control: its criteria, and whether it satisfies them together."""
    replaced = {
        **series,
        **{net: series[by] for net, by in {control.made_of: control.net, **control.also}.items()},
    }
    rows = [_row(criterion, criterion.values(replaced)) for criterion in criteria]
    return {
        "kind": control.kind,
        "words": control.words,
        "must pass": control.passes,
        "passes": together(row["satisfied"] for row in rows) if _finite(rows) else None,
        "criteria": rows,
    }


def _finite(rows: Iterable[Mapping[str, Any]]) -> bool:
    return all(np.isfinite(row["value"]) for row in rows)


def _answer(control: Mapping[str, Any]) -> str:
    """What a control answered, in words."""
    subject = f"the {control['kind']} control "
    if control["passes"] is None:
        return f"{subject}is undecided"
    if control["passes"]:
        return f"{subject}passes"
    failing = next(row for row in control["criteria"] if row["satisfied"] is False)
    return f"{subject}does not pass: {failing['words']} {failing['value']:.3g}"


def together(answers: Iterable[bool | None]) -> bool | None:
    """Whether all hold: False if one does not, None if that is open."""
    answers = list(answers)
    if False in answers:
        return False
    return None if None in answers else True


def _reason(
    rows: Sequence[Mapping[str, Any]],
    controls: Sequence[Mapping[str, Any]],
    *,
    holds: bool | None,
    seeds: int,
) -> str:
    """Why the criteria or those of a control have no answer, or a control is wrong or missing."""
    every = [("", rows)] + [
        (f"for the {control['kind']} control, ", control["criteria"]) for control in controls
    ]
    if not all(_finite(some) for _, some in every):
        return "a number is not finite"
    for where, some in every:
        if together(row["satisfied"] for row in some) is None:
            row = next(row for row in some if row["satisfied"] is None)
            low, high = row["interval"]
            return (
                f"{where}{row['words']}: the interval over {seeds} seeds, {low:.3g} to {high:.3g}, "
                f"includes the threshold ({row['asked']})"
            )
    for control in controls:
        if control["passes"] is not control["must pass"]:
            does = "satisfies" if control["passes"] else "does not satisfy"
            return f"the {control['kind']} control, {control['words']}, {does} the criteria"
    if all(control["must pass"] is holds for control in controls):
        needed, answer = ("negative", "satisfied") if holds else ("positive", "violated")
        return f"the criteria are {answer}, which needs a {needed} control, and none was measured"
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
    experiment: Experiment,
    series: Series,
    medians: Series,
    rows: Sequence[Mapping[str, Any]],
    controls: Sequence[Mapping[str, Any]],
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
        "criteria": _plain_rows(rows),
        "controls": [
            {**control, "criteria": _plain_rows(control["criteria"])} for control in controls
        ],
        "measured": measured,
        "printed": {net: dict(values) for net, values in experiment.printed.items()},
        "positions": {name: list(values) for name, values in experiment.positions.items()},
    }


def _plain_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    """Convert numbers and arrays for JSON; NaN and infinity, which JSON lacks, become None."""
    if isinstance(value, tuple) or (isinstance(value, np.ndarray) and value.ndim):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return _plain(value.item())
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
