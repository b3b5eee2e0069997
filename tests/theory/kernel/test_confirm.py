"""What Coq refuses is never proved, and what it was not asked is said."""

from dataclasses import replace

import pytest
import sympy as sp

from bnproof.theory.claim import Evidence, Kind, Settings, Verdict, decide
from bnproof.theory.claims.gradient import neurips_4_1_sqrt_m, santurkar_4_1
from bnproof.theory.claims.random_matrices import fuss_catalan_cdf
from bnproof.theory.exact import evaluate
from bnproof.theory.kernel import confirm
from bnproof.theory.kernel.coq import Coq, Outcome
from bnproof.theory.prove import check
from bnproof.theory.proving.certificate import Certificate

PROVED = santurkar_4_1.CLAIM
REFUTED = neurips_4_1_sqrt_m.CLAIM


class StandIn:
    """A checker that always says the same."""

    coq = Coq("coqc", "8.16.1")

    def __init__(self, *, checked: bool) -> None:
        self.answer = Outcome("t", checked, "" if checked else "Coq was killed by signal 9")

    def check(self, theorem: object) -> Outcome:
        return self.answer


@pytest.fixture
def evidence() -> Evidence:
    return check(PROVED, Settings())


def says(monkeypatch, *, checked):
    monkeypatch.setattr(confirm, "_checker", lambda: StandIn(checked=checked))


def test_a_confirmed_proof_says_by_whom(monkeypatch, evidence):
    says(monkeypatch, checked=True)
    found = confirm.confirm(PROVED, evidence)
    assert found.numbers["checked by"] == (
        f"SymPy {sp.__version__}; Coq 8.16.1, from the definition of the layer"
    )
    assert replace(found, numbers=evidence.numbers) == evidence


def test_a_proof_that_is_not_confirmed_proves_nothing_and_says_why(monkeypatch, evidence):
    assert decide([evidence]) is Verdict.PROVED
    says(monkeypatch, checked=False)
    found = confirm.confirm(PROVED, evidence)
    measured = Evidence(Kind.INSTANCES, True, True, "")
    assert decide([found]) is decide([found, measured]) is Verdict.UNDECIDED
    assert "Coq was killed by signal 9" in found.summary
    assert "\n" not in found.summary


def test_nor_does_a_counterexample(monkeypatch):
    evidence = evaluate.check(REFUTED, Settings())
    assert decide([evidence]) is Verdict.REFUTED
    says(monkeypatch, checked=False)
    assert decide([confirm.confirm(REFUTED, evidence)]) is Verdict.UNDECIDED
    says(monkeypatch, checked=True)
    assert "from raw data" in confirm.confirm(REFUTED, evidence).numbers["checked by"]


def test_what_cannot_be_stated_keeps_its_verdict_and_says_so(monkeypatch):
    says(monkeypatch, checked=False)
    claim = fuss_catalan_cdf.CLAIM
    evidence = check(claim, Settings())
    found = confirm.confirm(claim, evidence)
    assert found.holds is True
    assert found.numbers["checked by"].endswith("not by Coq: sin is not exported")


def test_other_evidence_is_left_alone():
    measured = Evidence(Kind.INSTANCES, True, True, "")
    assert confirm.confirm(PROVED, measured) is measured


def test_a_certificate_of_another_statement_confirms_nothing(monkeypatch, evidence):
    says(monkeypatch, checked=True)
    certificate = Certificate.from_json(evidence.numbers["certificate"])
    for other in (
        replace(certificate, relation=PROVED.control),
        replace(certificate, domain=certificate.domain & sp.Gt(sp.Symbol("a"), 0)),
    ):
        numbers = {**evidence.numbers, "certificate": other.to_json()}
        found = confirm.confirm(PROVED, replace(evidence, numbers=numbers))
        assert decide([found]) is Verdict.UNDECIDED
        assert "another statement" in found.summary


def test_nor_does_what_is_no_certificate(monkeypatch, evidence):
    says(monkeypatch, checked=True)
    content = evidence.numbers["certificate"]
    for edited in ({}, {**content, "relation": "exit()"}, {**content, "slack": None}):
        numbers = {**evidence.numbers, "certificate": edited}
        found = confirm.confirm(PROVED, replace(evidence, numbers=numbers))
        assert decide([found]) is Verdict.UNDECIDED
        assert "\n" not in found.summary


@pytest.mark.parametrize("claim_id", ["a-b", "1st", "é", "forall"])
def test_the_id_of_a_claim_becomes_a_name(claim_id):
    assert confirm.identifier(claim_id).isascii()
    assert confirm.identifier(claim_id).isidentifier()
