"""The sampler of weights: against independent routes, and controls that fail."""

import itertools

import pytest
import sympy as sp
import torch
from torch import Tensor

import bnproof.theory.claims
from bnproof.simulate import check
from bnproof.simulate.samplers.weights import INPUTS, Weighted, batches, problems
from bnproof.theory import symbols as sym
from bnproof.theory.claim import Claim, RandomTest, Verdict
from bnproof.theory.layer import curvature as cur
from bnproof.theory.layer import minimax as mnx
from bnproof.theory.layer import weights as wts
from bnproof.theory.loading import load_folder

EPS = (0.0, 1e-3, 0.1)
CLAIMS = [
    claim
    for claim in load_folder(bnproof.theory.claims)
    if isinstance(claim, Claim)
    and (spec := claim.check_of(RandomTest)) is not None
    and spec.sampler == "weights"
]


@pytest.fixture(scope="module", params=["cross-entropy", "squared error", "non-convex"])
def q(request: pytest.FixtureRequest) -> Weighted:
    return problems(6, 5, request.param, 3, eps=EPS)


def close(left: Tensor, right: Tensor, tolerance: float = 1e-9) -> None:
    assert ((left - right).abs() <= tolerance * (1 + right.abs())).all()


def test_gradient_and_hessian_agree_with_the_chain_rule_through_y(q: Weighted) -> None:
    """X'v and X'KX, from derivatives at y: another route than autodiff through the weights."""
    XT = q.X.mT
    close(q.value(wts.grad_k), (XT @ q.v.detach().unsqueeze(-1)).squeeze(-1))
    close(q.value(wts.hess_ki), XT @ q.K @ q.X)


def test_derivatives_agree_with_finite_differences(q: Weighted) -> None:
    step = 1e-5
    for k in range(INPUTS):
        e = torch.zeros(INPUTS, dtype=torch.float64)
        e[k] = step
        slope = (q.loss_at(q.w + e) - q.loss_at(q.w - e)) / (2 * step)
        close(q.grad[:, k], slope, 1e-5)
        bend = (q.gradient_at(q.w + e)[1] - q.gradient_at(q.w - e)[1]) / (2 * step)
        close(q.hess[:, k], bend.detach(), 1e-4)


def test_the_layer_letters_are_those_of_the_problem(q: Weighted) -> None:
    y = torch.einsum("kmd,kd->km", q.X, q.w)
    close(q.value(sym.sigma), y.std(-1, correction=0))
    close(q.value(cur.qq), q.value(sym.gamma) ** 2 * q.value(sym.gg))
    close(q.value(cur.gz), q.value(sym.gamma) * q.value(sym.gy))


def test_eigenvalues_are_largest_over_directions(q: Weighted) -> None:
    generator = torch.Generator().manual_seed(1)
    u = torch.randn(400, 6, 5, generator=generator, dtype=torch.float64)
    u = u / u.norm(dim=-1, keepdim=True)
    rayleigh = torch.einsum("nkm,kmj,nkj->nk", u, q.K, u)
    top = q.value(cur.lamK)
    assert (rayleigh <= top + 1e-12).all()
    at_top = torch.einsum("km,kmj,kj->k", q.u, q.K, q.u)
    close(at_top[1::2], top[1::2])
    close(q.u[::2], q.direction[::2])


def test_the_maximum_over_a_ball_beats_random_points(q: Weighted) -> None:
    found = q.value(mnx.ghat)
    generator = torch.Generator().manual_seed(2)
    X = torch.randn(300, *q.X.shape, generator=generator, dtype=torch.float64)
    X = q.radius[:, None, None] * X / torch.linalg.matrix_norm(X, 2)[..., None, None]
    at = torch.einsum("nkmd,km->nkd", X, q.v.detach()).square().sum(-1)
    assert (at <= found * (1 + 1e-12)).all()
    close(found, q.radius**2 * q.value(sym.vv))


def test_inputs_shrunk_along_w_are_no_longer() -> None:
    q = problems(40, 6, "squared error", 9, eps=(0.0,))
    unit = q.w / q.w.norm(dim=-1, keepdim=True)
    part = (q.X @ unit.unsqueeze(-1)) * unit.unsqueeze(-2)
    c = q.c.clamp(max=1)[:, None, None]
    norms = [torch.linalg.matrix_norm(X, 2) for X in (q.X - (1 - c) * part, q.X)]
    assert (norms[0] <= norms[1] * (1 + 1e-12)).all()


def test_distances_agree_with_a_search() -> None:
    q = problems(20, 9, "squared error", 4, eps=(0.0,))
    grid = torch.linspace(0, 4, 4001, dtype=torch.float64)
    points = grid[:, None, None] * q.star / q.star.norm(dim=-1, keepdim=True)
    nearest = (points - q.w).square().sum(-1).amin(0)
    close(q.value(mnx.d_ray), nearest, 1e-4)
    # No direction nearby, and none of many at random, fits better than the optimum found.
    best = q.miss(q.normalised_star)
    generator = torch.Generator().manual_seed(5)
    for size in (1e-3, 1e-1, 10.0):
        other = torch.randn(300, *q.w.shape, generator=generator, dtype=torch.float64)
        tried = torch.stack([q.miss(q.normalised_star + size * step) for step in other])
        assert (tried >= best - 1e-12).all()


def test_a_direction_that_is_no_optimum_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    q = problems(3, 9, "squared error", 4, eps=(0.0,))
    off = torch.linalg.lstsq(q.X, q.target.unsqueeze(-1))  # not centred: another direction
    monkeypatch.setattr(torch.linalg, "lstsq", lambda *_, **__: off)
    with pytest.raises(ArithmeticError, match="not an optimum"):
        q.value(mnx.d_bn)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_what_holds_holds_to_rounding(claim: Claim) -> None:
    """To a hundredth of the tolerance, at every batch size and eps; the other relation fails."""
    holds, fails = claim.relation, claim.control
    if claim.expected is not Verdict.PROVED:
        holds, fails = fails, holds
    broken = 0
    for _, measured in itertools.islice(
        batches(claim.check_of(RandomTest), claim.domain, 60, 11, "cpu"), 12
    ):
        mask = check.inside(claim.domain, measured)
        if mask.any():
            excess = check.compare(holds, measured, mask).excess
            assert excess.max() < check.TOLERANCE[torch.float64] / 100
            broken += int(check.compare(fails, measured, mask).violated.sum())
    assert broken > 0


def test_a_tiny_error_is_seen() -> None:
    """A defect of one part in 10^9 in an identity of weight space is rejected nearly always."""
    q = problems(200, 8, "squared error", 0, eps=(0.1,))
    exact = wts.ww - 2 * wts.eta * wts.RADIAL + wts.eta**2 * wts.nn
    assert not check.compare(sp.Eq(wts.after, exact), q).violated.any()
    off = sp.Eq(wts.after, exact * (1 + sp.Rational(1, 10**9)))
    assert check.compare(off, q).violated.double().mean() > 0.9


def test_a_seed_gives_the_same_problems() -> None:
    first, again = (problems(4, 3, "non-convex", 7, eps=EPS) for _ in range(2))
    assert torch.equal(first.X, again.X)
    assert torch.equal(first.grad, again.grad)
    assert not torch.equal(first.X, problems(4, 3, "non-convex", 9, eps=EPS).X)
