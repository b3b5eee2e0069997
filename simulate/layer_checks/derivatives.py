"""First and second derivatives of a layer by every route of PyTorch, against the primitives'.

The truth is double backward of the definition in float64, which is right for primitives and which
the tests compare with the closed form.  The fused layers of PyTorch give wrong second derivatives
by some routes (pytorch issues 196699, 196700, 198017).
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import torch
from torch import Tensor
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap

from bnproof.simulate.layer_checks.case import DIRECTIONS, LayerCase
from bnproof.simulate.layer_checks.results import CheckResult, attempt, share, skip
from bnproof.simulate.layer_checks.terms import GroupTerms

FIRST: Final = "first derivatives"
SECOND: Final = "second derivatives"
Function = Callable[[Tensor], Tensor]
Route = Callable[[Function, Tensor], Tensor]


def _by_columns(function: Function, t: Tensor) -> Tensor:
    """Jacobian by jvp along each basis vector, the vector's axis last."""
    return torch.stack([jvp(function, (t,), (e,))[1] for e in torch.eye(len(t)).to(t)], -1)


def _by_rows(function: Function, t: Tensor) -> Tensor:
    """Jacobian of a vector by one backward a component."""
    leaf = t.detach().requires_grad_()
    value = function(leaf)
    rows = [torch.autograd.grad(one, leaf, retain_graph=True)[0] for one in value]
    return torch.stack(rows)


def _backward(function: Function) -> Function:
    """Gradient by backward, differentiable."""

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
    """The same route for two problems at once by vmap, of which the first is wanted."""

    def both(function: Function, t: Tensor) -> Tensor:
        return vmap(lambda one: route(function, one))(torch.stack([t, t + 0.5]))[0]

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
    """Jacobian of primitives by backward of a backward, the axis of t last."""
    leaf = t.detach().requires_grad_()
    value = function(leaf)
    weights = torch.zeros_like(value).requires_grad_()
    pulled = torch.autograd.grad(value, leaf, weights, create_graph=True)[0]
    columns = [torch.autograd.grad(one, weights, retain_graph=True)[0] for one in pulled]
    return torch.stack(columns, -1)


def _row(
    part: str, check: str, found: Callable[[], Tensor], truth: Tensor, unit: Tensor, limit: float
) -> CheckResult:
    """One route against the truth, entry by entry in the given unit."""

    def measure() -> tuple[float, str]:
        value = found().detach()
        if value.shape != truth.shape:
            raise ValueError(f"the derivative has shape {tuple(value.shape)}")
        off = (value - truth).abs()
        far = (off.max() / truth.abs().max()).item()
        scaled = (off / torch.where(unit > 0, unit, 1.0)).max().item()
        return scaled, f"{share(far)} of the largest entry"

    return attempt(part, check, measure, limit)


def gradient_row(case: LayerCase) -> CheckResult:
    """The gradient at every entry of input, gamma and beta, by backward."""
    names = list(case.state)

    def gradients(layer: Callable[[Tensor, dict[str, Tensor]], Tensor]) -> Tensor:
        leaves = [v.detach().requires_grad_() for v in (case.x, *case.state.values())]
        z = layer(leaves[0], dict(zip(names, leaves[1:], strict=True)))
        found = torch.autograd.grad(case.loss(z), leaves)
        return torch.cat([one.flatten() for one in found])

    units = [case.backward_terms().flatten(), *parameter_terms(case)]
    truth = gradients(case.expected)
    return _row(
        FIRST,
        "backward",
        lambda: gradients(case.tested),
        truth,
        torch.cat(units),
        case.tolerance,
    )


def parameter_terms(case: LayerCase) -> list[Tensor]:
    """Terms of the gradient at each parameter, flat: sums of those of g, or of g times n."""
    spec, x = case.spec, case.x
    n = spec.axis.unfold(GroupTerms(spec, x).n, x.shape)
    leaves = {k: v.detach().requires_grad_() for k, v in case.state.items()}
    if not leaves:
        return []
    total = case.g_terms * (spec.gamma(leaves, x) * n + spec.beta(leaves, x))
    found = torch.autograd.grad(total.sum(), list(leaves.values()))
    return [one.flatten() for one in found]


def _kinds(case: LayerCase) -> Iterator[tuple[str, bool]]:
    yield "x", False
    if case.state:
        yield "x and parameters", True


def first_rows(case: LayerCase) -> Iterator[CheckResult]:
    """First derivatives: the whole gradient, then jacobians on a subspace by every route."""
    yield gradient_row(case)
    t = case.x.new_zeros(DIRECTIONS)
    joint = bool(case.state)
    ours, truth = case.path(case.tested, joint), case.path(case.expected, joint)
    unit = case.direction_terms(joint)[0].movedim(0, -1)
    jacobian = _jacobian(truth, t)
    for name, route in JACOBIANS.items():
        yield _row(FIRST, name, partial(route, ours, t), jacobian, unit, case.tolerance)
    g = case.loss.gradient(truth(t))
    gradient = (g.unsqueeze(-1) * jacobian).flatten(0, -2).sum(0)
    unit = (case.g_terms.unsqueeze(-1) * unit).flatten(0, -2).sum(0)
    for name, route in GRADIENTS.items():
        found = partial(route, _then(case.loss, ours), t)
        yield _row(FIRST, name, found, gradient, unit, case.tolerance)


def second_rows(case: LayerCase) -> Iterator[CheckResult]:
    """Hessians on a subspace by every route: with respect to the input, and jointly."""
    t = case.x.new_zeros(DIRECTIONS)
    for words, joint in _kinds(case):
        ours, truth = case.path(case.tested, joint), case.path(case.expected, joint)
        unit = case.direction_terms(joint)[1]
        exact = _by_rows(_backward(_then(case.loss, truth)), t)
        for name, route in HESSIANS.items():
            found = partial(route, _then(case.loss, ours), t)
            yield _row(SECOND, f"{name}, {words}", found, exact, unit, case.tolerance)
    if not case.state:
        yield skip(SECOND, "x and parameters", "the layer has no parameters")
