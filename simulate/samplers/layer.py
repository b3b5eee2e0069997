"""A whole batch-normalisation layer: several units on one input, as a function of all weights.

Shapes: K problems, batch size m, d inputs, n units; weights W (K, d, n), activations and outputs
(K, m, n).  Hessians use double backward through the whole map, eigenvalues a dense solver.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import product
from typing import Final

import sympy as sp
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from bnproof.simulate.samplers.autodiff import epsilons, shown
from bnproof.simulate.samplers.base import (
    Measurements,
    Normal,
    apply,
    chunks,
    dot,
    jacobian,
    normals,
)
from bnproof.simulate.samplers.definitions.regimes import REGIMES, drawn
from bnproof.simulate.samplers.networks import CLASSES, LOSSES, constants, normalise
from bnproof.theory.claim import RandomTest
from bnproof.theory.layer import curvature as cur
from bnproof.theory.layer import layer_curvature as lay

INPUTS: Final = 4
UNITS: Final = 3
CHUNK: Final = 250
Loss = Callable[[Tensor], Tensor]


class Layer(Measurements):
    """Symbols of a layer with inputs X (K, m, d), weights W (K, d, n) and a loss of z (K, m, n).

    gamma and beta are (K, 1, n), eps is (K, 1, 1).
    """

    def __init__(
        self,
        X: Tensor,
        W: Tensor,
        gamma: Tensor,
        beta: Tensor,
        eps: Tensor,
        loss: Loss,
        *,
        graph: bool = False,
    ) -> None:
        self.X, self.W, self.loss, self.graph = X, W, loss, graph
        self.gamma, self.beta, self.eps = gamma, beta, eps

    def out(self, y: Tensor) -> Tensor:
        """Output of the layer for activations y, normalised over the batch for each unit."""
        return self.gamma * normalise(y.mT, self.eps).mT + self.beta

    @cached_property
    def y(self) -> Tensor:
        """Activations, (K, m, n)."""
        return self.X @ self.W

    @cached_property
    def hess(self) -> Tensor:
        """Hessian in all weights, (K, dn, dn)."""
        W, gradient = self._gradient(lambda W: self.loss(self.out(self.X @ W)), self.W)
        return jacobian(gradient.flatten(1), W, create_graph=self.graph).flatten(2)

    @cached_property
    def at_z(self) -> tuple[Tensor, Tensor]:
        """Gradient (K, m, n) and Hessian (K, mn, mn) of the loss at z."""
        z, g = self._gradient(self.loss, self.out(self.y))
        return self.kept(g), jacobian(g.flatten(1), z, create_graph=self.graph).flatten(2)

    def _gradient(self, function: Loss, at: Tensor) -> tuple[Tensor, Tensor]:
        """A variable at `at` (K, ...), and the gradient of each problem's function there."""
        leaf = self.variable(at)
        return leaf, torch.autograd.grad(function(leaf).sum(), leaf, create_graph=True)[0]

    @cached_property
    def h(self) -> Tensor:
        """Largest eigenvalue of the Hessian at z, (K,)."""
        return torch.linalg.eigvalsh(self.at_z[1]).amax(-1)

    @cached_property
    def along(self) -> tuple[Tensor, Tensor, Tensor]:
        """The unit top eigenvector U (K, d, n), XU, and the change of z along it (K, m, n)."""
        top = torch.linalg.eigh(self.hess).eigenvectors[..., -1].reshape(self.W.shape)
        moved = self.X @ top
        # The derivative along a direction is that of the backward pass in its weights.
        y = self.variable(self.y)
        z = self.out(y)
        weights = torch.zeros_like(z, requires_grad=True)
        pulled = torch.autograd.grad(z, y, weights, create_graph=True)[0]
        change = torch.autograd.grad(pulled, weights, moved, create_graph=self.graph)[0]
        return top, moved, change

    @property
    def reach(self) -> Tensor:
        """Size of the squared change of z, (K,)."""
        s2 = self.y.var(1, correction=0, keepdim=True) + self.eps
        return (self.gamma**2 / s2).amax((1, 2)) * torch.linalg.matrix_norm(self.X, 2) ** 2

    @cached_property
    def separate(self) -> Tensor:
        """K_j(h) of each unit, the Hessian for ``<g,z> + h|z - z0|^2/2``, (K, n, m, m).

        This loss does not couple units, so a backward pass gives row k for all of them.
        """
        g, start = self.at_z[0], self.kept(self.out(self.y))
        h = self.h[:, None, None]

        def separate(y: Tensor) -> Tensor:
            z = self.out(y)
            return (g * z + h / 2 * (z - start).square()).sum((1, 2))

        y, gradient = self._gradient(separate, self.y)
        return jacobian(gradient, y, create_graph=self.graph).permute(0, 3, 1, 2)

    @cached_property
    def tops(self) -> Tensor:
        """Top eigenvalue of each K_j(h), (K, n)."""
        return torch.linalg.eigvalsh(self.separate).amax(-1)

    @cached_property
    def terms(self) -> Tensor:
        """Absolute terms of a unit's curvature, maximum over the units, (K,)."""
        y, gamma = self.y.detach(), self.gamma.abs()
        s2 = y.var(1, correction=0, keepdim=True) + self.eps
        hat = (y.abs() + y.abs().mean(1, keepdim=True)) / s2.sqrt()
        bend = 3 * gamma / (y.shape[1] * s2) * (self.at_z[0].abs() * hat).sum(1, keepdim=True)
        own = self.h.abs()[:, None, None] * gamma**2 / s2
        return (own + bend).amax((1, 2))


