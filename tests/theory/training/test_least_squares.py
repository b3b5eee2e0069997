"""Gradient descent on least squares and feature scaling against exact small cases."""

from fractions import Fraction

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from bnproof.theory.claim import Settings
from bnproof.theory.claims.sgd import (
    bjorck_condition_number,
    bjorck_condition_number_lr,
    bjorck_condition_number_subspaces,
    condition_number_rate,
    feature_scaling_uncorrelated,
    notes_feature_scaling,
)
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.proving.derivation import proves
from bnproof.theory.training import least_squares as quadratics

values = st.fractions(Fraction(1, 9), 9, max_denominator=9)


@given(top=values, low=values, middle=values, rate=values)
def test_no_learning_rate_beats_the_best_factor(
    top: Fraction, low: Fraction, middle: Fraction, rate: Fraction
) -> None:
    """For the singular values themselves, one step of gradient descent by hand."""
    low, middle, top = sorted((top, low, middle))
    best = quadratics.FACTOR.subs(quadratics.cond, sp.Rational(top / low))

    def worst(alpha: Fraction) -> Fraction:
        return max(abs(e - alpha * s * (s * e)) / e for e, s in ((2, low), (3, middle), (5, top)))

    assert worst(rate) >= best
    assert worst(Fraction(2) / (top**2 + low**2)) == best


@given(top=values, low=values)
def test_the_stable_limit_is_sharp(top: Fraction, low: Fraction) -> None:
    low, top = sorted((top, low))
    limit = 2 / top**2
    at = {quadratics.cond: sp.Rational(top / low), quadratics.smallest: sp.Rational(low)}
    assert (2 / (quadratics.cond**2 * quadratics.smallest**2)).subs(at) == limit
    for rate, stable in ((limit, True), (limit * Fraction(1001, 1000), False)):
        assert all(abs(1 - rate * s**2) <= 1 for s in (low, top)) is stable


def test_a_larger_condition_number_may_allow_any_learning_rate() -> None:
    claim = bjorck_condition_number_lr.CLAIM
    evidence = exact.check(claim, Settings())
    assert (evidence.holds, evidence.control_differs) == (False, True)
    at = bjorck_condition_number_lr.two_problems()
    assert [at[quadratics.limit], at[quadratics.limit_2]] == [sp.Rational(1, 2), 2]
    assert at[quadratics.increase] == 12


@pytest.mark.parametrize(
    "module",
    [bjorck_condition_number, bjorck_condition_number_subspaces],
    ids=lambda module: module.CLAIM.id,
)
def test_comparisons_need_their_hypothesis(module: object) -> None:
    claim, proof = module.CLAIM, module.prove()  # type: ignore[attr-defined]
    assert proves(proof, claim.relation, claim.domain)
    assert not proves(proof, claim.relation)
    assert not proves(proof, claim.control, claim.domain)


def test_the_condition_number_enters_squared() -> None:
    proof = condition_number_rate.prove()
    unsquared = quadratics.FACTOR.subs(quadratics.cond, sp.sqrt(quadratics.cond))
    assert proves(proof, sp.Eq(quadratics.best, quadratics.FACTOR))
    assert not proves(proof, sp.Eq(quadratics.best, unsquared))


def test_scaled_correlated_features_give_ellipses() -> None:
    evidence = exact.check(notes_feature_scaling.CLAIM, Settings())
    assert (evidence.holds, evidence.control_differs) == (False, True)
    at = notes_feature_scaling.two_features()
    assert at[quadratics.correlation] == sp.Rational(3, 5)
    assert at[quadratics.stretch] == 4
    assert quadratics.stretch.is_positive  # as a ratio of two squares is: proofs may rest on it


def test_uncorrelated_features_are_proved_and_correlated_ones_are_not() -> None:
    claim = feature_scaling_uncorrelated.CLAIM
    assert proves(feature_scaling_uncorrelated.prove(), claim.relation, claim.domain)
    assert not proves(notes_feature_scaling.prove(), claim.relation, claim.domain)
    assert not proves(notes_feature_scaling.prove(), notes_feature_scaling.CLAIM.relation)
