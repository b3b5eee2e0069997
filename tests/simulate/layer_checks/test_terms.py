"""The units of rounding errors, against sums of absolute values that are written out."""

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from bnproof.simulate.layer_checks import spec as axes
from bnproof.simulate.layer_checks.case import Loss
from bnproof.simulate.layer_checks.spec import NormalizerSpec
from bnproof.simulate.layer_checks.terms import GroupTerms, gradient_terms, output_terms
from bnproof.simulate.layer_checks.wrong import Batch
from bnproof.simulate.samplers.definitions.normalizers import KINDS

EPS = 0.1


class WrittenOut:
    """One group of numbers, by loops: each term of each formula with its absolute value."""

    def __init__(self, name: str, u: list[float]) -> None:
        self.kind, self.u, self.m = KINDS[name], u, len(u)
        m = self.m
        mean = sum(u) / m if self.kind.scale_centred else 0.0
        self.x = [entry - mean for entry in u]
        sizes = [abs(entry) for entry in self.x]
        p, count = self.kind.power, 1 if self.kind.total else m
        root = EPS if self.kind.eps_at == "inside" else 0.0
        if math.isinf(p):
            self.S = max(sizes)
        else:
            self.S = (sum(size**p for size in sizes) / count + root) ** (1 / p)
        self.S += EPS if self.kind.eps_at == "outside" else 0.0
        self.n = [entry / self.S for entry in self.centred(u)]

    def centred(self, h: list[float]) -> list[float]:
        """|h_i| and the |h_j| of its mean."""
        sizes = [abs(entry) for entry in h]
        cancels = self.kind.centred or self.kind.scale_centred
        return [size + cancels * sum(sizes) / self.m for size in sizes]

    def slope(self) -> list[float]:
        """m dS/dx_i, which is |x_i/S|^(p-1); the largest entry alone for p infinite."""
        p = self.kind.power
        if math.isinf(p):
            top = max(range(self.m), key=lambda i: abs(self.u[i]))
            return [self.m * (i == top) for i in range(self.m)]
        return [(self.m if self.kind.total else 1) * n ** (p - 1) for n in self.n]

    def along(self, h: list[float]) -> float:
        return sum(w * a for w, a in zip(self.slope(), self.centred(h), strict=True)) / self.m

    def first(self, h: list[float]) -> list[float]:
        a, wh = self.centred(h), self.along(h)
        return [(a[i] + wh * self.n[i]) / self.S for i in range(self.m)]

    def second(self, h: list[float], k: list[float]) -> list[float]:
        p, S = self.kind.power, self.S
        a, b, wh, wk = self.centred(h), self.centred(k), self.along(h), self.along(k)
        W = 0.0
        if p != 1 and math.isfinite(p):
            bend = [abs(p - 1) * abs(entry / S) ** (p - 2) for entry in self.x]
            W = sum(bend[i] * a[i] * b[i] for i in range(self.m)) / self.m
            W += abs(p - 1) * wh * wk
        return [
            (wk * a[i] + wh * b[i] + (2 * wh * wk + W) * self.n[i]) / S**2 for i in range(self.m)
        ]

    def gradient(self, f: list[float]) -> list[float]:
        """|Af_i| and |w_i - mean w| |<f,n>|/m."""
        a, slope = self.centred(f), self.slope()
        inner = sum(abs(f[i]) * self.n[i] for i in range(self.m)) / self.m
        mean = sum(slope) / self.m
        return [(a[i] + (slope[i] + mean) * inner) / self.S for i in range(self.m)]


