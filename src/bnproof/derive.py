"""Format the derivation of a claim as lines of text, as printed by `bnproof derive`."""

import textwrap
from collections.abc import Callable, Iterator

import sympy as sp

from bnproof.theory.claim import (
    Claim,
    Counterexample,
    Disproof,
    ExactCase,
    Proof,
    Settings,
)
from bnproof.theory.common.errors import UserError
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.prove import derivation_of, flaw, flaw_of_disproof
from bnproof.theory.proving.derivation import DerivationResult, certify, residual
from bnproof.theory.proving.lemmas import LEMMAS
from bnproof.theory.symbols import latex as to_latex
from bnproof.theory.symbols import text as to_text

Show = Callable[[sp.Basic | None], str]


def lines(claim: Claim, *, latex: bool = False) -> Iterator[str]:
    """Yield the derivation, or the counterexample and the derivation of the corrected form.

    Raises
    ------
    UserError
        If the claim is decided only by simulation or experiment, or its derivation fails.
    """
    show = to_latex if latex else to_text
    derived = claim.check_of(Proof) or claim.check_of(Disproof)
    case = claim.check_of(Counterexample) or claim.check_of(ExactCase)
    if derived is None and case is None:
        names = ", ".join(type(spec).__name__ for spec in claim.checks)
        raise UserError(f"{claim.id} has no derivation: it is decided by {names}; use `show`")
    proof = None if derived is None else _proof(claim, derived)
    yield f"{claim.id}: {claim.title}"
    where = "" if claim.domain == sp.true else f"    where {show(claim.domain)}"
    yield f"Statement: {show(claim.relation)}{where}"
    yield "Each step is an equation checked by SymPy unless marked as definition, stated or cited."
    if case is not None:
        evidence = exact.check(claim, Settings())
        yield ""
        yield from textwrap.wrap(f"Counterexample, in exact arithmetic: {evidence.summary}", 96)
    if derived is None or proof is None:
        return
    if isinstance(derived, Proof) and derived.of_control:
        yield ""
        yield f"The corrected form: {show(claim.control)}"
    yield ""
    yield from _steps(proof, latex)
    yield from _conclusion(claim, derived, proof, show)


def _proof(claim: Claim, derived: Proof | Disproof) -> DerivationResult:
    """Run the derivation; whatever it raises is an error of the claim's author."""
    try:
        return derivation_of(derived.prove)
    except (Exception, SystemExit) as error:
        reason = str(error).splitlines()[0] if str(error) else "no message"
        name = type(error).__name__
        raise UserError(f"{claim.id}: its derivation fails: {name}: {reason}") from None


def _steps(proof: DerivationResult, latex: bool) -> Iterator[str]:
    for number, step in enumerate(proof.steps, start=1):
        yield from textwrap.wrap(f"{number}. {step.caption()}", 96)
        equation = step.latex if latex else step.text
        if equation:
            yield f"       {equation}"


def _conclusion(
    claim: Claim, derived: Proof | Disproof, proof: DerivationResult, show: Show
) -> Iterator[str]:
    yield ""
    if isinstance(derived, Disproof):
        certificate = certify(proof, claim.relation, claim.domain)
        gap = residual(certificate)
        yield f"Right side minus left side: {show(gap)}"
        found = flaw_of_disproof(proof, certificate, gap)
        if found:
            yield f"Conclusion NOT confirmed, {found}: that the two sides differ in every case"
    else:
        target = claim.control if derived.of_control else claim.relation
        found = flaw(proof, certify(proof, target, claim.domain))
        yield f"Conclusion {f'NOT confirmed, {found}' if found else 'confirmed'}: {show(target)}"
        for term in () if found else proof.slack:
            lemma = (
                f" times {show(LEMMAS[term.lemma].expression)}, {term.lemma}" if term.lemma else ""
            )
            yield f"Slack: {show(term.expr)}{lemma}, non-negative: {term.reason}"
        if derived.attained is not None:
            yield f"Tight: {exact.attained(target, claim.domain, derived.attained)}."
    for theorem in proof.rests_on:
        yield f"Given: {theorem}."
    # It says how a relation differs from the statement, where it was rewritten to be checked.
    yield from textwrap.wrap(f"Remark: {claim.remark}" if claim.remark else "", 96)
