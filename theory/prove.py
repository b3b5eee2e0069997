"""Run the checks `Proof` and `Disproof`: derive or load from cache, then check the certificate."""

import sympy as sp

from bnproof.theory.claim import Claim, Disproof, Evidence, Kind, Proof, Settings
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.proving import cache
from bnproof.theory.proving.certificate import Certificate
from bnproof.theory.proving.derivation import DerivationResult, certify, proves, residual
from bnproof.theory.symbols import text


def check(claim: Claim, settings: Settings) -> Evidence:
    """Run the claim's `Proof`: derive, check the certificate, and test that the control fails.

    An inequality as control counts as rejected if this slack does not prove it.  Another slack
    might, which is why `Claim` then requires a further check.
    A derivation is the same at every scale; `settings` is only part of the common signature.
    """
    del settings
    spec = claim.check_of(Proof)
    target, other = (
        (claim.control, claim.relation) if spec.of_control else (claim.relation, claim.control)
    )
    proof, certificate = _proved(spec, target, claim.domain)
    # Check the serialised form, which is what others will read.
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
    # A proof of the correction does not refute the printed statement; the counterexample does.
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
    """Run the claim's `Disproof`: derive both sides and the sign of their difference.

    The equation fails in every case if right minus left is positive, or negative, by the
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
    """Return the cached proof if its certificate still holds, else a fresh one.

    `bnproof.theory.proving.cache` says which parts of the cache are trusted.
    """
    cached = cache.recall(spec.prove)
    if cached is not None:
        certificate = certify(cached, target, domain)
        if certificate.holds():
            return cached, certificate
    proof = spec.prove()
    cache.keep(spec.prove, proof)
    return proof, certify(proof, target, domain)
