"""What proofs assume holds on rational data, and an error of any size is seen there."""

import random
from dataclasses import replace

import pytest
import sympy as sp

from bnproof.theory.claims.gradient import bn_jacobian, santurkar_4_1, santurkar_4_1_eps
from bnproof.theory.claims.hessian import santurkar_4_2, santurkar_4_2_eps
from bnproof.theory.claims.lp import slides_lp_scale
from bnproof.theory.claims.sgd import bjorck_sgd_noise, condition_number_rate
from bnproof.theory.claims.shift import ics_earth_mover_bound
from bnproof.theory.claims.weights import hessian_homogeneity, santurkar_4_5_ray
from bnproof.theory.exact import audit
from bnproof.theory.prove import certificate_of
from bnproof.theory.symbols import IDEAL, REGULAR

MODULES = (
    bn_jacobian,
    santurkar_4_1,
    santurkar_4_1_eps,
    santurkar_4_2,
    santurkar_4_2_eps,
    bjorck_sgd_noise,
    condition_number_rate,
    ics_earth_mover_bound,
    hessian_homogeneity,
    santurkar_4_5_ray,
    slides_lp_scale,
)
SMALL = 1 + sp.Rational(1, 10**20)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.CLAIM.id)
def test_an_error_of_any_size_is_seen(module: object) -> None:
    good = certificate_of(module.CLAIM)
    assert audit.reason(good) == ""
    for symbol, value in good.rules.items():
        wrong = replace(good, rules=good.rules | {symbol: value * SMALL + int(value == 0)})
        assert str(symbol) in audit.reason(wrong)


@pytest.mark.parametrize("name", audit.DRAWN)
def test_every_kind_of_data_can_be_drawn(name: str) -> None:
    kind = audit.kind_of(name)
    source = random.Random(3)
    for domain in (IDEAL, REGULAR):
        for _ in range(3):
            values = kind.draw(source, domain)
            assert domain is REGULAR or kind.symbols <= values.keys()
            assert all(sp.sympify(value).is_real is not False for value in values.values())


def test_other_certificates_meet_other_data() -> None:
    good = certificate_of(santurkar_4_1.CLAIM)
    other = certificate_of(santurkar_4_1_eps.CLAIM)
    assert audit.seed_of(good) == audit.seed_of(good) != audit.seed_of(other)
