"""Carry out the means `Proof` and `Disproof`: derive or recall, then check the certificate."""

import sympy as sp

from bnproof.theory.claim import Claim, Disproof, Evidence, Kind, Proof, Settings
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.proving import cache
from bnproof.theory.proving.certificate import Certificate
from bnproof.theory.proving.derivation import DerivationResult, certify, proves, residual
from bnproof.theory.symbols import text


def check(claim: Claim, settings: Settings) -> Evidence:
    """Carry out the claim's `Proof` checks: derive, check, and see the control rejected.

    An inequality is rejected if this slack does not prove it, which another might: what decides
    there is the other means that `Claim` asks for.
    A derivation is exact and the same at every scale: `settings` is part of the common signature.
    """
    del settings
    spec = claim.check_of(Proof)
    target, other = (
        (claim.control, claim.relation) if spec.of_control else (claim.relation, claim.control)
    )
    proof, certificate = _proved(spec, target, claim.domain)
    # Checked as others will read it: from its text.
    holds = Certificate.from_json(certificate.to_json()).holds()
    rejected = not proves(proof, other, claim.domain)
    what = "the corrected form" if spec.of_control else "the statement"
    outcome = "confirms" if holds else "does not confirm"
    summary = f"SymPy {outcome} {what} in {len(proof.steps)} steps, for all its symbols."
    if proof.slack:
        summary += f" Slack: {' + '.join(text(term.expr) for term in proof.slack)}."
    numbers = {
        "steps": len(proof.steps),
        "certificate": certificate.to_json(),
        "slack": [{"term": text(term.expr), "because": term.reason} for term in proof.slack],
        "equality": proof.equality,
        "rests_on": list(proof.rests_on),
    }
    if spec.attained is not None:
        numbers["attained"] = exact.attained(target, claim.domain, spec.attained)
        summary += f" Tight: {numbers['attained']}."
    # A proof of the correction says nothing of the printed statement: the counterexample does.
    answer = None if spec.of_control else (True if holds else None)
    return Evidence(
        Kind.PROOF,
        answer,
        holds and rejected,
        summary,
        numbers,
        {"sympy": sp.__version__},
        {"steps": proof.steps},
    )


def check_disproof(claim: Claim, settings: Settings) -> Evidence:
    """Carry out the claim's `Disproof` checks: both sides derived, their difference of one sign.

    The equation fails in every case when right minus left is positive, or negative, by the
    assumptions on the symbols alone.
    """
    del settings
    proof = claim.check_of(Disproof).prove()
    gap = residual(claim.relation, proof, claim.domain)
    fails = bool(gap.is_positive or gap.is_negative)
    control_holds = proves(proof, claim.control, claim.domain)
    summary = f"The two sides differ by {text(gap)} in every case: the statement is false."
    numbers = {
        "steps": len(proof.steps),
        "difference": text(gap),
        "rests_on": list(proof.rests_on),
    }
    return Evidence(
        Kind.COUNTEREXAMPLE,
        False if fails else None,
        control_holds,
        summary if fails else f"The difference {text(gap)} has no definite sign.",
        numbers,
        {"sympy": sp.__version__},
        {"steps": proof.steps},
    )


def _proved(
    spec: Proof, target: sp.Basic, domain: sp.Basic
) -> tuple[DerivationResult, Certificate]:
    """The proof kept on disk if its certificate still holds, else a fresh one.

    `bnproof.theory.proving.cache` says what of it is trusted.
    """
    kept = cache.recall(spec.prove)
    if kept is not None:
        certificate = certify(kept, target, domain)
        if certificate.holds():
            return kept, certificate
    proof = spec.prove()
    cache.keep(spec.prove, proof)
    return proof, certify(proof, target, domain)
