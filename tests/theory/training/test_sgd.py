"""Moments of minibatches against lists of all batches in rational arithmetic."""

from fractions import Fraction
from itertools import combinations, product
from math import comb

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from bnproof.theory.claim import Settings
from bnproof.theory.claims.sgd import (
    bjorck_noise_tradeoff,
    bjorck_sgd_noise,
    sgd_noise_without_replacement,
)
from bnproof.theory.claims.sgd import bjorck_sgd_unbiased as unbiased
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.prove import check
from bnproof.theory.proving.derivation import proves
from bnproof.theory.training import sgd
from bnproof.theory.training.sgd import KEPT, REPLACED, B, C, Counts, N, alpha

SIZES = [(2, 1), (2, 2), (3, 1), (3, 2), (4, 3), (4, 4), (3, 3)]


def batches(count: int, size: int, kept: bool) -> list[tuple[int, ...]]:
    if kept:
        return list(combinations(range(count), size))
    return list(product(range(count), repeat=size))


@pytest.mark.parametrize(("count", "size"), SIZES)
@pytest.mark.parametrize(("counts", "kept"), [(REPLACED, False), (KEPT, True)])
def test_moments_of_the_counts(counts: Counts, kept: bool, count: int, size: int) -> None:
    drawn = batches(count, size, kept)
    first = [Fraction(batch.count(0)) for batch in drawn]
    second = [Fraction(batch.count(1)) for batch in drawn]
    mean = sum(first) / len(drawn)
    variance = sum(r * r for r in first) / len(drawn) - mean**2
    covariance = sum(r * t for r, t in zip(first, second, strict=True)) / len(drawn) - mean**2
    at = {N: count, B: size}
    assert [counts.mean.subs(at), counts.variance.subs(at), counts.covariance.subs(at)] == [
        mean,
        variance,
        covariance,
    ]


@given(
    gradients=st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=4),
    size=st.integers(1, 4),
    kept=st.booleans(),
)
def test_noise_is_the_mean_over_all_batches(
    gradients: list[tuple[int, int]], size: int, kept: bool
) -> None:
    count, rate = len(gradients), Fraction(2, 3)
    size = min(size, count)
    means = [Fraction(sum(g[k] for g in gradients), count) for k in range(2)]
    spread = sum((g[k] - means[k]) ** 2 for g in gradients for k in range(2)) / count
    drawn = batches(count, size, kept)
    assert len(drawn) == (comb(count, size) if kept else count**size)
    noise = sum(
        (rate * (Fraction(sum(gradients[i][k] for i in batch), size) - means[k])) ** 2
        for batch in drawn
        for k in range(2)
    ) / len(drawn)
    formula = sgd.WITHOUT if kept else sgd.WITH
    at = {N: count, B: size, alpha: sp.Rational(rate), C: sp.Rational(spread)}
    assert formula.subs(at) == sp.Rational(noise)


def test_no_noise_in_a_full_batch_without_replacement() -> None:
    assert sgd.WITHOUT.subs(B, N) == 0
    assert sgd.WITH.subs(B, N) != 0


def test_a_single_draw_is_the_same_either_way() -> None:
    assert sp.simplify((sgd.WITHOUT - sgd.WITH).subs(B, 1)) == 0


@pytest.mark.parametrize(
    "wrong", [sgd.WITH / 2, sgd.WITH * B, sgd.WITHOUT, sgd.WITH * (N - 1) / N, sgd.WITH / alpha]
)
def test_wrong_noise_is_not_proved(wrong: sp.Expr) -> None:
    proof = bjorck_sgd_noise.prove()
    assert proves(proof, sp.Eq(sgd.noise, sgd.WITH))
    assert not proves(proof, sp.Eq(sgd.noise, wrong))


def test_the_proof_with_replacement_says_nothing_of_draws_without() -> None:
    claim = sgd_noise_without_replacement.CLAIM
    assert proves(sgd_noise_without_replacement.prove(), claim.relation, claim.domain)
    assert not proves(bjorck_sgd_noise.prove(), claim.relation, claim.domain)


def test_the_literal_trade_off_is_refuted_and_the_correction_proved() -> None:
    evidence = exact.check(bjorck_noise_tradeoff.CLAIM, Settings())
    assert (evidence.holds, evidence.control_differs) == (False, True)
    values = bjorck_noise_tradeoff.two_examples()
    assert values[sgd.noise_rate] == 2
    assert values[sgd.noise] == 1


def test_the_bias_is_proved() -> None:
    evidence = check(unbiased.CLAIM, Settings())
    assert (evidence.holds, evidence.control_differs) == (True, True)
