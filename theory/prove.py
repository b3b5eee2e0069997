"""Run the checks `Proof`, `Disproof` and `Argument`: derive, or load from cache, and certify."""

import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.claim import Argument, Claim, Disproof, Evidence, Kind, Proof, Settings
from bnproof.theory.exact import audit
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.proving import cache, signs
from bnproof.theory.proving.certificate import Certificate, Term, points
from bnproof.theory.proving.derivation import DerivationResult, certify, proves, residual
from bnproof.theory.symbols import text


def check(claim: Claim, settings: Settings) -> Evidence:
    """Run the claim's `Proof`: derive, check the certificate, and test that the control fails.

    An inequality as control counts as rejected if this slack does not prove it.  Another slack
    might, which is why `Claim` requires a further check.
    A derivation is the same at every scale; `settings` is only part of the common signature.
    """
    del settings
    spec = claim.check_of(Proof)
    target, other = _sides(claim)
    proof, certificate, flaw = _proved(spec, target, claim.domain)
    # Check the serialised form, which is what others will read.
    try:
        read = Certificate.from_json(certificate.to_json())
        flaw = (flaw if read == certificate else read.flaw()) or proof.gap()
        flaw = flaw or _empty(target, claim.domain) or _uncited(proof) or audit.reason(read)
    except ValueError as error:
        flaw = str(error)
    rejected = not proves(proof, other, claim.domain)
    what = "the corrected form" if spec.of_control else "the statement"
    outcome = f"does not confirm {what}: {flaw}" if flaw else f"confirms {what}"
    summary = f"SymPy {outcome}. {_counted(proof)}."
    if proof.slack and not flaw:
        summary += f" Slack: {' + '.join(text(term.value) for term in proof.slack)}."
    numbers = {
        "steps": len(proof.steps),
        **_numbers(proof),
        "certificate": certificate.to_json(),
        "slack": [
            {
                "term": text(term.value),
                "because": ": ".join(filter(None, (term.lemma, term.reason))),
            }
            for term in proof.slack
            if not term.lemma or not flaw
        ],
    }
    if spec.attained is not None:
        numbers["attained"] = exact.attained(target, claim.domain, spec.attained)
        summary += f" Tight: {numbers['attained']}."
    # A proof of the correction does not refute the printed statement; the counterexample does.
    answer = None if spec.of_control or flaw else True
    control = "" if rejected else "the derivation proves the control as well"
    return Evidence(
        Kind.PROOF,
        answer,
        not flaw and rejected,
        summary,
        numbers,
        {"sympy": sp.__version__},
        {"steps": proof.steps},
        reason=flaw or control,
        given=_given(proof, certificate),
    )


def _given(proof: DerivationResult, certificate: Certificate) -> tuple[str, ...]:
    """The theorems that a proof cites, those of its lemmas included."""
    lemmas = [lemma.theorem for lemma in certificate.lemmas() if lemma.theorem]
    return tuple(dict.fromkeys([*proof.rests_on, *lemmas]))


def _empty(relation: sp.Basic, domain: sp.Basic) -> str:
    """Say that a statement says nothing: it follows from its hypotheses and signs alone."""
    gap = relation.rhs - relation.lhs
    plain, where = sym.in_primitives(gap), sym.in_primitives(domain)
    for values in points(plain.free_symbols | where.free_symbols):
        if where.xreplace(values) == sp.true and sp.Lt(plain.xreplace(values), 0) == sp.true:
            return ""  # it fails at a point where they hold
    slack = () if isinstance(relation, sp.Eq) else (Term(gap, "by hypothesis"),)
    says = Certificate(relation, domain, {}, slack).flaw()
    return "" if says else "the statement follows from its hypotheses alone and says nothing"


def _uncited(proof: DerivationResult) -> str:
    """Say that a step is taken from elsewhere without a reference, if one is."""
    missing = proof.counts()["cited"] and not any(map(str.strip, proof.rests_on))
    return "a step is cited without the reference of its theorem" if missing else ""


