"""The sampler of random networks: each symbol measured by automatic differentiation.

Nothing here uses a derived formula for the value of a symbol.  Magnitudes stand in
`bnproof.simulate.samplers.unit`; `bnproof.simulate.samplers.closed_form` has the same symbols in
closed form.
"""

from collections.abc import Iterator
from functools import cached_property
from itertools import product
from typing import Any, Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate import memory
from bnproof.simulate.samplers.base import stream
from bnproof.simulate.samplers.losses import LOSSES
from bnproof.simulate.samplers.networks import EPSILONS, GAMMAS, INPUTS, Problems, block, draw
from bnproof.simulate.samplers.regimes import REGIMES
from bnproof.simulate.samplers.unit import Unit, dot
from bnproof.theory import symbols as sym
from bnproof.theory.claim import RandomTest

# Batch sizes for a claim that names none of its own.
SIZES: Final = (2, 3, 8, 64, 513, 4096)
# Up to this batch size as many instances as the scale says; then fewer, for the same work, but at
# least one of each pair of eps and gamma.
FULL: Final = 64
LEAST: Final = len(EPSILONS) * len(GAMMAS)
# Vectors of length m that an instance takes while it is measured, graphs included: at most 505 were
# seen, for `bn_hessian` at m = 5.
VECTORS: Final = 600


class Measured(Unit):
    """The symbols by automatic differentiation, each when first asked for.

    Gradients are taken twice by double backward, which is right for primitives of every kind.
    """

    def __init__(self, problems: Problems) -> None:
        super().__init__(problems)
        self.y = self.y.requires_grad_()

    @cached_property
    def v(self) -> Tensor:
        """Gradient of ``y -> L(z(y))``, (K, m), differentiable."""
        total = self.problems.loss(self.z).sum()
        return torch.autograd.grad(total, self.y, create_graph=True)[0]

    @cached_property
    def _at_z(self) -> tuple[Tensor, Tensor]:
        z = self.z.detach().requires_grad_()
        return z, torch.autograd.grad(self.problems.loss(z).sum(), z, create_graph=True)[0]

    @cached_property
    def g(self) -> Tensor:
        """Gradient of the loss at z, (K, m)."""
        return self._at_z[1].detach()

    @cached_property
    def at_y(self) -> Tensor:
        """Gradient of the loss at y itself, as in the network without the layer, (K, m)."""
        y = self.y.detach().requires_grad_()
        return torch.autograd.grad(self.problems.loss(y).sum(), y)[0]

    @cached_property
    def at_hat(self) -> Tensor:
        """Gradient of ``yhat -> L(gamma*yhat + beta)``, (K, m)."""
        yhat = self.yhat.detach().requires_grad_()
        total = self.problems.loss(self.problems.gamma * yhat + self.problems.beta).sum()
        return torch.autograd.grad(total, yhat)[0]

    def hessian_at_z(self, direction: Tensor) -> Tensor:
        """``H direction`` at z, (K, m)."""
        z, g = self._at_z
        return torch.autograd.grad(dot(g, direction.detach()).sum(), z, retain_graph=True)[0]

    def hessian_at_y(self, direction: Tensor) -> Tensor:
        """``K direction`` at y, (K, m)."""
        along = dot(self.v, direction.detach()).sum()
        return torch.autograd.grad(along, self.y, retain_graph=True)[0]

    @cached_property
    def jacobian(self) -> Tensor:
        """``d yhat_k/d y_i``, (K, m, m), differentiable."""
        rows = [
            torch.autograd.grad(self.yhat[:, k].sum(), self.y, create_graph=True)[0]
            for k in range(self.m)
        ]
        return torch.stack(rows, 1)

    @cached_property
    def second_derivative(self) -> Tensor:
        """``d2 yhat_k/dy_i dy_l``, (K, m, m, m), by double backward."""
        rows = [
            torch.autograd.grad(self.jacobian[:, k, i].sum(), self.y, retain_graph=True)[0]
            for k in range(self.m)
            for i in range(self.m)
        ]
        return torch.stack(rows, 1).unflatten(1, (self.m, self.m))


def epsilons(domain: sp.Basic) -> tuple[float, ...]:
    """The values of eps that the domain does not exclude by itself.

    Raises
    ------
    ValueError
        If it excludes all of them.
    """
    allowed = [e for e in EPSILONS if domain.subs(sym.eps, sp.Rational(str(e))) != sp.false]
    if not allowed:
        raise ValueError(f"domain {domain} excludes every eps in {EPSILONS}")
    return tuple(allowed)


def sizes(spec: RandomTest) -> tuple[int, ...]:
    """The claim's own batch sizes, or those of this sampler where they are the default ones."""
    return SIZES if spec.sizes == RandomTest().sizes else spec.sizes


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Measured]]:
    """Yield (m, networks) for each loss, batch size and regime, in chunks.

    There are `total` of each loss and size up to m = 64, in equal shares of the regimes.  The
    budget of `bnproof.simulate.memory` bounds the chunks; what is drawn depends neither on it nor
    on the device.
    """
    allowed = epsilons(domain)
    jobs = list(product(LOSSES, sizes(spec), REGIMES))
    for number, (loss, m, regime) in enumerate(jobs):
        share = -(-total * min(m, FULL) // (m * len(REGIMES)))
        count, start = max(share, LEAST), 0
        while start < count:
            size = min(memory.chunk(8 * m * VECTORS, block(m)), count - start)
            drawn = draw(
                size,
                m,
                loss,
                stream(seed, number),
                start=start,
                regime=regime,
                epsilons=allowed,
                gammas=GAMMAS,
                device=device,
            )
            yield m, Measured(drawn)
            start += size


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, Any]:
    """What is needed, beside the seed, to draw the same networks."""
    return {
        "batch sizes": list(sizes(spec)),
        "inputs": INPUTS,
        "losses": list(LOSSES),
        "regimes": list(REGIMES),
        "eps": list(epsilons(domain)),
        "factors on |gamma|": list(GAMMAS),
        "dtype": "float64",
    }
