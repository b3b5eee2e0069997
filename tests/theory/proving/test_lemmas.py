"""Signs that hold under a hypothesis: each has a proof, and only there do they count."""

from dataclasses import replace

import pytest
import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.claims.hessian import hessian_spectral_bound
from bnproof.theory.claims.weights import santurkar_4_5_ray
from bnproof.theory.layer.curvature import Qe2
from bnproof.theory.layer.minimax import star
from bnproof.theory.prove import certificate_of
from bnproof.theory.proving import lemmas
from bnproof.theory.proving.certificate import Certificate, Term
from bnproof.theory.proving.lemmas import POSITIVE

USED = {Qe2: hessian_spectral_bound.CLAIM, star: santurkar_4_5_ray.CLAIM}


@pytest.mark.parametrize("sign", POSITIVE.values(), ids=lambda sign: str(sign.symbol))
def test_a_sign_has_a_proof_and_a_claim_that_needs_its_hypotheses(sign: lemmas.Positive) -> None:
    assert sign.certificate.flaw() == ""
    good = certificate_of(USED[sign.symbol])
    assert good is not None
    assert good.positives() == [sign]
    assert good.flaw() == ""
    for dropped in sp.And.make_args(sign.certificate.domain):
        rest = [part for part in sp.And.make_args(good.domain) if part != dropped]
        flaw = replace(good, domain=sp.And(*rest)).flaw()
        assert flaw.startswith("it is not established that")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slack": ()}, "is not proved: the two sides do not differ by the slack"),
        ({"relation": sp.Le(2, 3 * star)}, "does not follow from"),
        ({"relation": sp.Le(1, star * (1 / star + 1)), "slack": (Term(star, ""),)}, "not follow"),
        ({"relation": sp.Le(1, star * 2), "rules": {star: star**2 / star}}, "is not proved"),
    ],
)
def test_a_sign_without_a_proof_is_a_flaw_of_what_uses_it(
    changes: dict, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = POSITIVE[star]
    wrong = replace(sign, certificate=replace(sign.certificate, **changes))
    monkeypatch.setitem(lemmas._POSITIVE, star, wrong)
    good = certificate_of(santurkar_4_5_ray.CLAIM)
    assert good is not None
    assert any(words in flaw for flaw in good.flaws())


def test_a_claim_states_no_sign() -> None:
    certificate = Certificate(sp.Le(1, sym.gg), sp.true, {})
    with pytest.raises(ValueError, match="a sign is stated in"):
        lemmas.positive(sym.gg, certificate)
