"""Run the checks `Proof` and `Disproof`: derive, or load from cache, and certify."""

from collections.abc import Callable

import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.claim import Claim, Disproof, Evidence, Kind, Proof, Settings
from bnproof.theory.common.untouched import untouched
from bnproof.theory.exact import audit
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.proving import cache, signs
from bnproof.theory.proving.certificate import Certificate, Term, points
from bnproof.theory.proving.derivation import (
    KINDS,
    DerivationResult,
    Step,
    certify,
    proves,
    residual,
)
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
    proof, certificate, checked = _proved(spec, target, claim.domain)
    why_not = flaw(proof, certificate, checked)
    rejected = not proves(proof, other, claim.domain)
    what = "the corrected form" if spec.of_control else "the statement"
    outcome = f"does not confirm {what}: {why_not}" if why_not else f"confirms {what}"
    summary = f"SymPy {outcome}. {_counted(proof)}."
    if proof.slack and not why_not:
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
            if not term.lemma or not why_not
        ],
    }
    if spec.attained is not None:
        numbers["attained"] = exact.attained(target, claim.domain, spec.attained)
        summary += f" Tight: {numbers['attained']}."
    # A proof of the correction does not refute the printed statement; the counterexample does.
    answer = None if spec.of_control or why_not else True
    control = "" if rejected else "the derivation proves the control as well"
    return Evidence(
        Kind.PROOF,
        answer,
        not why_not and rejected,
        summary,
        numbers,
        {"sympy": sp.__version__},
        {"steps": proof.steps},
        reason=why_not or control,
        given=_given(proof, certificate),
    )


def flaw(proof: DerivationResult, certificate: Certificate, checked: str | None = None) -> str:
    """Why a derivation does not prove the relation of its certificate; empty if it does.

    `checked` is the flaw of the certificate alone, where that is known already.
    """
    try:
        # The serialised form is checked, which is what others will read.
        read = Certificate.from_json(certificate.to_json())
        own = checked if checked is not None and read == certificate else read.flaw()
        empty = own or proof.gap() or _empty(certificate.relation, certificate.domain)
        return empty or _uncited(proof) or audit.reason(read)
    except ValueError as error:
        return str(error)


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
    return (
        None if spec is None else certify(derivation_of(spec.prove), claim.relation, claim.domain)
    )


def _sides(claim: Claim) -> tuple[sp.Basic, sp.Basic]:
    """What the claim's `Proof` proves, and what it must not prove."""
    if claim.check_of(Proof).of_control:
        return claim.control, claim.relation
    return claim.relation, claim.control


def _counted(proof: DerivationResult) -> str:
    """How many steps are checked, stated and cited, in words, and how many are definitions."""
    count = proof.counts()
    start = f"Of {len(proof.steps)} steps {count['checked']} are checked, {count['given']} stated"
    return f"{start} in words, {count['cited']} cited, {count['defined']} definitions"


def _numbers(proof: DerivationResult) -> dict[str, object]:
    count = proof.counts()
    return {
        "steps checked": count["checked"],
        "steps stated": count["given"],
        "steps cited": count["cited"],
        "definitions": count["defined"],
        "rests_on": list(proof.rests_on),
    }


def check_disproof(claim: Claim, settings: Settings) -> Evidence:
    """Run the claim's `Disproof`: derive both sides and the sign of their difference.

    The equation fails in every case if right minus left is positive, or negative, by the signs of
    the symbols alone.
    """
    del settings
    proof = derivation_of(claim.check_of(Disproof).prove)
    certificate = certify(proof, claim.relation, claim.domain)
    gap = residual(certificate)
    reason = flaw_of_disproof(proof, certificate, gap)
    control_holds = proves(proof, claim.control, claim.domain)
    summary = f"The two sides differ by {text(gap)} in every case: the statement is false."
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


def flaw_of_disproof(proof: DerivationResult, certificate: Certificate, gap: sp.Expr) -> str:
    """Why a derivation does not show that the sides always differ, by `gap`; empty if it does."""
    strange = sorted(str(part) for part in certificate.symbols() - sym.SYMBOLS.keys())
    if strange:
        return f"{', '.join(strange)}: not measured"
    if not any(signs.positive(part, certificate.domain) for part in (gap, -gap)):
        return f"the difference {text(gap)} has no definite sign"
    unsound = next(certificate.unfounded(), "") or proof.gap() or _uncited(proof)
    return unsound or audit.reason(certificate)


def derivation_of(prove: Callable[[], DerivationResult]) -> DerivationResult:
    """Run a derivation of a claim's author, who may return anything.

    Raises
    ------
    ValueError
        If the result is not what `Derivation.finish` returns, or the package was changed.
    """
    with untouched():
        proof = prove()
    # Of these very types: a subclass could answer that nothing is only stated.
    if type(proof) is not DerivationResult or not all(type(step) is Step for step in proof.steps):
        found = type(proof).__name__
        raise ValueError(f"prove returned a {found}; return what Derivation.finish returns")
    strange = [
        step.kind for step in proof.steps if type(step.kind) is not str or step.kind not in KINDS
    ]
    if strange:
        raise ValueError(f"a step is {strange[0]!r}; the kinds are {', '.join(KINDS)}")
    return proof


def _proved(
    spec: Proof, target: sp.Basic, domain: sp.Basic
) -> tuple[DerivationResult, Certificate, str]:
    """Return the cached proof if its certificate still holds, else a fresh one, with its flaw.

    `bnproof.theory.proving.cache` says which parts of the cache are trusted.
    """
    cached = cache.recall(spec.prove)
    if cached is not None:
        certificate = certify(cached, target, domain)
        if certificate.holds() and not cached.gap():
            return cached, certificate, ""
    proof = derivation_of(spec.prove)
    cache.keep(spec.prove, proof)
    certificate = certify(proof, target, domain)
    return proof, certificate, certificate.flaw()
