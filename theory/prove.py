"""Carry out the means `Derived` and `Disproved`: derive or recall, then check the certificate."""

import sympy as sp

from bnproof.theory.claim import Claim, Derived, Disproved, Evidence, Kind, Settings
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.proving import cache
from bnproof.theory.proving.certificate import Certificate
from bnproof.theory.proving.derivation import Proof, certify, proves, residual
from bnproof.theory.symbols import text


def check(claim: Claim, settings: Settings) -> Evidence:
    """Carry out the claim's `Derived` means: derive, check, and see the control rejected.

    An inequality is rejected if this slack does not prove it, which another might: what decides
    there is the other means that `Claim` asks for.
    A derivation is exact and the same at every scale: `settings` is part of the common signature.
    """
    del settings
    way = claim.means_of(Derived)
    target, other = (
        (claim.control, claim.relation) if way.of_control else (claim.relation, claim.control)
    )
    proof, certificate = _proved(way, target, claim.domain)
    # Checked as others will read it: from its text.
    holds = Certificate.from_json(certificate.to_json()).holds()
    rejected = not proves(proof, other, claim.domain)
    what = "the corrected form" if way.of_control else "the statement"
    outcome = "confirms" if holds else "does not confirm"
    summary = f"SymPy {outcome} {what} in {len(proof.steps)} steps, for all its letters."
    if proof.slack:
        summary += f" Slack: {' + '.join(text(term.expr) for term in proof.slack)}."
    numbers = {
        "steps": len(proof.steps),
        "certificate": certificate.to_json(),
        "slack": [{"term": text(term.expr), "because": term.reason} for term in proof.slack],
        "equality": proof.equality,
        "rests_on": list(proof.rests_on),
    }
    if way.attained is not None:
        numbers["attained"] = exact.attained(target, claim.domain, way.attained)
        summary += f" Tight: {numbers['attained']}."
    # A proof of the correction says nothing of the printed statement: the counterexample does.
    answer = None if way.of_control else (True if holds else None)
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
    """Carry out the claim's `Disproved` means: both sides derived, their difference of one sign.

    The equation fails in every case when right minus left is positive, or negative, by the
    assumptions on the letters alone.
    """
    del settings
    proof = claim.means_of(Disproved).prove()
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


def _proved(way: Derived, target: sp.Basic, domain: sp.Basic) -> tuple[Proof, Certificate]:
    """The proof kept on disk if its certificate still holds, else a fresh one.

    `bnproof.theory.proving.cache` says what of it is trusted.
    """
    kept = cache.recall(way.prove)
    if kept is not None:
        certificate = certify(kept, target, domain)
        if certificate.holds():
            return kept, certificate
    proof = way.prove()
    cache.keep(way.prove, proof)
    return proof, certify(proof, target, domain)
