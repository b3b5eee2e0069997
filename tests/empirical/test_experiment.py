"""Criteria at their thresholds, and how measurements become a verdict."""

import math

import numpy as np
import pytest
from scipy import stats

from bnproof.empirical.experiment import (
    CONFIDENCE,
    CONTROL,
    RISK,
    SECOND,
    WITH,
    WITHOUT,
    Control,
    Criterion,
    Experiment,
    confidence,
    interval,
    judge,
    rank,
    together,
)
from bnproof.theory.claim import Verdict, decide, why_undecided


def criterion(**threshold: float) -> Criterion:
    return Criterion(net=WITH, quantity="q", words="the q", **threshold)


@pytest.mark.parametrize(
    ("threshold", "value", "satisfied"),
    [
        ({"at_least": 2.0}, 2.0, True),
        ({"at_least": 2.0}, 1.999, False),
        ({"at_least": 2.0}, 2.001, True),
        ({"at_least": 0.0}, 0.0, True),
        ({"at_most": 2.0}, 2.0, True),
        ({"at_most": 2.0}, 1.999, True),
        ({"at_most": 2.0}, 2.001, False),
        ({"at_most": 0.0}, 0.0, True),
        ({"at_least": 2.0}, math.nan, False),
        ({"at_most": 2.0}, math.nan, False),
    ],
)
def test_a_value_at_the_threshold_satisfies_it(
    threshold: dict[str, float], value: float, satisfied: bool
) -> None:
    assert criterion(**threshold).satisfied(value) is satisfied


def test_of_a_row_the_number_that_is_furthest_to_the_wrong_side_counts() -> None:
    series = {WITH: {"q": np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]])}}
    assert criterion(at_least=0.0).values(series).tolist() == [1.0, 0.0]
    assert criterion(at_most=0.0).values(series).tolist() == [3.0, 5.0]
    assert criterion(at_least=0.5).asked == "at least 0.5"
    assert criterion(at_most=1e-5).asked == "at most 1e-05"


@pytest.mark.parametrize("threshold", [{}, {"at_least": 1.0, "at_most": 2.0}])
def test_one_threshold_is_given(threshold: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="the q: give one of at_least and at_most"):
        criterion(**threshold)


def judged(
    values: list[float],
    control: list[float],
    other: float = 5.0,
    positive: list[float] | None = None,
    **experiment,
):
    """Verdict on q of the network with BN, which the controls were made of.

    The negative control is always measured, the positive one if it is given.
    """
    made = Experiment(
        run=lambda trial: {},
        criteria=(
            criterion(at_least=2.0),
            Criterion(net=WITHOUT, quantity="q", words="theirs", at_most=5.0),
        ),
        controls=(
            Control("n", passes=False, made_of=WITH),
            Control("p", passes=True, made_of=WITH, net=SECOND),
        ),
        draw=lambda fig, evidence: "",
        **experiment,
    )
    series = {
        WITH: {"q": np.array(values), "picture": np.zeros(3)},
        WITHOUT: {"q": np.full(3, other)},
        CONTROL: {"q": np.array(control)},
        **({} if positive is None else {SECOND: {"q": np.array(positive)}}),
    }
    return judge(made, series, where="three seeds")


def test_the_interval_over_seeds_decides_and_the_controls_must_behave() -> None:
    evidence = judged([2.0, 3.0, 9.0], [1.0, 1.5, 1.9], positive=[2.0, 3.0, 4.0])
    assert evidence.holds is True
    assert evidence.control_differs is True
    first, second = evidence.numbers["criteria"]
    assert (first["value"], first["satisfied"], first["seeds that satisfy it"]) == (3.0, True, 3)
    assert first["interval"] == [2.0, 9.0]
    assert second["value"] == 5
    negative, positive = evidence.numbers["controls"]
    assert (negative["kind"], negative["must pass"], negative["passes"]) == (
        *("negative", False),
        False,
    )
    assert (positive["kind"], positive["must pass"], positive["passes"]) == (
        *("positive", True),
        True,
    )
    first, second = negative["criteria"]
    assert (first["value"], first["satisfied"]) == (1.5, False)
    assert (second["value"], second["satisfied"]) == (5, True)
    assert evidence.numbers["measured"][WITH]["q"] == {"median": 3, "smallest": 2, "largest": 9}
    assert "the negative control does not pass: the q 1.5" in evidence.summary
    assert "the positive control passes" in evidence.summary
    assert evidence.provenance[CONFIDENCE] == 0.875
    assert evidence.reason == ""


