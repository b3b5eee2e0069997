"""Derivations with symbolic sizes against SymPy at small ones."""

import pytest
import sympy as sp

from bnproof.theory.claims.sgd import (
    bjorck_conv_gradient,
    bjorck_cross_entropy_rows,
    cross_entropy_row_sums,
)
from bnproof.theory.proving.derivation import proves
from bnproof.theory.training import backprop


@pytest.mark.parametrize("count", [2, 3, 5])
def test_rows_of_the_gradient_at_small_sizes(count: int) -> None:
    logits = sp.symbols(f"o1:{count + 1}", real=True)
    loss = sp.log(sum(map(sp.exp, logits))) - logits[1]
    row = [sp.diff(loss, logit) for logit in logits]
    at = {logit: sp.Rational(3 * k - 4, 2) for k, logit in enumerate(logits)}
    assert sp.simplify(sum(row)) == 0
    assert [bool(entry.subs(at) < 0) for entry in row] == [k == 1 for k in range(count)]


def test_the_proofs_are_of_their_relations_only() -> None:
    rows, sums = bjorck_cross_entropy_rows, cross_entropy_row_sums
    assert proves(rows.prove(), rows.CLAIM.relation)
    assert not proves(rows.prove(), sums.CLAIM.relation)
    assert not proves(rows.prove(), sp.Eq(backprop.negative_true + backprop.negative_other, 2))
    assert proves(sums.prove(), sums.CLAIM.relation)


def test_convolution_at_a_small_size() -> None:
    """One image of three by two, one channel in, two out, zero padding, all written out."""
    size, shifts = (3, 2), (-1, 0, 1)
    plane = [(x, y) for x in range(size[0]) for y in range(size[1])]
    pixels = {p: sp.Integer(3 * p[0] - 2 * p[1] + 1) for p in plane}
    kernel = {(o, u, v): sp.Symbol(f"K{o}{u}{v}") for o in (0, 1) for u in shifts for v in shifts}
    output = {
        (o, x, y): sum(
            pixels.get((x + u, y + v), 0) * kernel[o, u, v] for u in shifts for v in shifts
        )
        for o in (0, 1)
        for x, y in plane
    }
    weights = {key: sp.Integer(key[0] + key[1] - 3 * key[2]) for key in output}
    loss = sum(weights[key] * value**2 for key, value in output.items())
    for (o, u, v), entry in kernel.items():
        formula = sum(
            2 * weights[o, x, y] * output[o, x, y] * pixels.get((x + u, y + v), 0) for x, y in plane
        )
        assert sp.expand(sp.diff(loss, entry) - formula) == 0


def test_the_flipped_sum_is_not_proved() -> None:
    claim = bjorck_conv_gradient.CLAIM
    proof = bjorck_conv_gradient.prove()
    assert proves(proof, claim.relation)
    assert not proves(proof, claim.control)
