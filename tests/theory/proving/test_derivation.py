"""A proof proves its own relation and no other."""

import pytest
import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.claims.gradient import santurkar_4_1, santurkar_4_1_eps, slides_4_1
from bnproof.theory.layer import batchnorm
from bnproof.theory.proving.certificate import (
    Certificate,
    Term,
    implies_eps_zero,
    in_basic_symbols,
    non_negative,
)
from bnproof.theory.proving.derivation import Derivation, proves


def test_slack_must_be_the_whole_difference() -> None:
    claim, proof = slides_4_1.CLAIM, slides_4_1.prove()
    assert proves(proof, claim.relation, claim.domain)
    halved = [Term(term.expr / 2, term.reason) for term in proof.slack]
    without = type(proof)(proof.steps, proof.values, tuple(halved))
    assert not proves(without, claim.relation, claim.domain)


def test_a_negative_slack_is_refused() -> None:
    """lhs <= rhs with rhs smaller by a square: residual 0, but the slack is negative."""
    proof = slides_4_1.prove()
    (term,) = proof.slack
    reverse = sp.Le(slides_4_1.CLAIM.relation.rhs, slides_4_1.CLAIM.relation.lhs)
    negative = type(proof)(proof.steps, proof.values, (Term(-term.expr, "not a reason"),))
    assert not proves(negative, reverse, slides_4_1.CLAIM.domain)
    assert non_negative(term.expr)
    assert not non_negative(-term.expr)


def test_the_identity_at_eps_zero_does_not_prove_the_bound_for_eps_above_zero() -> None:
    proof = santurkar_4_1.prove()
    target = santurkar_4_1_eps.CLAIM
    assert not proves(proof, target.relation, target.domain)


def test_basic_letters() -> None:
    assert implies_eps_zero(sp.And(sp.Eq(sym.eps, 0), sp.Gt(sym.gy, 0)))
    assert not implies_eps_zero(sp.Gt(sym.eps, 0))
    assert in_basic_symbols(sym.sigma**2, sp.true) == sym.s**2 - sym.eps
    assert in_basic_symbols(sym.sigma, sp.Eq(sym.eps, 0)) == sym.s


@pytest.mark.parametrize(
    ("hypothesis", "counts"),
    [
        (sp.Ge(sym.vHv, 0), True),
        (sp.Gt(sym.vHv, 0), True),
        (sp.And(sp.Eq(sym.eps, 0), sp.Ge(sym.vHv, 0)), True),
        (sp.true, False),
        (sp.Ge(sym.vHv, -5), False),
        (sp.Gt(sym.vHv, -5), False),
        (sp.Le(sym.vHv, 0), False),
        (sp.Ge(sym.gy, 0), False),
        (sp.Ge(sym.vHv + sym.gy, 0), False),
        (sp.Or(sp.Ge(sym.vHv, 0), sp.Ge(sym.gy, 0)), False),
    ],
    ids=str,
)
def test_only_a_letter_at_least_0_counts_as_a_hypothesis(
    hypothesis: sp.Basic, counts: bool
) -> None:
    """A bound by a negative number certifies nothing: v'Hv >= -5 does not make |v|^2 <= 2|v|^2."""
    assert non_negative(sym.vHv, hypothesis) is counts
    assert non_negative(sym.vHv * sym.gg, hypothesis) is counts
    assert non_negative(-sym.vHv, hypothesis) is (hypothesis == sp.Le(sym.vHv, 0))
    relation = sp.Le(sym.gg, sym.gg + sym.vHv)
    slack = (Term(sym.vHv, "the hypothesis"),)
    assert Certificate(relation, hypothesis, {}, slack).holds() is counts


def test_a_sentence_in_words_is_a_gap() -> None:
    """Which a definition is not, if it is one of the package; a claim cannot define."""
    d = Derivation()
    batchnorm.define(d)
    assert d.finish().gap() == ""
    d.define("So it holds", "L = L", "L = L")
    assert d.finish().gap() == "step 3 is only stated: So it holds"
    assert d.finish().counts() == {"checked": 1, "given": 1, "cited": 0, "defined": 1}


def test_a_positive_hypothesis_is_stronger_than_a_non_negative_one() -> None:
    """1/x is non-negative where x is positive, and undefined where it may be 0."""
    assert non_negative(1 / sym.vHv, sp.Gt(sym.vHv, 0))
    assert non_negative(sym.sigma**2)
    assert non_negative(sym.s**2 - sym.eps)
    assert not non_negative(sym.eps - sym.s**2)
