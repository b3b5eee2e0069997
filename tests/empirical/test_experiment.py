"""Criteria at their thresholds, and how measurements become a verdict."""

import math

import numpy as np
import pytest

from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT, Criterion, Experiment, judge


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
    medians = {WITH: {"q": np.array([3.0, 1.0, 2.0])}}
    assert criterion(at_least=0.0).value(medians) == 1.0
    assert criterion(at_most=0.0).value(medians) == 3.0
    assert criterion(at_least=0.5).asked == "at least 0.5"
    assert criterion(at_most=1e-5).asked == "at most 1e-05"


@pytest.mark.parametrize("threshold", [{}, {"at_least": 1.0, "at_most": 2.0}])
def test_one_threshold_is_given(threshold: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="the q: give one of at_least and at_most"):
        criterion(**threshold)


def judged(values: list[float], control: list[float], other: float = 5.0, **experiment):
    """Verdict on q of the network with BN, of which the control is one."""
    made = Experiment(
        run=lambda trial: {},
        criteria=(
            criterion(at_least=2.0),
            Criterion(net=WITHOUT, quantity="q", words="theirs", at_most=5.0),
        ),
        control="c",
        draw=lambda fig, evidence: "",
        made_of=WITH,
        **experiment,
    )
    series = {
        WITH: {"q": np.array(values), "picture": np.zeros(3)},
        WITHOUT: {"q": np.full(3, other)},
        CONTROL: {"q": np.array(control)},
    }
    return judge(made, series, where="three seeds")


def test_the_median_of_the_seeds_decides_and_the_control_must_differ() -> None:
    evidence = judged([1.0, 2.0, 9.0], [1.0, 1.5, 9.0])
    assert evidence.holds is True
    assert evidence.control_differs is True
    first, second = evidence.numbers["criteria"]
    assert (first["value"], first["satisfied"], first["seeds that satisfy it"]) == (2.0, True, 2)
    assert (first["control value"], first["control satisfied"]) == (1.5, False)
    assert (second["value"], second["control value"], second["control satisfied"]) == (5, 5, True)
    assert evidence.numbers["measured"][WITH]["q"] == {"median": 2, "smallest": 1, "largest": 9}
    assert "the control does not pass: the q 1.5" in evidence.summary
    assert evidence.provenance["confidence that the range over seeds covers the median"] == 0.75


@pytest.mark.parametrize(
    ("values", "control", "other", "holds", "differs"),
    [
        ([2, 2, 2], [2, 2, 2], 5, True, False),  # a control that passes too decides nothing
        ([1, 1, 1], [2, 2, 2], 5, False, True),
        ([1, 1, 1], [1, 1, 1], 5, False, False),
        ([2, 2, 2], [1, 1, 1], 6, False, False),  # one criterion of two
        ([2, math.nan, 2], [1, 1, 1], 5, None, False),
        ([2, 2, 2], [1, math.inf, math.inf], 5, None, False),
    ],
)
def test_verdicts(values, control, other, holds, differs) -> None:
    evidence = judged(values, control, other)
    assert evidence.holds is holds
    assert evidence.control_differs is differs


def test_pictures_are_left_out_of_the_numbers() -> None:
    assert "picture" in judged([2.0] * 3, [1.0] * 3).numbers["measured"][WITH]
    evidence = judged([2.0] * 3, [1.0] * 3, plot_only=frozenset({"picture"}))
    assert "picture" not in evidence.numbers["measured"][WITH]
    assert "picture" in evidence.series[WITH]
