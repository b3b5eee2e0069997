"""A single-BN-layer network as a function of its weights, ``w -> L(z(Xw))``.

Shapes: K problems, batch size m, d inputs.  Gradients and Hessians in the weights use automatic
differentiation of the whole map; largest eigenvalues a dense eigensolver; maxima and distances
numerical methods.  `bnproof.simulate.samplers.weights` draws the problems and names the symbols.
"""

from dataclasses import replace
from functools import cached_property
from typing import Final, Self

import torch
from torch import Tensor

from bnproof.simulate.samplers.autodiff import Measured
from bnproof.simulate.samplers.base import apply, dot, jacobian, least_squares
from bnproof.simulate.samplers.definitions.losses import Linear, Loss
from bnproof.simulate.samplers.networks import Problems, normalise

ROUNDS: Final = 3  # the objective has rank one, so two steps suffice


class WeightQuantities(Measured):
    """Quantities of problems whose activations are ``y = X w``.

    Parameters
    ----------
    X, w
        Inputs (K, m, d) and weights (K, d).
    problems
        Layer and loss; their activations are replaced by ``X w``.
    c, eta, radius
        Factor on the weights, learning rate, bound on the norm of X: positive, (K,).
    target
        Regression targets, (K, m).
    direction
        Any direction in the space of activations, (K, m), not zero.
    """

    BLOCK = 2  # `u` distinguishes even and odd problems

    def __init__(
        self,
        X: Tensor,
        w: Tensor,
        problems: Problems,
        extra: tuple[Tensor, ...],
        *,
        graph: bool = False,
    ) -> None:
        super().__init__(replace(problems, y=apply(X, w)), graph=graph)
        self.X, self.w, self.extra = X, w, extra
        self.c, self.eta, self.radius, self.target, self.direction = extra

    def take(self, part: slice) -> Self:
        """The same symbols for some of the problems."""
        extra = tuple(array[part] for array in self.extra)
        return type(self)(self.X[part], self.w[part], self.problems.take(part), extra)

    def loss_at(self, w: Tensor) -> Tensor:
        """``L(z(Xw))``, (K,)."""
        p = self.problems
        return p.loss(p.gamma * normalise(apply(self.X, w), p.eps) + p.beta)

    def gradient_at(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """A variable at w and the gradient there, (K, d), differentiable."""
        leaf = self.variable(w)
        return leaf, torch.autograd.grad(self.loss_at(leaf).sum(), leaf, create_graph=True)[0]

    def hessian_at(self, w: Tensor) -> Tensor:
        """Hessian in the weights, (K, d, d), by double backward."""
        leaf, gradient = self.gradient_at(w)
        return jacobian(gradient, leaf, create_graph=self.graph)

    @cached_property
    def grad(self) -> Tensor:
        """Gradient at w, (K, d)."""
        return self.kept(self.gradient_at(self.w)[1])

    @cached_property
    def hess(self) -> Tensor:
        """Hessian at w, (K, d, d)."""
        return self.hessian_at(self.w)

    @cached_property
    def H(self) -> Tensor:
        """Hessian of the loss at z, (K, m, m)."""
        z, g = self._at_z
        return jacobian(g, z, create_graph=self.graph)

    @cached_property
    def K(self) -> Tensor:
        """Hessian of ``y -> L(z(y))``, (K, m, m)."""
        return jacobian(self.v, self.y, create_graph=self.graph)

    @cached_property
    def e(self) -> Tensor:
        """The unit top eigenvector of K, (K, m)."""
        return torch.linalg.eigh(self.K).eigenvectors[..., -1]

    @cached_property
    def x(self) -> Tensor:
        """The unit top eigenvector of the weight Hessian, (K, d)."""
        return torch.linalg.eigh(self.hess).eigenvectors[..., -1]

    def across(self, u: Tensor) -> Tensor:
        """The part of u orthogonal to 1 and yhat."""
        unit = self.centred / self.centred.norm(dim=-1, keepdim=True)
        u = u - u.mean(-1, keepdim=True)
        return u - unit * dot(unit, u).unsqueeze(-1)

    @cached_property
    def u(self) -> Tensor:
        """A direction: `direction` for even problems, the top eigenvector of K for odd ones."""
        even = torch.arange(len(self.e), device=self.e.device).unsqueeze(-1) % 2 == 0
        return torch.where(even, self.direction, self.e)

    def maximum(self, vector: Tensor) -> Tensor:
        """Maximum of ``|X'vector|^2`` over ``|X| <= radius``, (K,), by conditional gradients.

        The objective is convex, so each step goes to the point of the ball furthest along the
        gradient: radius times the orthogonal factor of its polar decomposition.  That factor has
        no graph: by the envelope theorem the slope of a maximum is that at a fixed maximiser.
        """
        X = self.X
        for _ in range(ROUNDS):
            leaf = X.detach().requires_grad_()
            value = apply(leaf.mT, vector).square().sum()
            left, _, right = torch.linalg.svd(
                torch.autograd.grad(value, leaf)[0], full_matrices=False
            )
            X = self.radius[:, None, None] * (left @ right)
        return apply(X.mT, vector).square().sum(-1)

    def along_shrunk(self) -> Tensor:
        """Weight gradient for the inputs whose part along w is multiplied by c, (K, d)."""
        unit = self.w / self.w.norm(dim=-1, keepdim=True)
        part = apply(self.X, unit).unsqueeze(-1) * unit.unsqueeze(-2)
        shrunk = self.X - (1 - self.c)[:, None, None] * part
        return type(self)(shrunk, self.w, self.problems, self.extra, graph=self.graph).grad

    @cached_property
    def star(self) -> Tensor:
        """Optimal weights of the regression ``|Xw - t|^2`` without the layer, (K, d)."""
        return least_squares(self.X, self.target)

    @cached_property
    def normalised_star(self) -> Tensor:
        """Optimal direction of ``|BN(Xw) - t|^2`` with eps = 0, (K, d).

        The candidate best correlated with the target is verified: it must be stationary by
        automatic differentiation, and better than its opposite.

        Raises
        ------
        ArithmeticError
            If a candidate is not an optimum.
        """
        centred = self.X - self.X.mean(1, keepdim=True)
        candidate = least_squares(centred, self.target)
        leaf = candidate.detach().requires_grad_()
        loss = self.miss(leaf)
        # Entry by entry: inputs may differ in size by 1e6, and so may the weights.
        slope = (torch.autograd.grad(loss.sum(), leaf)[0] * candidate).abs().sum(-1)
        if (slope > 1e-9 * self.m).any() or (loss > self.miss(-leaf)).any():
            raise ArithmeticError("a direction is not an optimum of the normalised regression")
        return candidate

    def miss(self, w: Tensor) -> Tensor:
        """``|BN(Xw) - t|^2`` with eps = 0, gamma = 1, beta = 0, (K,)."""
        hat = normalise(apply(self.X, w), torch.zeros_like(self.problems.eps))
        return (hat - self.target).square().sum(-1)

    def to_ray(self, direction: Tensor) -> Tensor:
        """Squared distance of w to the ray of positive multiples of `direction`, (K,)."""
        along = self.along(direction).clamp(min=0)
        return (self.w - along * direction).square().sum(-1)

    def along(self, direction: Tensor) -> Tensor:
        """Multiple of `direction` nearest to w, (K, 1), by least squares."""
        return least_squares(direction.unsqueeze(-1), self.w)

    # Magnitudes: absolute terms, for the unit of rounding errors only.

    @cached_property
    def hat_terms(self) -> Tensor:
        """Entrywise absolute terms of yhat, including the products in y = Xw."""
        y = apply(self.X.abs(), self.w.abs())
        return (y + y.mean(-1, keepdim=True)) / self.scale

    @cached_property
    def v_terms(self) -> Tensor:
        """Entrywise absolute terms of v."""
        return self.problems.gamma.abs() / self.scale * self.P_size(self.g.abs())

    def P_size(self, size: Tensor) -> Tensor:
        """Absolute terms of P times a vector of entrywise `size`."""
        hat = self.hat_terms
        return size + size.mean(-1, keepdim=True) + hat * dot(hat, size).unsqueeze(-1) / self.m

    @cached_property
    def H_size(self) -> Linear:
        """The same for the Hessian at z."""
        loss = self.problems.loss
        if isinstance(loss, Loss):
            return loss.terms(self.z.detach())[1]
        return lambda size: apply(self.H.abs(), size)

    def K_size(self, size: Tensor) -> Tensor:
        """The same for K."""
        gamma, s, hat = self.problems.gamma.abs(), self.scale, self.hat_terms
        pushed, pulled = self.P_size(size), self.P_size(self.g.abs())
        own = gamma**2 / s**2 * self.P_size(self.H_size(pushed))
        cross = hat * dot(pulled, size).unsqueeze(-1) + pulled * dot(hat, size).unsqueeze(-1)
        along = dot(hat, self.g.abs()).unsqueeze(-1) * pushed
        return own + gamma / (self.m * s**2) * (cross + along)

    @cached_property
    def P_terms(self) -> Tensor:
        """Absolute terms of P, (K, m, m)."""
        outer = self.hat_terms.unsqueeze(-1) * self.hat_terms.unsqueeze(-2)
        return self.eye() + (1 + outer) / self.m

    @cached_property
    def K_terms(self) -> Tensor:
        """Absolute terms of K, (K, m, m)."""
        gamma, s = self.problems.gamma.abs().unsqueeze(-1), self.scale.unsqueeze(-1)
        own = gamma**2 / s**2 * (self.P_terms @ self.H.abs() @ self.P_terms)
        cross = self.hat_terms.unsqueeze(-1) * apply(self.P_terms, self.g.abs()).unsqueeze(-2)
        along = dot(self.hat_terms, self.g.abs())[:, None, None] * self.P_terms
        return own + gamma / (self.m * s**2) * (cross + cross.mT + along)

    @cached_property
    def grad_terms(self) -> Tensor:
        """Absolute terms of the weight gradient, (K, d)."""
        return apply(self.X.abs().mT, self.v_terms)

    @cached_property
    def hess_terms(self) -> Tensor:
        """Absolute terms of the weight Hessian, (K, d, d)."""
        size = self.X.abs()
        return size.mT @ self.columns(self.K_size, size)

    def columns(self, change: Linear, array: Tensor) -> Tensor:
        """A linear map applied to each column of an array (K, m, n)."""
        return torch.stack([change(column) for column in array.unbind(-1)], -1)
