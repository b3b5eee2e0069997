"""One layer at one random input with random gamma and beta, and a loss of its output."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import torch
from torch import Tensor

from bnproof.simulate.layer_checks.module import ModuleUnderTest
from bnproof.simulate.layer_checks.spec import NormalizerSpec
from bnproof.simulate.layer_checks.terms import GroupTerms, gradient_terms, output_terms

DIRECTIONS: Final = 2
State = dict[str, Tensor]


@dataclass(frozen=True)
class Loss:
    """``<b,z> + <c,z^2>/2 + <a,z>^2/2``: a gradient, a Hessian, and with a a coupling of groups."""

    b: Tensor
    c: Tensor
    a: Tensor

    def __call__(self, z: Tensor) -> Tensor:
        """The loss, a scalar."""
        coupled = (self.a * z).sum()
        return ((self.b + self.c / 2 * z) * z).sum() + coupled * coupled / 2

    def gradient(self, z: Tensor) -> Tensor:
        """Gradient at z."""
        return self.b + self.c * z + self.a * (self.a * z).sum()

    def gradient_terms(self, z: Tensor) -> Tensor:
        """Terms of the gradient, z being terms itself."""
        return self.b.abs() + self.c.abs() * z + self.a.abs() * (self.a.abs() * z).sum()


class LayerCase:
    """A layer, what it should be, an input, gamma and beta, all in float64.

    Derivatives are compared on a random subspace of `DIRECTIONS` directions: a map from t to the
    input and the parameters goes before the layer.  What is wrong in a full Hessian is wrong on
    almost every subspace, and the cost does not grow with the input.
    """

    def __init__(
        self,
        tested: ModuleUnderTest,
        spec: NormalizerSpec,
        x: Tensor,
        state: State,
        tolerance: float,
    ) -> None:
        self.tested, self.spec, self.x, self.state = tested, spec, x, state
        self.tolerance = tolerance
        self._generator = torch.Generator().manual_seed(20)

    def normal(self, *shape: int) -> Tensor:
        """Gaussian numbers from the trial's own generator."""
        sample = torch.randn(*shape, generator=self._generator, dtype=torch.float64)
        return sample.to(self.x)

    @cached_property
    def loss(self) -> Loss:
        """A random loss that couples all groups."""
        b, c, a = (self.normal(*self.x.shape) for _ in range(3))
        return Loss(b, c, a / self.x.numel() ** 0.5)

    @cached_property
    def separable(self) -> Loss:
        """A random loss that is a sum over the entries of z."""
        return Loss(self.normal(*self.x.shape), self.normal(*self.x.shape), self.x.new_zeros(()))

    def expected(self, x: Tensor, state: State) -> Tensor:
        """The output by definition."""
        return self.spec.output(x, state)

    def error(self, x: Tensor, state: State | None = None) -> float:
        """Largest scaled error of the output at x."""
        state = self.state if state is None else state
        difference = self.tested(x, state) - self.expected(x, state)
        unit = output_terms(self.spec, x, state)
        return (difference.abs() / torch.where(unit > 0, unit, 1.0)).max().item()

    @cached_property
    def z_terms(self) -> Tensor:
        """Terms of the output, of the shape of x."""
        return output_terms(self.spec, self.x, self.state)

    @cached_property
    def g_terms(self) -> Tensor:
        """Terms of the gradient of the loss at z."""
        return self.loss.gradient_terms(self.z_terms)

    @cached_property
    def directions(self) -> tuple[Tensor, State]:
        """Random directions of x, (directions, shape of x), and of each parameter."""
        moves = {k: self.normal(DIRECTIONS, *v.shape) for k, v in self.state.items()}
        return self.normal(DIRECTIONS, *self.x.shape), moves

    def path(
        self, layer: Callable[[Tensor, State], Tensor], joint: bool
    ) -> Callable[[Tensor], Tensor]:
        """The output as a function of t (directions,), at t = 0 the trial's own.

        t moves the input, and if `joint` the parameters with it.
        """
        moves, others = self.directions

        def output(t: Tensor) -> Tensor:
            x = self.x + (t @ moves.flatten(1)).reshape(self.x.shape)
            state = {
                k: v + (t @ others[k].flatten(1)).reshape(v.shape) if joint else v
                for k, v in self.state.items()
            }
            return layer(x, state)

        return output

    def direction_terms(self, joint: bool) -> tuple[Tensor, Tensor]:
        """Terms of ``Dz[h]``, (directions, shape), and of the Hessian of the loss on t."""
        x, spec = self.x, self.spec
        terms = GroupTerms(spec, x)
        h = torch.stack([spec.axis.fold(move) for move in self.directions[0]])
        gamma = spec.gamma(self.state, x).abs()
        n = spec.axis.unfold(terms.n, x.shape)
        Dn = self._unfold(terms.first(h))
        c, e = self._parameter_moves() if joint else (torch.zeros_like(Dn), torch.zeros_like(Dn))
        Dz = gamma * Dn + c * n + e
        D2n = torch.stack([self._unfold(terms.second(h, h[k])) for k in range(DIRECTIONS)], 1)
        D2z = gamma * D2n + c[:, None] * Dn + Dn[:, None] * c
        across = Dz.flatten(1)
        coupled = across @ self.loss.a.abs().flatten()
        hessian = (self.g_terms * D2z).flatten(2).sum(-1)
        hessian = hessian + (across * self.loss.c.abs().flatten()) @ across.T
        return Dz, hessian + coupled[:, None] * coupled

    def _unfold(self, groups: Tensor) -> Tensor:
        return torch.stack([self.spec.axis.unfold(one, self.x.shape) for one in groups])

    def _parameter_moves(self) -> tuple[Tensor, Tensor]:
        """Absolute directions of gamma and of beta, each (directions, shape of x)."""
        found = []
        for name in (self.spec.gain, self.spec.bias):
            if name is None:
                found.append(self.x.new_zeros(DIRECTIONS, *self.x.shape))
                continue
            moves = [self.spec.axis.spread(v, self.x.shape) for v in self.directions[1][name]]
            found.append(torch.stack([v.abs().expand_as(self.x) for v in moves]))
        return found[0], found[1]

    def backward_terms(self) -> Tensor:
        """Terms of the gradient of the loss at x."""
        return gradient_terms(self.spec, self.x, self.state, self.g_terms)
