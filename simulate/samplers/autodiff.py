"""The sampler of random networks: each symbol measured by automatic differentiation.

No value of a symbol uses a derived formula.  The magnitudes are in
`bnproof.simulate.samplers.unit`; `bnproof.simulate.samplers.closed_form` has the same symbols in
closed form.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import product
from typing import Final

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate import memory
from bnproof.simulate.samplers.base import OutsideError, jacobian, stream
from bnproof.simulate.samplers.definitions.losses import LOSSES
from bnproof.simulate.samplers.definitions.regimes import REGIMES
from bnproof.simulate.samplers.networks import (
    DECADES,
    DRAWN,
    EPSILONS,
    GAMMAS,
    INPUTS,
    Problems,
    block,
    draw,
)
from bnproof.simulate.samplers.unit import Unit
from bnproof.theory import symbols as sym
from bnproof.theory.claim import RandomTest

# Batch sizes for a claim that does not set its own.
SIZES: Final = (2, 3, 8, 64, 513, 4096)
# Up to this batch size the number of instances is that of the scale; above, it shrinks to keep the
# work constant, down to one for each pair of eps and gamma (fewer at the smallest scale).
FULL: Final = 64
LEAST: Final = (len(EPSILONS) + 1) * len(GAMMAS)
# Values that stand for all others when a domain is asked which eps it allows.
TRIED: Final = (1e-9, 0.0371, 0.73, 31.4, 2.7e5)
# The largest batch size for a relation whose symbols have so many axes.
LARGEST: Final = (4096, 512, 48, 12)
# Vectors of length m that measuring one instance takes, graphs included; the largest number
# observed is 505, for `bn_hessian` at m = 5.
VECTORS: Final = 600


class Measured(Unit):
    """The symbols by automatic differentiation, each computed on first use.

    Second derivatives use double backward, which is correct for all primitives.  A direction is
    the cotangent of a gradient: held fixed, whatever it depends on.
    """

    def __init__(self, problems: Problems, *, graph: bool = False) -> None:
        super().__init__(problems, graph=graph)
        self.y = self.variable(self.y)

    @cached_property
    def v(self) -> Tensor:
        """Gradient of ``y -> L(z(y))``, (K, m), differentiable."""
        total = self.problems.loss(self.z).sum()
        return torch.autograd.grad(total, self.y, create_graph=True)[0]

    @cached_property
    def _at_z(self) -> tuple[Tensor, Tensor]:
        z = self.variable(self.z)
        return z, torch.autograd.grad(self.problems.loss(z).sum(), z, create_graph=True)[0]

    @cached_property
    def g(self) -> Tensor:
        """Gradient of the loss at z, (K, m)."""
        return self.kept(self._at_z[1])

    @cached_property
    def at_y(self) -> Tensor:
        """Gradient of the loss at y, as in the network without the layer, (K, m)."""
        y = self.variable(self.y)
        return self.slope(self.problems.loss(y), y)

    @cached_property
    def at_hat(self) -> Tensor:
        """Gradient of ``yhat -> L(gamma*yhat + beta)``, (K, m)."""
        yhat = self.variable(self.yhat)
        return self.slope(self.problems.loss(self.problems.gamma * yhat + self.problems.beta), yhat)

    def hessian_at_z(self, direction: Tensor) -> Tensor:
        """``H direction`` at z, (K, m)."""
        z, g = self._at_z
        return self._along(g, z, direction)

    def hessian_at_y(self, direction: Tensor) -> Tensor:
        """``K direction`` at y, (K, m)."""
        return self._along(self.v, self.y, direction)

    def _along(self, gradient: Tensor, at: Tensor, direction: Tensor) -> Tensor:
        return torch.autograd.grad(
            gradient, at, direction, retain_graph=True, create_graph=self.graph
        )[0]

    @cached_property
    def jacobian(self) -> Tensor:
        """``d yhat_k/d y_i``, (K, m, m), differentiable."""
        return jacobian(self.yhat, self.y, create_graph=True)

    @cached_property
    def second_derivative(self) -> Tensor:
        """``d2 yhat_k/dy_i dy_l``, (K, m, m, m), by double backward."""
        rows = self.jacobian.flatten(1)
        found = jacobian(rows, self.y, create_graph=self.graph)
        return found.unflatten(1, (self.m, self.m))


def epsilons(domain: sp.Basic) -> tuple[float, ...]:
    """The values of eps that the domain allows, and `DRAWN` if it allows others as well.

    Raises
    ------
    OutsideError
        If it excludes all of them.
    """

    def admitted(value: float) -> bool:
        return bool(domain.subs(sym.eps, sp.Rational(str(value))) != sp.false)

    allowed = list(filter(admitted, EPSILONS))
    if any(map(admitted, TRIED)):
        allowed.append(DRAWN)
    if not allowed:
        raise OutsideError(f"domain {domain} excludes every eps of {EPSILONS} and between")
    return tuple(allowed)


def shown(domain: sp.Basic) -> list[float | str]:
    """The values of `epsilons` for a reader."""
    law = f"log-uniform, 1e{DECADES[0]:.0f} to 1e{DECADES[1]:.0f}"
    return [law if value == DRAWN else value for value in epsilons(domain)]


def sizes(spec: RandomTest) -> tuple[int, ...]:
    """The claim's batch sizes, or those of this sampler if the claim has the defaults."""
    return SIZES if spec.sizes == RandomTest().sizes else spec.sizes


def possible(symbols: Iterable[sp.Symbol]) -> range:
    """Batch sizes at which these symbols can be measured on many instances."""
    return range(2, LARGEST[len(sym.axes_of(symbols))] + 1)


def batches(
    spec: RandomTest, domain: sp.Basic, total: int, seed: int, device: str
) -> Iterator[tuple[int, Measured]]:
    """Yield (m, networks) for each loss, batch size and regime, in chunks.

    There are `total` for each loss and size up to m = 64, in equal shares of the regimes.  The
    budget of `bnproof.simulate.memory` limits the chunks; the networks depend neither on it nor on
    the device.
    """
    allowed = epsilons(domain)
    jobs = list(product(LOSSES, sizes(spec), REGIMES))
    for number, (loss, m, regime) in enumerate(jobs):
        share = -(-total * min(m, FULL) // (m * len(REGIMES)))
        count, start = max(share, min(LEAST, total // FULL)), 0
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
                zeros=True,
                device=device,
            )
            yield m, Measured(drawn)
            start += size


def provenance(spec: RandomTest, domain: sp.Basic) -> dict[str, object]:
    """Parameters that, with the seed, reproduce the networks."""
    return {
        "batch sizes": list(sizes(spec)),
        "inputs": INPUTS,
        "losses": list(LOSSES),
        "regimes": list(REGIMES),
        "eps": shown(domain),
        "factors on |gamma|": list(GAMMAS),
        "dtype": "float64",
    }
