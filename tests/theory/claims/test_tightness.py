"""Every proved inequality says where it is attained, by exact data or by a family."""

import pytest
import sympy as sp

import bnproof.theory.claims
from bnproof.theory.claim import Claim, Counterexample, ExactCase, Proof, Settings
from bnproof.theory.claims.definition import slides_bn_definition_bound
from bnproof.theory.claims.gradient import slides_multiplicative
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.loading import load_folder
from bnproof.theory.prove import check
from bnproof.theory.symbols import eps, gg, sigma, vv

CLAIMS = [claim for claim in load_folder(bnproof.theory.claims) if isinstance(claim, Claim)]


def proved(claim: Claim) -> sp.Basic:
    """The relation that the claim's derivation proves; `sp.true` if it has none."""
    spec = claim.check_of(Proof)
    relation = None if spec is None else claim.control if spec.of_control else claim.relation
    return sp.true if relation is None else relation


INEQUALITIES = [claim for claim in CLAIMS if isinstance(proved(claim), sp.LessThan)]


def test_there_are_inequalities() -> None:
    assert len(INEQUALITIES) >= 24


@pytest.mark.parametrize("claim", INEQUALITIES, ids=lambda claim: claim.id)
def test_a_proved_inequality_is_attained_or_approached(claim: Claim) -> None:
    case = claim.check_of(Proof).attained
    assert case is not None, f"{claim.id}: no data at which the inequality is attained"
    words = exact.attained(proved(claim), claim.domain, case)
    family = any(exact.n in value.free_symbols for value in exact.symbols_of(case).values())
    assert ("goes to 1 as n grows" if family else "both sides are") in words


@pytest.mark.parametrize("claim", [slides_bn_definition_bound.CLAIM, slides_multiplicative.CLAIM])
def test_the_report_says_that_a_family_approaches_the_bound(claim: Claim) -> None:
    assert "goes to 1 as n grows." in check(claim, Settings()).summary


def family(left: sp.Expr, constant: sp.Expr = sp.S.Zero) -> ExactCase:
    return ExactCase("a family", lambda: {vv: left, gg: sp.Integer(1), eps: constant})


@pytest.mark.parametrize(
    "case",
    [
        family(1 - 1 / exact.n, constant=1 / exact.n),  # outside the domain
        family(sp.Rational(1, 2) - 1 / exact.n),  # a limit other than 1
        family(sp.S.Zero),
        Counterexample.of(y=[1, 1, -1, -1], b=[1, 0, 0, 0]),
    ],
)
def test_a_family_that_stays_away_is_refused(case: Counterexample | ExactCase) -> None:
    relation, domain = sp.Le(vv, gg), sp.Eq(eps, 0)
    assert "goes to 1" in exact.attained(relation, domain, family(1 - 1 / exact.n))
    with pytest.raises(ValueError, match="checks: attained: the sides are"):
        exact.attained(relation, domain, case)


def test_members_of_the_families_obey_their_bounds() -> None:
    """Not only in the limit: for the first members, in exact arithmetic."""
    for claim in INEQUALITIES:
        case = claim.check_of(Proof).attained
        values = exact.symbols_of(case)
        if not any(exact.n in value.free_symbols for value in values.values()):
            continue
        for count in (1, 2, 7):
            sides = [side.subs(values).subs(exact.n, count) for side in proved(claim).args]
            assert sp.N(sides[0] - sides[1], 30) <= sp.Float("1e-25")


def test_the_bound_between_the_layers_is_strict() -> None:
    """At eps = 0 both sides are 0; for eps > 0 the ratio stays below 1."""
    claim = slides_bn_definition_bound.CLAIM
    values = exact.symbols_of(claim.check_of(Proof).attained)
    left, right = (side.subs(values) for side in proved(claim).args)
    ratio = [sp.N((left / right).subs(exact.n, count)) for count in (2, 20, 2000)]
    assert ratio == sorted(ratio)
    assert ratio[0] < 0.5 < 0.999 < ratio[-1] < 1
    assert values[sigma] == 1