def _form(direction: Tensor, matrix: Tensor) -> Tensor:
    """``u'Mu`` of each problem, u of shape (K, m, n)."""
    return dot(direction.flatten(1), apply(matrix, direction.flatten(1)))


Layer.VALUES = {
    lay.lamW: lambda q: torch.linalg.eigvalsh(q.hess).amax(-1),
    lay.lamU: lambda q: q.tops.amax(-1),
    lay.h: lambda q: q.h,
    lay.moved: lambda q: q.along[1].square().sum((1, 2)),
    lay.units: lambda q: torch.einsum("kin,knij,kjn->k", q.along[1], q.separate, q.along[1]),
    lay.change: lambda q: q.along[2].square().sum((1, 2)),
    lay.bent: lambda q: _form(q.along[2], q.at_z[1]),
    cur.opX: lambda q: torch.linalg.matrix_norm(q.X, 2) ** 2,
}
Layer.MAGNITUDES = {
    lay.lamW: lambda q: q.terms * torch.linalg.matrix_norm(q.X, 2) ** 2,
    lay.lamU: lambda q: q.terms,
    lay.units: lambda q: q.terms * torch.linalg.matrix_norm(q.X, 2) ** 2,
    lay.change: lambda q: q.reach,
    lay.bent: lambda q: q.h.abs() * q.reach,
}


def _losses(normal: Normal, count: int, m: int) -> dict[str, Loss]:
    """The losses of `samplers.networks` with coupled units: by readout, mixing and tanh."""
    readout, target = normal(count, UNITS, CLASSES), normal(count, m, CLASSES)
    mix = normal(count, UNITS, UNITS)
    label = target.argmax(-1, keepdim=True)

    def cross_entropy(z: Tensor) -> Tensor:
        logits = z @ readout
        return (torch.logsumexp(logits, -1) - logits.gather(-1, label).squeeze(-1)).mean(-1)

    def squared_error(z: Tensor) -> Tensor:
        return (z @ mix - target[..., :UNITS]).square().mean((1, 2)) / 2

    def logistic(z: Tensor) -> Tensor:
        return -logsigmoid((z @ mix) * target[..., :UNITS].sign()).mean((1, 2))

    def non_convex(z: Tensor) -> Tensor:
        return (torch.tanh(z @ mix) - target[..., :UNITS]).square().mean((1, 2)) / 2

    return {
        "cross-entropy": cross_entropy,
        "squared error": squared_error,
        "logistic": logistic,
        "non-convex": non_convex,
    }


def draw(
    count: int,
    m: int,
    loss: str,
    seed: int,
    epsilons: tuple[float, ...],
    device: str = "cpu",
    regime: str = "Gaussian",
) -> Layer:
    """Draw `count` layers of a regime from a CPU generator, identical on every device.

    Raises
    ------
    ValueError
        If a size is out of range.
    """
    if count < 1 or m < 2:
        raise ValueError(f"count = {count}, m = {m}: need count >= 1 and batch size m >= 2")
    normal = normals(seed, device)
    X, W = drawn(
        regime, normal(count, m, INPUTS), normal(count, UNITS, INPUTS), normal(count, INPUTS)
    )
    gamma, beta = normal(count, 1, UNITS), normal(count, 1, UNITS)
    losses = _losses(normal, count, m)
    number = torch.arange(count, device=device)
    eps = constants(epsilons, number, normal(count))[:, None, None]
    return Layer(X, W.mT, gamma, beta, eps, losses[loss])


def possible(symbols: Iterable[sp.Symbol]) -> range:
    """Batch sizes; small, as Hessians in all activations of the layer are formed."""
    del symbols
    return range(2, 17)


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Layer]]:
    """Yield (m, layers) for each loss, batch size and regime, in chunks.

    There are `total` for each loss and size, in equal shares of the regimes.
    """
    share = -(-total // len(REGIMES))
    cases = product(LOSSES, spec.sizes, REGIMES)
    for (loss, m, regime), count, stream in chunks(cases, share, CHUNK, seed):
        yield m, draw(count, m, loss, stream, epsilons(domain), device, regime)


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, object]:
    """Parameters that, with the seed, reproduce the layers."""
    return {
        "batch sizes": list(spec.sizes),
        "inputs": INPUTS,
        "units": UNITS,
        "losses": list(LOSSES),
        "regimes": list(REGIMES),
        "eps": shown(domain),
        "dtype": "float64",
    }
