"""Random single-BN-layer networks as functions of the weights, ``w -> L(z(Xw))``.

Shapes: K problems, batch size m, d inputs.  All symbols of `bnproof.simulate.samplers.autodiff` are
measured as well; `bnproof.simulate.samplers.definitions.weights` says how the others are.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers import autodiff as quantities
from bnproof.simulate.samplers.autodiff import Measured, epsilons
from bnproof.simulate.samplers.base import apply, dot, normals, stream
from bnproof.simulate.samplers.definitions.losses import Linear
from bnproof.simulate.samplers.definitions.regimes import REGIMES, drawn
from bnproof.simulate.samplers.definitions.weights import WeightQuantities
from bnproof.simulate.samplers.networks import LOSSES, draw
from bnproof.theory import symbols as sym
from bnproof.theory.claim import RandomTest
from bnproof.theory.layer import curvature as cur
from bnproof.theory.layer import minimax as mnx
from bnproof.theory.layer import weights as wts

INPUTS: Final = 4
CHUNK: Final = 500  # instances at once, up to m = 64; a chunk may hold (K, m, m) arrays
# Up to this batch size the number of instances is that of the scale; above, it shrinks as 1/m^2,
# down to `LEAST`.
FULL: Final = 64
LEAST: Final = 6
# Symbols that need the whole Hessian at z or at y, one backward pass for each sample, and its
# eigenvalues or eigenvectors, whose work is of the order of m^3.
DENSE: Final = {
    cur.gu, cur.PuHPu, cur.u1, cur.uy, cur.uu, cur.uKu, cur.lamK, cur.lamH, cur.Qe2, cur.QgQe,
    cur.QeHQe,
}  # fmt: skip
REGRESSION: Final = {mnx.star, mnx.inner, mnx.d_std, mnx.d_ray, mnx.d_bn, mnx.d_learned}


class Weighted(WeightQuantities):
    """Symbols of problems whose activations are ``y = X w``."""


def _wide(factor: Tensor, array: Tensor) -> Tensor:
    return array / factor.reshape(-1, *[1] * (array.dim() - 1))


def _through(direction: Tensor, change: Linear) -> Tensor:
    return dot(direction, change(direction))


def _norm(terms: Tensor) -> Tensor:
    """Largest row sum, an upper bound of every eigenvalue."""
    return terms.sum(-1).amax(-1)


def _loss_terms(q: Weighted) -> Tensor:
    z = q.problems.gamma.abs() * q.hat_terms + q.problems.beta.abs()
    return q.loss_at(q.w).abs() + dot(q.g.abs(), z)


def _span(q: Weighted, name: str) -> tuple[Tensor, Tensor]:
    """One of the vectors 1, yhat, h = X e_k, k = X e_i as columns (K, m, n), and its terms."""
    if name == "1":
        one = torch.ones_like(q.yhat.detach()).unsqueeze(-1)
        return one, one
    if name == "yhat":
        return q.kept(q.yhat).unsqueeze(-1), q.hat_terms.unsqueeze(-1)
    return q.X, q.X.abs()


def _formed(a: str, b: str) -> Callable[[Weighted], Tensor]:
    """The Hessian at z between two of these vectors."""

    def value(q: Weighted) -> Tensor:
        left, right = _span(q, a)[0], q.columns(q.hessian_at_z, _span(q, b)[0])
        if a == b:
            return (left * right).sum(1)
        whole = left.mT @ right
        return whole if (a, b) == ("h", "k") else whole.squeeze(1)

    return value


def _formed_terms(a: str, b: str) -> Callable[[Weighted], Tensor]:
    """Absolute terms of `_formed`."""

    def value(q: Weighted) -> Tensor:
        left, right = _span(q, a)[1], q.columns(q.H_size, _span(q, b)[1])
        if a == b:
            return (left * right).sum(1)
        whole = left.mT @ right
        return whole if (a, b) == ("h", "k") else whole.squeeze(1)

    return value


_VALUES = {
    wts.c: lambda q: q.c,
    wts.eta: lambda q: q.eta,
    wts.ww: lambda q: dot(q.w, q.w),
    wts.nw: lambda q: dot(q.grad, q.w),
    wts.nn: lambda q: dot(q.grad, q.grad),
    wts.after: lambda q: (q.w - q.eta.unsqueeze(-1) * q.grad).square().sum(-1),
    wts.loss_w: lambda q: q.loss_at(q.w),
    wts.loss_cw: lambda q: q.loss_at(q.c.unsqueeze(-1) * q.w),
    wts.grad_k: lambda q: q.grad,
    wts.grad_ck: lambda q: q.gradient_at(q.c.unsqueeze(-1) * q.w)[1],
    wts.hess_ki: lambda q: q.hess,
    wts.hess_cki: lambda q: q.hessian_at(q.c.unsqueeze(-1) * q.w),
    wts.hessw_k: lambda q: apply(q.hess, q.w),
    wts.Xy_k: lambda q: apply(q.X.mT, q.yhat),
    wts.PXHy_k: lambda q: torch.stack(
        [dot(q.project(q.X[..., k]), q.hessian_at_z(q.yhat)) for k in range(q.X.shape[-1])],
        -1,
    ),
}

_VALUES |= {
    cur.gHg: lambda q: dot(q.g, q.hessian_at_z(q.g)),
    cur.qKq: lambda q: dot(q.at_hat, q.hessian_at_y(q.at_hat)),
    cur.qq: lambda q: dot(q.at_hat, q.at_hat),
    cur.ordered: lambda q: q.value(cur.gHg) - q.value(sym.vHv),
    cur.relative: lambda q: q.value(cur.gHg) * q.value(sym.vv) - q.value(sym.vHv) * q.value(sym.gg),
    cur.gz: lambda q: dot(q.g, q.problems.gamma * q.yhat),
    cur.shrink: lambda q: q.y.var(-1, correction=0) - q.problems.gamma.squeeze(-1) ** 2,
    **{symbol: _formed(a, b) for (a, b), symbol in sym.FORM.items() if {a, b} & {"h", "k"}},
    sym.h1: lambda q: q.X.sum(1),
    sym.k1: lambda q: q.X.sum(1),
    sym.hy: lambda q: apply(q.X.mT, q.yhat),
    sym.ky: lambda q: apply(q.X.mT, q.yhat),
    sym.hh: lambda q: q.X.square().sum(1),
    sym.kk: lambda q: q.X.square().sum(1),
    sym.hk: lambda q: q.X.mT @ q.X,
    sym.gh: lambda q: apply(q.X.mT, q.g),
    sym.gk: lambda q: apply(q.X.mT, q.g),
    cur.gu: lambda q: dot(q.g, q.u),
    cur.PuHPu: lambda q: _through(q.project(q.u), q.hessian_at_z),
    cur.Xx2: lambda q: apply(q.X, q.x).square().sum(-1),
    cur.XxKXx: lambda q: _through(apply(q.X, q.x), q.hessian_at_y),
    cur.Qe2: lambda q: q.across(q.e).square().sum(-1),
    cur.QgQe: lambda q: dot(q.across(q.g), q.e),
    cur.QeHQe: lambda q: _through(q.across(q.e), q.hessian_at_z),
    cur.u1: lambda q: q.u.sum(-1),
    cur.uy: lambda q: dot(q.u, q.yhat),
    cur.uu: lambda q: dot(q.u, q.u),
    cur.uKu: lambda q: _through(q.u, q.hessian_at_y),
    cur.tau: lambda q: q.eta,
    cur.lamK: lambda q: torch.linalg.eigvalsh(q.K).amax(-1),
    cur.lamH: lambda q: torch.linalg.eigvalsh(q.H).amax(-1),
    cur.lamW: lambda q: torch.linalg.eigvalsh(q.hess).amax(-1),
    cur.opX: lambda q: torch.linalg.matrix_norm(q.X, 2) ** 2,
}

_VALUES |= {
    mnx.radius: lambda q: q.radius,
    mnx.ghat: lambda q: q.maximum(q.v),
    mnx.gstd: lambda q: q.maximum(q.g),
    mnx.mu_g: lambda q: q.g.mean(-1),
    mnx.nn_c: lambda q: q.along_shrunk().square().sum(-1),
    mnx.start: lambda q: dot(q.w, q.w),
    mnx.star: lambda q: dot(q.star, q.star),
    mnx.inner: lambda q: dot(q.star, q.w),
    mnx.d_std: lambda q: (q.w - q.star).square().sum(-1),
    mnx.d_ray: lambda q: q.to_ray(q.star),
    mnx.d_bn: lambda q: q.to_ray(q.normalised_star),
    mnx.d_learned: lambda q: torch.minimum(
        q.to_ray(q.normalised_star), q.to_ray(-q.normalised_star)
    ),
}

_MAGNITUDES = {
    wts.nw: lambda q: dot(q.grad_terms, q.w.abs()),
    wts.nn: lambda q: dot(q.grad.abs(), q.grad_terms),
    wts.after: lambda q: dot(
        (q.w - q.eta.unsqueeze(-1) * q.grad).abs(),
        q.w.abs() + q.eta.unsqueeze(-1) * q.grad_terms,
    ),
    wts.loss_w: _loss_terms,
    wts.loss_cw: _loss_terms,
    wts.grad_k: lambda q: q.grad_terms,
    wts.grad_ck: lambda q: _wide(q.c, q.grad_terms),
    wts.hess_ki: lambda q: q.hess_terms,
    wts.hess_cki: lambda q: _wide(q.c**2, q.hess_terms),
    wts.hessw_k: lambda q: apply(q.hess_terms, q.w.abs()),
    wts.Xy_k: lambda q: apply(q.X.abs().mT, q.hat_terms),
    wts.PXHy_k: lambda q: apply(q.X.abs().mT, q.P_size(q.H_size(q.hat_terms))),
}

_MAGNITUDES |= {
    mnx.ghat: lambda q: q.radius**2 * dot(q.v_terms, q.v_terms),
    mnx.mu_g: lambda q: q.g.abs().mean(-1),
    mnx.nn_c: lambda q: dot(q.along_shrunk().abs(), q.grad_terms) * (1 + 1 / q.c) ** 2,
    mnx.inner: lambda q: dot(q.star.abs(), q.w.abs()),
    mnx.d_std: lambda q: (q.w.abs() + q.star.abs()).square().sum(-1),
    mnx.d_ray: lambda q: dot(q.w, q.w),
    mnx.d_bn: lambda q: dot(q.w, q.w),
    mnx.d_learned: lambda q: dot(q.w, q.w),
}

_MAGNITUDES |= {
    # The variance of a nearly constant batch loses digits, as yhat does.
    cur.shrink: lambda q: (
        q.variance.squeeze(-1) * (q.yhat.abs() * q.hat_terms).mean(-1)
        + q.problems.gamma.squeeze(-1) ** 2
    ),
    cur.qKq: lambda q: _through(q.at_hat.abs(), q.K_size),
    **{symbol: _formed_terms(a, b) for (a, b), symbol in sym.FORM.items() if {a, b} & {"h", "k"}},
    sym.h1: lambda q: q.X.abs().sum(1),
    sym.k1: lambda q: q.X.abs().sum(1),
    sym.hy: lambda q: apply(q.X.abs().mT, q.hat_terms),
    sym.ky: lambda q: apply(q.X.abs().mT, q.hat_terms),
    sym.hk: lambda q: q.X.abs().mT @ q.X.abs(),
    sym.gh: lambda q: apply(q.X.abs().mT, q.g.abs()),
    sym.gk: lambda q: apply(q.X.abs().mT, q.g.abs()),
    cur.gu: lambda q: dot(q.g.abs(), q.u.abs()),
    cur.PuHPu: lambda q: _through(q.P_size(q.u.abs()), q.H_size),
    cur.Xx2: lambda q: apply(q.X.abs(), q.x.abs()).square().sum(-1),
    cur.XxKXx: lambda q: _through(apply(q.X.abs(), q.x.abs()), q.K_size),
    # Rounding of K turns its top eigenvector by as much as K exceeds its top eigenvalue.
    cur.Qe2: lambda q: 4 + _norm(q.K_terms) / q.value(cur.lamK).abs().clamp(min=1e-300),
    cur.QgQe: lambda q: 4 * q.g.norm(dim=-1),
    cur.QeHQe: lambda q: 4 * _norm(q.H.abs()),
    cur.u1: lambda q: q.u.abs().sum(-1),
    cur.uy: lambda q: dot(q.u.abs(), q.hat_terms),
    cur.uKu: lambda q: _through(q.u.abs(), q.K_size),
    cur.lamK: lambda q: _norm(q.K_terms),
    cur.lamH: lambda q: _norm(q.H.abs()),
    cur.lamW: lambda q: _norm(q.hess_terms),
}

Weighted.VALUES = {**Measured.VALUES, **_VALUES}
Weighted.MAGNITUDES = {**Measured.MAGNITUDES, **_MAGNITUDES}


def problems(
    count: int,
    m: int,
    loss: str,
    seed: int,
    *,
    eps: tuple[float, ...],
    regime: str = "Gaussian",
    device: str = "cpu",
) -> Weighted:
    """Draw `count` problems: inputs and weights of a regime, log-normal c, eta and radius."""
    normal = normals(seed, device)
    X, w = drawn(regime, normal(count, m, INPUTS), normal(count, INPUTS), normal(count, INPUTS))
    c, eta, radius = normal(count).exp(), normal(count).exp(), normal(count).exp()
    layer = draw(count, m, loss, seed + 1, epsilons=eps, zeros=True, device=device)
    return Weighted(X, w, layer, (c, eta, radius, normal(count, m), normal(count, m)))


def possible(symbols: Iterable[sp.Symbol]) -> range:
    """Batch sizes: up to 4,096, or 160 for symbols that need eigenvalues of Hessians.

    A regression needs more samples than weights.
    """
    wanted = set(symbols)
    least = 2 if wanted.isdisjoint(REGRESSION) else 2 * INPUTS
    return range(least, (4096 if wanted.isdisjoint(DENSE) else 160) + 1)


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Weighted]]:
    """Yield (m, problems) for each loss, batch size and regime, in chunks.

    There are `total` for each loss and size up to m = 64, in equal shares of the regimes, and fewer
    of larger ones, so that the work for each size stays about constant.
    """
    share, allowed, number = -(-total // len(REGIMES)), epsilons(domain), 0
    for loss, m, regime in product(LOSSES, spec.sizes, REGIMES):
        area = max(1, m / FULL) ** 2
        left, most = max(LEAST, int(share / area)), max(2, int(CHUNK / area))
        while left > 0:
            some, source = min(most, left), stream(seed, number)
            yield m, problems(some, m, loss, source, eps=allowed, regime=regime, device=device)
            left, number = left - some, number + 2


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, object]:
    """Parameters that, with the seed, reproduce the problems."""
    own = {"batch sizes": list(spec.sizes), "inputs": INPUTS, "factors on |gamma|": [1.0]}
    return quantities.provenance(spec, domain) | own
