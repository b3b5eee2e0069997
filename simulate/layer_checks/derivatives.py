"""First and second derivatives of a layer by every route of PyTorch, against its definition.

The reference is double backward of the definition in float64, which is correct for primitives and
is compared with the closed form in the tests.  Some fused layers of PyTorch give wrong second
derivatives by some routes (pytorch issues 196699, 196700, 198017).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import torch
from torch import Tensor
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap

from bnproof.simulate.layer_checks import fused
from bnproof.simulate.layer_checks.case import DIRECTIONS, LayerCase, State
from bnproof.simulate.layer_checks.results import CheckResult, Status, attempt, share, skip
from bnproof.simulate.layer_checks.terms import GroupTerms

FIRST: Final = "first derivatives"
SECOND: Final = "second derivatives"
Function = Callable[[Tensor], Tensor]
Route = Callable[[Function, Tensor], Tensor]
Layer = Callable[[Tensor, State], Tensor]


def _by_columns(function: Function, t: Tensor) -> Tensor:
    """Jacobian by jvp along each basis vector, whose axis comes last."""
    return torch.stack([jvp(function, (t,), (e,))[1] for e in torch.eye(len(t)).to(t)], -1)


def _by_rows(function: Function, t: Tensor) -> Tensor:
    """Jacobian of a vector by one backward pass per component."""
    leaf = t.detach().requires_grad_()
    value = function(leaf)
    rows = [torch.autograd.grad(entry, leaf, retain_graph=True)[0] for entry in value]
    return torch.stack(rows)


def _backward(function: Function) -> Function:
    """The gradient by backward, itself differentiable."""

    def gradient(t: Tensor) -> Tensor:
        return torch.autograd.grad(function(t), t, create_graph=True)[0]

    return gradient


def _batched(function: Function, t: Tensor) -> Tensor:
    leaf = t.detach().requires_grad_()
    first = _backward(function)(leaf)
    eye = torch.eye(len(t)).to(t)
    return torch.autograd.grad(first, leaf, eye, is_grads_batched=True)[0]


def _then(outer: Function, inner: Function) -> Function:
    """The composition of two functions."""
    return lambda t: outer(inner(t))


def _over_problems(route: Route) -> Route:
    """The route under vmap over two problems; returns the result of the first."""

    def both(function: Function, t: Tensor) -> Tensor:
        return vmap(lambda point: route(function, point))(torch.stack([t, t + 0.5]))[0]

    return both


JACOBIANS: Final[dict[str, Route]] = {
    "jvp": _by_columns,
    "jacfwd": lambda f, t: jacfwd(f)(t),
    "jacrev": lambda f, t: jacrev(f)(t),
}
GRADIENTS: Final[dict[str, Route]] = {
    "grad": lambda f, t: grad(f)(t),
    "vmap(grad)": _over_problems(lambda f, t: grad(f)(t)),
}
HESSIANS: Final[dict[str, Route]] = {
    "double backward": lambda f, t: _by_rows(_backward(f), t),
    "double backward, batched": _batched,
    "jvp(grad)": lambda f, t: _by_columns(grad(f), t),
    "vmap(jvp(grad))": _over_problems(lambda f, t: _by_columns(grad(f), t)),
    "jacfwd(grad)": lambda f, t: jacfwd(grad(f))(t),
    "jacrev(grad)": lambda f, t: jacrev(grad(f))(t),
    "jvp(jacrev)": lambda f, t: _by_columns(jacrev(f), t),
    "hessian": lambda f, t: hessian(f)(t),
    "vmap(hessian)": _over_problems(lambda f, t: hessian(f)(t)),
    "jacrev(jacrev)": lambda f, t: jacrev(jacrev(f))(t),
    "jacfwd(jacfwd)": lambda f, t: jacfwd(jacfwd(f))(t),
    "jvp(jvp)": lambda f, t: _by_columns(lambda s: _by_columns(f, s), t),
    "jacrev(jacfwd)": lambda f, t: jacrev(jacfwd(f))(t),
}


def _jacobian(function: Function, t: Tensor) -> Tensor:
    """Jacobian of primitives by double backward, with the axis of t last."""
    leaf = t.detach().requires_grad_()
    value = function(leaf)
    weights = torch.zeros_like(value).requires_grad_()
    pulled = torch.autograd.grad(value, leaf, weights, create_graph=True)[0]
    columns = [torch.autograd.grad(entry, weights, retain_graph=True)[0] for entry in pulled]
    return torch.stack(columns, -1)


@dataclass(frozen=True)
class Reference:
    """What a derivative should be: the value, the unit of its error, and the error allowed."""

    truth: Tensor
    unit: Tensor
    limit: float

    def error(self, value: Tensor) -> tuple[float, str]:
        """The largest error relative to the unit, and to the largest entry in words.

        Raises
        ------
        ValueError
            If the shape is wrong.
        """
        if value.shape != self.truth.shape:
            raise ValueError(f"the derivative has shape {tuple(value.shape)}")
        off = (value.detach() - self.truth).abs()
        far = (off.max() / self.truth.abs().max()).item()
        scaled = (off / torch.where(self.unit > 0, self.unit, 1.0)).max().item()
        return scaled, f"{share(far)} of the largest entry"


def _row(
    part: str,
    check: str,
    route: Callable[[Layer], Tensor],
    reference: Reference,
    case: LayerCase,
) -> CheckResult:
    """Compare one route with the reference.

    That a transform raises is a limit of the layer, and so is a wrong number which is that of
    PyTorch's own layer by the same route.
    """
    row = attempt(
        part, check, lambda: reference.error(route(case.tested)), reference.limit, Status.LIMIT
    )
    own = fused.own_layer(case.spec)
    if row.outcome is not Status.FAULT or own is None:
        return row

    def apart() -> tuple[float, str]:
        theirs = replace(reference, truth=route(own).detach())
        return theirs.error(route(case.tested))

    if attempt(part, check, apart, reference.limit).outcome is not Status.PASS:
        return row
    words = f"{row.note}, as PyTorch's own layer is by this route"
    return replace(row, outcome=Status.LIMIT, note=words)


def gradient_row(case: LayerCase) -> CheckResult:
    """Check the gradient at every entry of input, gamma and beta, by backward."""
    names = list(case.state)

    def gradients(layer: Callable[[Tensor, dict[str, Tensor]], Tensor]) -> Tensor:
        leaves = [v.detach().requires_grad_() for v in (case.x, *case.state.values())]
        z = layer(leaves[0], dict(zip(names, leaves[1:], strict=True)))
        return torch.cat([v.flatten() for v in torch.autograd.grad(case.loss(z), leaves)])

    units = [case.backward_terms().flatten(), *parameter_terms(case)]
    reference = Reference(gradients(case.expected), torch.cat(units), case.tolerance)
    measure = partial(_error_of_backward, gradients, case, reference)
    return attempt(FIRST, "backward", measure, case.tolerance)


def _error_of_backward(
    gradients: Callable[[Layer], Tensor], case: LayerCase, reference: Reference
) -> tuple[float, str]:
    return reference.error(gradients(case.tested))


def parameter_terms(case: LayerCase) -> list[Tensor]:
    """Terms of the gradient at each parameter, flattened: sums of the terms of g, or of g n."""
    spec, x = case.spec, case.x
    n = spec.axis.unfold(GroupTerms(spec, x).n, x.shape)
    leaves = {k: v.detach().requires_grad_() for k, v in case.state.items()}
    if not leaves:
        return []
    total = case.g_terms * (spec.gamma(leaves, x) * n + spec.beta(leaves, x))
    return [v.flatten() for v in torch.autograd.grad(total.sum(), list(leaves.values()))]


def _kinds(case: LayerCase) -> Iterator[tuple[str, bool]]:
    yield "x", False
    if case.state:
        yield "x and parameters", True


def first_rows(case: LayerCase) -> Iterator[CheckResult]:
    """Check first derivatives: the whole gradient, then Jacobians on a subspace by every route."""
    yield gradient_row(case)
    t = case.x.new_zeros(DIRECTIONS)
    joint = bool(case.state)
    unit = case.direction_terms(joint)[0].movedim(0, -1)
    truth = case.path(case.expected, joint)
    jacobian = _jacobian(truth, t)
    reference = Reference(jacobian, unit, case.tolerance)
    for name, route in JACOBIANS.items():
        call = partial(_jacobian_by, route, case, joint, t)
        yield _row(FIRST, name, call, reference, case)
    g = case.loss.gradient(truth(t))
    gradient = (g.unsqueeze(-1) * jacobian).flatten(0, -2).sum(0)
    unit = (case.g_terms.unsqueeze(-1) * unit).flatten(0, -2).sum(0)
    reference = Reference(gradient, unit, case.tolerance)
    for name, route in GRADIENTS.items():
        call = partial(_of_loss, route, case, joint, t)
        yield _row(FIRST, name, call, reference, case)


def _jacobian_by(route: Route, case: LayerCase, joint: bool, t: Tensor, layer: Layer) -> Tensor:
    return route(case.path(layer, joint), t)


def _of_loss(route: Route, case: LayerCase, joint: bool, t: Tensor, layer: Layer) -> Tensor:
    return route(_then(case.loss, case.path(layer, joint)), t)


def second_rows(case: LayerCase) -> Iterator[CheckResult]:
    """Check Hessians on a subspace by every route, in the input and in input and parameters."""
    t = case.x.new_zeros(DIRECTIONS)
    for words, joint in _kinds(case):
        truth = case.path(case.expected, joint)
        exact = _by_rows(_backward(_then(case.loss, truth)), t)
        reference = Reference(exact, case.direction_terms(joint)[1], case.tolerance)
        for name, route in HESSIANS.items():
            call = partial(_of_loss, route, case, joint, t)
            yield _row(SECOND, f"{name}, {words}", call, reference, case)
    if not case.state:
        yield skip(SECOND, "x and parameters", "the layer has no parameters")