def drawn(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def close(found: Tensor, groups: list[list[float]]) -> None:
    torch.testing.assert_close(found, torch.tensor(groups, dtype=torch.float64))


@pytest.mark.parametrize("name", sorted(KINDS))
def test_terms_of_a_normaliser_are_those_of_its_formulas(name: str) -> None:
    x, h, k, g = (3 * drawn(5, 2) + 1, drawn(5, 2) - 2, drawn(5, 2) + 2, -drawn(5, 2))
    spec = NormalizerSpec(name, KINDS[name], axes.batch(2), EPS)
    found = GroupTerms(spec, x)
    groups = [WrittenOut(name, column) for column in x.T.tolist()]
    hs, ks, gs = h.T.tolist(), k.T.tolist(), g.T.tolist()
    close(found.S, [[one.S] for one in groups])
    close(found.n, [one.n for one in groups])
    close(found.first(h.T), [one.first(a) for one, a in zip(groups, hs, strict=True)])
    second = [one.second(a, b) for one, a, b in zip(groups, hs, ks, strict=True)]
    close(found.second(h.T, k.T), second)
    gradient = [one.gradient(f) for one, f in zip(groups, gs, strict=True)]
    close(gradient_terms(spec, x, {}, g).T, gradient)


def test_gamma_and_beta_enter_the_terms_with_their_sizes() -> None:
    spec = NormalizerSpec("RMSNorm", KINDS["RMSNorm"], axes.layer(2, 1), EPS, "weight", "bias")
    state = {"weight": torch.tensor([-2.0, 3.0]).double(), "bias": torch.tensor([-5.0, 7.0])}
    x, g = drawn(4, 2), drawn(4, 2)
    bare = NormalizerSpec("RMSNorm", KINDS["RMSNorm"], axes.layer(2, 1), EPS)
    sizes = torch.tensor([2.0, 3.0])
    expected = sizes * output_terms(bare, x, {}) + torch.tensor([5.0, 7.0])
    torch.testing.assert_close(output_terms(spec, x, state), expected)
    torch.testing.assert_close(
        gradient_terms(spec, x, state, g), gradient_terms(bare, x, {}, sizes * g)
    )


@pytest.mark.parametrize("name", ["l_1 BatchNorm", "l_1 BatchNorm, printed", "l_inf BatchNorm"])
def test_a_scale_without_curvature_has_no_bend_even_at_zero(name: str) -> None:
    """|x|^(p-2) is infinite at 0, where nothing may become of it."""
    x = torch.tensor([[-1.0], [0.0], [1.0]], dtype=torch.float64)
    terms = GroupTerms(NormalizerSpec(name, KINDS[name], axes.batch(2), 0.0), x)
    assert torch.equal(terms.bend, torch.zeros(1, 3, dtype=torch.float64))
    ones = torch.ones(1, 3, dtype=torch.float64)
    assert torch.isfinite(terms.second(ones, ones)).all()


def test_terms_of_the_loss_are_written_out() -> None:
    b, c, a, z = (drawn(3, 2) - shift for shift in (0.0, 0.5, 1.0, 0.2))
    size = z.abs()
    expected = torch.empty(3, 2, dtype=torch.float64)
    for i, j in product(range(3), range(2)):
        coupled = sum(
            abs(a[i, j].item() * a[k, n].item()) * size[k, n].item()
            for k, n in product(range(3), range(2))
        )
        expected[i, j] = abs(b[i, j].item()) + abs(c[i, j].item()) * size[i, j].item() + coupled
    torch.testing.assert_close(Loss(b, c, a).gradient_terms(size), expected)


def hessian(trial: Any, joint: bool) -> tuple[Tensor, Tensor]:
    """Jacobian and Hessian on the trial's subspace by automatic differentiation of primitives."""
    path, t = trial.path(trial.expected, joint), torch.zeros(2, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(path, t).movedim(-1, 0)
    return jacobian, torch.autograd.functional.hessian(lambda t: trial.loss(path(t)), t)


@pytest.mark.parametrize("joint", [False, True])
def test_terms_along_directions_are_larger_than_the_derivatives_by_little(
    trial_of: Callable[..., Any], joint: bool
) -> None:
    trial = trial_of(lambda spec: Batch(3), eps=0.3, shape=(9, 3))
    for found, terms in zip(hessian(trial, joint), trial.direction_terms(joint), strict=True):
        assert (found.abs() <= terms * (1 + 1e-12)).all()
        assert terms.max() < 300 * found.abs().max()


@pytest.mark.parametrize("joint", [False, True])
def test_terms_along_directions_are_those_of_the_product_rule(
    trial_of: Callable[..., Any], joint: bool
) -> None:
    """Of z = gamma n + beta along h and k, entry by entry, and of the loss of z."""
    trial = trial_of(lambda spec: Batch(3), eps=0.3, shape=(5, 3))
    (moves, others), terms = trial.directions, GroupTerms(trial.spec, trial.x)
    gamma, g, c, a = (
        value.abs() for value in (trial.state["weight"], trial.g_terms, trial.loss.c, trial.loss.a)
    )
    n = terms.n.T
    slope = [terms.first(move.T).T for move in moves]
    of_gamma = [move.abs() * joint for move in others["weight"]]
    of_beta = [move.abs() * joint for move in others["bias"]]
    Dz = [gamma * slope[h] + of_gamma[h] * n + of_beta[h] for h in range(2)]
    found, hessian = trial.direction_terms(joint)
    torch.testing.assert_close(found, torch.stack(Dz))
    for h, k in product(range(2), repeat=2):
        D2z = gamma * terms.second(moves[h].T, moves[k].T).T
        D2z = D2z + of_gamma[h] * slope[k] + of_gamma[k] * slope[h]
        expected = (g * D2z + c * Dz[h] * Dz[k]).sum() + (a * Dz[h]).sum() * (a * Dz[k]).sum()
        torch.testing.assert_close(hessian[h, k], expected)
