"""Certificates are checked from their text, and a corrupted one is rejected."""

import contextlib
import json
import re
import tomllib
from pathlib import Path

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

import bnproof.theory.claims
from bnproof.theory import symbols as sym
from bnproof.theory.claim import Claim, Proof
from bnproof.theory.claims.gradient import slides_4_1
from bnproof.theory.claims.hessian import bn_hessian
from bnproof.theory.loading import load_folder
from bnproof.theory.proving.certificate import Certificate
from bnproof.theory.proving.derivation import KINDS, DerivationResult, certify
from bnproof.theory.proving.expressions import dumps, loads

PROVED = [
    c for c in load_folder(bnproof.theory.claims) if isinstance(c, Claim) and c.check_of(Proof)
]


STEPS = tomllib.loads(Path(__file__).with_name("steps.toml").read_text(encoding="utf-8"))


def certificate_of(claim: Claim, proof: DerivationResult | None = None) -> Certificate:
    spec = claim.check_of(Proof)
    relation = claim.control if spec.of_control else claim.relation
    return certify(proof or spec.prove(), relation, claim.domain)


@pytest.fixture(
    scope="module",
    params=[pytest.param(c, id=c.id, marks=pytest.mark.xdist_group(c.id)) for c in PROVED],
)
def derived(request: pytest.FixtureRequest) -> tuple[Claim, DerivationResult]:
    """A claim and its derivation, which takes most of the time: made once for all that follows."""
    return request.param, request.param.check_of(Proof).prove()


def test_a_certificate_survives_the_way_to_json_and_holds(
    derived: tuple[Claim, DerivationResult],
) -> None:
    certificate = certificate_of(*derived)
    again = Certificate.from_json(json.loads(json.dumps(certificate.to_json())))
    assert again == certificate
    assert list(again.flaws()) == []


def test_a_certificate_proves_no_other_relation(derived: tuple[Claim, DerivationResult]) -> None:
    """A hundredth more or less on the right, and it is rejected."""
    good = certificate_of(*derived)
    for much in (sp.Rational(1, 100), sp.Rational(-1, 100)):
        change = type(good.relation)(good.relation.lhs, good.relation.rhs + much)
        assert not Certificate(change, good.domain, good.rules, good.slack).holds()


def test_a_derivation_shows_the_steps_that_it_is_known_to_have(
    derived: tuple[Claim, DerivationResult],
) -> None:
    """Nothing else checks a step that is only stated: a derivation holds without it.

    A new claim may be without a row in the list; its derivation has steps all the same.
    """
    claim, proof = derived
    counts = [sum(step.kind == kind for step in proof.steps) for kind in KINDS]
    assert counts == STEPS.get(claim.id, counts), f"if this is meant: {claim.id} = {counts}"
    assert sum(counts) > 0
    assert not proof.gap(), "what is proved rests on no step that is only stated"
    assert all(step.words for step in proof.steps)


def test_no_steps_are_listed_of_what_is_not_derived() -> None:
    assert STEPS.keys() <= {claim.id for claim in PROVED}


def corrupted(path: tuple, value: object) -> Certificate:
    content = certificate_of(slides_4_1.CLAIM).to_json()
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return Certificate.from_json(content)


@pytest.mark.parametrize(
    ("path", "value", "flaw"),
    [
        (("slack", 0, "term"), dumps(-sym.gg), "in the slack is not negative"),
        (("slack", 0, "term"), dumps(2 * sym.gamma**2 * sym.g1**2), "differ"),
        (("slack",), [], "differ"),
        (("relation",), dumps(sp.Lt(sym.vv, sym.gg)), "not StrictLessThan"),
        (("relation",), dumps(sp.Le(sym.vv, sym.gg)), "differ"),
        (("domain",), dumps(sp.true), "differ"),
        (("rules", dumps(sym.vv)), dumps(sym.gg), "differ"),
    ],
)
def test_a_corrupted_certificate_is_rejected(path: tuple, value: object, flaw: str) -> None:
    assert flaw in next(corrupted(path, value).flaws())


def test_what_holds_for_positive_values_alone_is_refuted_at_a_point() -> None:
    """Of a symbol without a sign both signs are tried."""
    relation = sp.Eq(sp.Abs(sym.g1), sym.g1)
    flaw = next(Certificate(relation, sp.true, {}, ()).flaws())
    assert re.search(r"differ by the slack: by -\d.* at a random point", flaw)


def test_an_equation_has_no_slack() -> None:
    good = certificate_of(bn_hessian.CLAIM)
    slack = certificate_of(slides_4_1.CLAIM).slack
    assert not Certificate(good.relation, good.domain, good.rules, slack).holds()


@pytest.mark.parametrize(
    "content",
    [{}, {"relation": "1"}, {"relation": 1, "domain": 2, "rules": {}, "slack": []}, {"rules": []}],
)
def test_what_is_no_certificate_is_refused(content: dict) -> None:
    with pytest.raises(ValueError, match=r"not a certificate|not an expression|not allowed"):
        Certificate.from_json(content)


symbols = st.sampled_from([sym.gg, sym.m, sym.s, sym.eps, sym.phi, sym.M])
expressions = st.recursive(
    symbols | st.integers(-9, 9).map(sp.Integer) | st.fractions(-3, 3).map(sp.Rational),
    lambda inner: (
        st.builds(sp.Add, inner, inner)
        | st.builds(sp.Mul, inner, inner)
        | st.builds(sp.sin, inner)
        | st.builds(lambda base: base**2, inner)
    ),
    max_leaves=8,
)


@given(expressions, expressions)
def test_expressions_survive_the_way_to_text(left: sp.Expr, right: sp.Expr) -> None:
    for expr in (left, sp.Le(left, right), sp.Eq(left, right)):
        assert loads(dumps(expr)) == expr


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "Symbol('x').name",
        "(lambda: 1)()",
        "Integer(open('x'))",
        "Symbol('x', positive=1)",
        "sympify('1')",
        "[1, 2]",
        "1 + 1",
        # SymPy evaluates a string that it is given in place of an expression.
        "sin('__import__(\"os\").abort()')",
        "Max('x + 1', 'y')",
        "Integer('3')",
        "Symbol(Symbol('x'))",
        "'x'",
    ],
)
def test_nothing_is_executed(text: str) -> None:
    with pytest.raises(ValueError, match=r"not allowed|not an expression|an assumption"):
        loads(text)
