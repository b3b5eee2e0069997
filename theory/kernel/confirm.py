"""Have Coq confirm evidence: a proof by its certificate, a counterexample by its data.

`confirm` is what `bnproof verify --kernel coq` adds to each piece of evidence; `theorem_of` says
which theorem that is.
"""

import atexit
import re
from dataclasses import replace
from functools import cache

import sympy as sp

from bnproof.theory.claim import Claim, Counterexample, Evidence, ExactCase, Kind, Proof
from bnproof.theory.exact.evaluate import symbols_of, violated_at
from bnproof.theory.kernel.coq import Checker, find
from bnproof.theory.kernel.export import Theorem, positives, theorem
from bnproof.theory.kernel.refute import from_data, from_symbols
from bnproof.theory.kernel.terms import NotExportedError
from bnproof.theory.proving import cache as kept
from bnproof.theory.proving.certificate import Certificate
from bnproof.theory.proving.lemmas import Positive


def confirm(claim: Claim, evidence: Evidence) -> Evidence:
    """Return the evidence with a line that says who checked it, void if Coq does not confirm it.

    Proofs and counterexamples that cannot be exported stay as they are but for that line; evidence
    of other kinds does not change.

    Raises
    ------
    UserError
        If Coq is missing or of another version.
    """
    if evidence.kind not in (Kind.PROOF, Kind.DISPROOF, Kind.COUNTEREXAMPLE):
        return evidence
    first = f"SymPy {sp.__version__}"
    try:
        stated = theorem_of(claim, evidence)
        signs = sign_theorems(evidence)
    except NotExportedError as reason:
        return _with(evidence, f"{first}; not by Coq: {reason}")
    except ValueError as error:  # no certificate, or one of something else
        return _void(evidence, f"{first}; not by Coq: {error}")
    checker = _checker()
    for needed in (*signs, stated):
        outcome = checker.check(needed)
        if not outcome.checked:
            return _void(evidence, f"{first}; refused by {checker.coq}: {outcome.reason}")
    return _with(evidence, f"{first}; {checker.coq}, {stated.scope}")


def theorem_of(claim: Claim, evidence: Evidence) -> Theorem:
    """What Coq is to confirm of a claim's proof or counterexample.

    Raises
    ------
    NotExportedError
        If it cannot be stated as a Coq theorem; the message says what is in the way.
    ValueError
        If the certificate is none, or is of another statement than the claim.
    """
    if evidence.kind is Kind.PROOF:
        return proof_theorem(claim, Certificate.from_json(evidence.numbers["certificate"]))
    return refutation_theorem(claim)


def proof_theorem(claim: Claim, certificate: Certificate) -> Theorem:
    """The theorem of a certificate, which must be of the claim's own relation and domain.

    Raises
    ------
    NotExportedError
        If it is not exported.
    ValueError
        If it is of another relation or domain.
    """
    spec = claim.check_of(Proof)
    target = claim.control if spec is not None and spec.of_control else claim.relation
    if (certificate.relation, certificate.domain) != (target, claim.domain):
        raise ValueError("the certificate is of another statement than the claim")
    return theorem(identifier(claim.id), certificate)


def sign_theorems(evidence: Evidence) -> list[Theorem]:
    """The theorems of the signs that a proof's own theorem assumes; raises as `proof_theorem`."""
    if evidence.kind is not Kind.PROOF:
        return []
    certificate = Certificate.from_json(evidence.numbers["certificate"])
    return [sign_theorem(one) for one in positives(certificate)]


def sign_theorem(sign: Positive) -> Theorem:
    """The theorem of a symbol's sign; raises as `theorem`."""
    return theorem(identifier(f"positive {sign.symbol}"), sign.certificate)


def refutation_theorem(claim: Claim) -> Theorem:
    """The theorem of a claim's counterexample, from raw data where that can be said in Coq.

    Raises
    ------
    NotExportedError
        If there is no counterexample by data, or it is not exported.
    """
    case = claim.check_of(Counterexample) or claim.check_of(ExactCase)
    if case is None:
        raise NotExportedError("both sides were derived: there are no data")
    at = violated_at(claim.relation, case)
    name, values = f"{identifier(claim.id)}_fails", symbols_of(case, at)
    if isinstance(case, Counterexample):
        try:
            return from_data(name, claim.relation, claim.domain, case, values, at)
        except NotExportedError:
            pass
    return from_symbols(name, claim.relation, claim.domain, values)


def identifier(claim_id: str) -> str:
    """The id of a claim as the name of a Coq file and theorem."""
    name = re.sub(r"\W", "_", claim_id, flags=re.ASCII)
    return name if re.match(r"[A-Za-z]", name) else f"claim_{name}"


@cache
def _checker() -> Checker:
    """The checker of this process."""
    checker = Checker(find(), kept.folder())
    atexit.register(checker.close)
    return checker


def _void(evidence: Evidence, checked_by: str) -> Evidence:
    """Evidence that decides nothing any more, and says why."""
    summary = f"{evidence.summary} Void: checked by {checked_by}."
    return _with(replace(evidence, holds=None, control_differs=False, summary=summary), checked_by)


def _with(evidence: Evidence, checked_by: str) -> Evidence:
    return replace(evidence, numbers={**evidence.numbers, "checked by": checked_by})