def certificate_of(claim: Claim) -> Certificate | None:
    """The certificate that the claim's `Proof` or `Disproof` rests on, or None without one."""
    spec = claim.check_of(Proof)
    if spec is not None:
        return _proved(spec, _sides(claim)[0], claim.domain)[1]
    spec = claim.check_of(Disproof)
    return None if spec is None else certify(spec.prove(), claim.relation, claim.domain)


def _sides(claim: Claim) -> tuple[sp.Basic, sp.Basic]:
    """What the claim's `Proof` proves, and what it must not prove."""
    if claim.check_of(Proof).of_control:
        return claim.control, claim.relation
    return claim.relation, claim.control


def _counted(proof: DerivationResult) -> str:
    """How many steps are checked, stated and cited, in words, and how many are definitions."""
    count = proof.counts()
    said = f"Of {len(proof.steps)} steps {count['checked']} are checked, {count['given']} stated"
    return f"{said} in words, {count['cited']} cited, {count['defined']} definitions"


def _numbers(proof: DerivationResult) -> dict[str, object]:
    count = proof.counts()
    return {
        "steps checked": count["checked"],
        "steps stated": count["given"],
        "steps cited": count["cited"],
        "definitions": count["defined"],
        "rests_on": list(proof.rests_on),
    }


def check_argument(claim: Claim, settings: Settings) -> Evidence:
    """Run the claim's `Argument`, whose steps are shown and decide nothing."""
    del settings
    spec = claim.check_of(Argument)
    proof = spec.prove()
    summary = f"An argument, not a proof: {spec.missing}. {_counted(proof)}."
    numbers = {"steps": len(proof.steps), **_numbers(proof)}
    if spec.attained is not None:
        numbers["attained"] = exact.attained(claim.relation, claim.domain, spec.attained)
        summary += f" Tight: {numbers['attained']}."
    return Evidence(
        Kind.ARGUMENT,
        None,
        True,
        summary,
        numbers,
        {"sympy": sp.__version__},
        {"steps": proof.steps},
        given=proof.rests_on,
    )


def check_disproof(claim: Claim, settings: Settings) -> Evidence:
    """Run the claim's `Disproof`: derive both sides and the sign of their difference.

    The equation fails in every case if right minus left is positive, or negative, by the signs of
    the symbols alone.
    """
    del settings
    proof = claim.check_of(Disproof).prove()
    gap = residual(claim.relation, proof, claim.domain)
    fails = signs.positive(gap, claim.domain) or signs.positive(-gap, claim.domain)
    certificate = certify(proof, claim.relation, claim.domain)
    strange = sorted(str(part) for part in certificate.symbols() - sym.SYMBOLS.keys())
    control_holds = proves(proof, claim.control, claim.domain)
    summary = f"The two sides differ by {text(gap)} in every case: the statement is false."
    unclear = f"the difference {text(gap)} has no definite sign"
    reason = f"{', '.join(strange)}: not measured" if strange else "" if fails else unclear
    reason = reason or next(certificate.unfounded(), "") or proof.gap() or _uncited(proof)
    reason = reason or audit.reason(certificate)
    return Evidence(
        Kind.DISPROOF,
        None if reason else False,
        control_holds,
        f"Nothing is disproved: {reason}." if reason else f"{summary} {_counted(proof)}.",
        {"steps": len(proof.steps), **_numbers(proof), "difference": text(gap)},
        {"sympy": sp.__version__},
        {"steps": proof.steps},
        reason=reason,
        given=_given(proof, certificate),
    )


def _proved(
    spec: Proof, target: sp.Basic, domain: sp.Basic
) -> tuple[DerivationResult, Certificate, str]:
    """Return the cached proof if its certificate still holds, else a fresh one, with its flaw.

    `bnproof.theory.proving.cache` says which parts of the cache are trusted.
    """
    cached = cache.recall(spec.prove)
    if cached is not None:
        certificate = certify(cached, target, domain)
        if certificate.holds():
            return cached, certificate, ""
    proof = spec.prove()
    cache.keep(spec.prove, proof)
    certificate = certify(proof, target, domain)
    return proof, certificate, certificate.flaw()
