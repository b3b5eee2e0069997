"""The author of a claim chooses neither the sizes nor what counts as inside the domain."""

from dataclasses import replace

import pytest
import sympy as sp
import torch

from bnproof.simulate.check import MORE, sized
from bnproof.simulate.relation import inside
from bnproof.simulate.samplers.autodiff import Measured
from bnproof.simulate.samplers.networks import draw
from bnproof.simulate.samplers.table import SAMPLERS, sampler_of
from bnproof.simulate.samplers.weights import problems
from bnproof.theory import symbols as sym
from bnproof.theory.claim import RandomTest, Scale, Settings
from bnproof.theory.claims.gradient import santurkar_4_1
from bnproof.theory.layer import curvature as cur


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("scale", [Scale.SMOKE, Scale.QUICK])
def test_sizes_beyond_those_of_the_claim_are_drawn(sampler: str, scale: Scale) -> None:
    possible = list(sampler_of(RandomTest(sampler=sampler)).possible({sym.vv}))
    assert len(possible) > 2
    test = RandomTest(sizes=(possible[0],), sampler=sampler)
    spec = sized(replace(santurkar_4_1.CLAIM, checks=(test,)), Settings(scale=scale))
    more = set(spec.sizes) - set(test.sizes)
    assert 1 <= len(more) <= MORE[scale]
    assert more <= set(possible)
    assert max(more) > possible[0]
    everything = RandomTest(sizes=tuple(possible), sampler=sampler)
    same = sized(replace(santurkar_4_1.CLAIM, checks=(everything,)), Settings(scale=scale))
    assert same.sizes == everything.sizes


def test_one_unit_is_drawn_up_to_4096_but_for_eigenvalues() -> None:
    module = sampler_of(RandomTest(sampler="weights"))
    assert max(module.possible({sym.vv})) == 4096
    assert max(module.possible({cur.lamK})) == 160
    large = problems(2, 4096, "cross-entropy", 0, eps=(0.0,))
    for symbol in (cur.gHg, cur.qKq, sym.FORM["h", "k"], sym.vv):
        assert torch.isfinite(large.value(symbol)).all()
        assert torch.isfinite(large.magnitude(symbol)).all()


@pytest.mark.parametrize(
    ("domain", "share"),
    [
        (sp.Gt(sym.hat_mean, 0), 0),  # it is 0 but for rounding
        (sp.Ne(sym.hat_mean, 0), 0),
        (sp.Or(sp.Gt(sym.hat_mean, 0), sp.Lt(sym.hat_mean, 0)), 0),
        (sp.Ge(sym.hat_mean, sp.Rational(1, 10**18)), 0),
        (sp.Ge(sym.m, 8), 1),
        (sp.Gt(sym.m, 8), 0),
        (sp.Le(sym.sigma, sp.oo), 1),
        (sp.And(sp.Gt(sym.sigma, 0), sp.Ge(sym.eps, 0)), 1),
        (sp.Eq(sym.eps, 0), 1),
    ],
    ids=str,
)
def test_a_hypothesis_holds_by_more_than_rounding(domain: sp.Basic, share: float) -> None:
    measured = Measured(draw(40, 8, "logistic", 1, epsilons=(0.0,)))
    assert inside(domain, measured).double().mean() == share