def test_a_threshold_inside_the_interval_leaves_it_undecided() -> None:
    evidence = judged([1.0, 2.0, 9.0], [1.0, 1.5, 1.9])
    assert (evidence.holds, evidence.control_differs) == (None, False)
    assert decide([evidence]) is Verdict.UNDECIDED
    assert why_undecided([evidence]) == (
        "experiment: the q: the interval over 3 seeds, 1 to 9, includes the threshold (at least 2)"
    )
    evidence = judged([2.0, 2.0, 9.0], [1.0, 1.5, 9.0])
    assert (evidence.holds, evidence.control_differs) == (True, False)
    assert evidence.reason.startswith(
        "for the negative control, the q: the interval over 3 seeds, 1 to 9"
    )


def test_a_criterion_that_fails_decides_whatever_is_open() -> None:
    evidence = judged([1.0, 2.0, 9.0], [2.0] * 3, other=6.0)
    assert evidence.holds is False
    assert together([None, False, True]) is False
    assert together([None, True]) is None
    assert together([]) is True


@pytest.mark.parametrize(
    ("seeds", "k", "sure"),
    [(1, 1, 1 / 2), (3, 1, 7 / 8), (4, 1, 15 / 16), (5, 1, 31 / 32), (8, 2, 1 - 9 / 256)],
)
def test_the_rank_is_the_largest_of_an_exact_test_of_signs(seeds: int, k: int, sure: float) -> None:
    assert rank(seeds) == k
    assert confidence(seeds) == pytest.approx(sure, abs=1e-15)
    assert interval(np.arange(seeds)) == (k - 1, seeds - k)


@pytest.mark.parametrize("seeds", [5, 8, 20, 101])
def test_the_rank_agrees_with_the_binomial_law(seeds: int) -> None:
    law = stats.binom(seeds, 0.5)
    assert law.cdf(rank(seeds) - 1) <= RISK < law.cdf(rank(seeds))
    assert confidence(seeds) == pytest.approx(1 - law.cdf(rank(seeds) - 1), abs=1e-12)


def test_an_interval_covers_the_median_as_often_as_is_said() -> None:
    """Of a skewed law, whose median is log 2: 20,000 samples of 8, to five standard errors."""
    source = np.random.default_rng(2026)
    low, high = np.array([interval(row) for row in source.exponential(size=(20_000, 8))]).T
    error = 5 * 0.5 / 20_000**0.5
    for share in (np.mean(low <= np.log(2)), np.mean(high >= np.log(2))):
        assert share == pytest.approx(confidence(8), abs=error)


LOW, HIGH = [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]  # below the threshold, and not


@pytest.mark.parametrize(
    ("values", "negative", "positive", "other", "holds", "counts"),
    [
        (HIGH, LOW, HIGH, 5, True, True),
        (HIGH, LOW, None, 5, True, True),  # a positive control is not needed for this answer
        (LOW, LOW, HIGH, 5, False, True),
        (LOW, LOW, None, 5, False, False),  # and here the negative one is not enough
        (HIGH, HIGH, HIGH, 5, True, False),  # a wrong control, whatever the answer
        (LOW, HIGH, HIGH, 5, False, False),
        (HIGH, LOW, LOW, 5, True, False),
        (LOW, LOW, LOW, 5, False, False),
        (HIGH, LOW, HIGH, 6, False, False),  # one criterion of two, which no control can satisfy
        ([2, math.nan, 2], LOW, HIGH, 5, None, False),
        (HIGH, [1, math.inf, math.inf], HIGH, 5, True, False),
        (HIGH, LOW, [2, 2, 1], 5, True, False),  # an undecided control
    ],
)
def test_verdicts(values, negative, positive, other, holds, counts) -> None:
    evidence = judged(values, negative, other, positive)
    assert evidence.holds is holds
    assert evidence.control_differs is counts
    decided = {True: Verdict.REPRODUCED, False: Verdict.NOT_REPRODUCED}
    assert decide([evidence]) is (decided[holds] if counts else Verdict.UNDECIDED)
    assert bool(why_undecided([evidence])) is not counts


def test_the_reason_names_a_control_with_the_wrong_answer() -> None:
    assert judged(HIGH, HIGH).reason == "the negative control, n, satisfies the criteria"
    assert judged(LOW, LOW).reason == (
        "the criteria are violated, which needs a positive control, and none was measured"
    )
    wrong = judged(HIGH, LOW, positive=LOW)
    assert wrong.reason == "the positive control, p, does not satisfy the criteria"


def test_pictures_are_left_out_of_the_numbers() -> None:
    assert "picture" in judged([2.0] * 3, [1.0] * 3).numbers["measured"][WITH]
    evidence = judged([2.0] * 3, [1.0] * 3, plot_only=frozenset({"picture"}))
    assert "picture" not in evidence.numbers["measured"][WITH]
    assert "picture" in evidence.series[WITH]
