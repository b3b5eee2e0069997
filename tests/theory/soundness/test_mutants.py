"""Mutants of every proved relation, each with the proof of the original: none may be proved.

A coefficient, a sign, an exponent or a symbol of the relation is changed, or a hypothesis is
dropped or negated, and the certificate keeps its values and its slack. A mutant counts if random
instances show that it is false: it is violated on one that lies in its domain.
"""

from collections.abc import Iterator
from functools import cache

import pytest
import sympy as sp

import bnproof.theory.claims
from bnproof.simulate.audit import Audit
from bnproof.simulate.check import _batches
from bnproof.simulate.relation import compare, inside
from bnproof.theory.claim import Claim, Proof, RandomTest, Scale, Settings
from bnproof.theory.loading import load_folder
from bnproof.theory.prove import certificate_of
from bnproof.theory.proving.certificate import Certificate

CLAIMS = [
    claim
    for claim in load_folder(bnproof.theory.claims)
    if isinstance(claim, Claim) and claim.check_of(Proof)
]
FEW, MOST = 8, 30  # mutants of one relation, for the fast test and the slow one
BATCHES = 12  # of random instances, from all that a claim has
ENOUGH = 500


def mutated(relation: sp.Basic) -> Iterator[sp.Basic]:
    """Relations that differ from `relation` in one place."""
    sides = relation.args
    symbols = sorted(relation.free_symbols, key=str)
    for index, side in enumerate(sides):
        for changed in dict.fromkeys(_changed(side, symbols)):
            if changed != side:
                both = [*sides[:index], changed, *sides[index + 1 :]]
                made = type(relation)(*both, evaluate=False)
                if made.free_symbols:
                    yield made


def _changed(side: sp.Expr, symbols: list[sp.Symbol]) -> Iterator[sp.Expr]:
    terms = sp.Add.make_args(sp.expand(side))
    for term in terms:
        rest = side - term
        yield rest + term * sp.Rational(11, 10)  # a coefficient
        yield rest + term / 2
        yield rest + term * sp.Rational(99, 100)
        yield rest + 2 * term
        yield rest - term  # a sign
        yield rest  # a term
    for symbol in sorted(side.free_symbols, key=str):
        yield side.subs(symbol, symbol**2)  # an exponent
        yield side.subs(symbol, 2 * symbol)
        for other in symbols:
            if other != symbol:
                yield side.subs(symbol, other)  # another symbol


def domains(domain: sp.Basic) -> Iterator[sp.Basic]:
    """Domains with one hypothesis less, and with one turned into its opposite."""
    parts = [part for part in sp.And.make_args(domain) if part != sp.true]
    for part in parts:
        rest = [other for other in parts if other != part]
        yield sp.And(*rest)
        yield sp.And(*rest, sp.Not(part))


def false(relation: sp.Basic, domain: sp.Basic, found: list) -> bool:
    """Whether an instance in the domain violates the relation."""
    for measured in found:
        try:
            mask = inside(domain, measured)
            if mask.any() and bool(compare(relation, measured, mask).violated.any()):
                return True
        except (ArithmeticError, IndexError):  # not defined there, or no number per instance
            continue
    return False


def certified(certificate: Certificate, found: list) -> bool:
    """Whether a certificate holds, and so does what it assumes, on the instances in its domain.

    A value may be true under a hypothesis only: without it the audit says so, not the certificate.
    """
    if not certificate.holds():
        return False
    audit = Audit(certificate)
    for measured in found:
        audit.add(measured, inside(certificate.domain, measured))
    return not audit.reason()


def drawn(claim: Claim) -> list:
    """Some batches of random instances, spread over all sizes."""
    every = [measured for _, measured in _batches(claim, Settings(scale=Scale.SMOKE))]
    return every[:: max(1, len(every) // BATCHES)]


@cache
def score(claim: Claim, most: int) -> tuple[int, list[str]]:
    """How many of a claim's mutants, about `most`, are false, and which its proof proves."""
    good = certificate_of(claim)
    assert good is not None
    found = drawn(claim) if claim.check_of(RandomTest) else []
    relations = list(mutated(good.relation))
    chosen = relations[:: max(1, -(-len(relations) // most))]
    pairs = [(relation, good.domain) for relation in chosen]
    pairs += [(good.relation, domain) for domain in domains(good.domain)]
    wrong = [pair for pair in pairs if false(*pair, found)]
    proved = [
        f"{relation} where {domain}"
        for relation, domain in wrong
        if certified(Certificate(relation, domain, good.rules, good.slack), found)
    ]
    return len(wrong), proved


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_no_false_mutant_is_proved(claim: Claim) -> None:
    assert score(claim, FEW)[1] == []


@pytest.mark.slow
def test_there_are_enough_false_mutants(capsys: pytest.CaptureFixture[str]) -> None:
    scores = [score(claim, MOST) for claim in CLAIMS]
    count, proved = sum(number for number, _ in scores), sum(len(bad) for _, bad in scores)
    with capsys.disabled():
        print(f"\n{count} false mutants of {len(scores)} relations, {proved} proved")
    assert count >= ENOUGH
    assert proved == 0
