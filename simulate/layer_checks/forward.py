"""Forward agreement of a layer with its definition, its scale, and its invariances."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import torch
from torch import Tensor

from bnproof.simulate.layer_checks.case import LayerCase
from bnproof.simulate.layer_checks.identify import implied_scale
from bnproof.simulate.layer_checks.results import CheckResult, Status, attempt, judge, skip
from bnproof.simulate.layer_checks.spec import FLOOR, USUAL, NormalizerSpec
from bnproof.simulate.layer_checks.terms import GroupTerms, gradient_terms, output_terms
from bnproof.simulate.relation import TOLERANCE

FORWARD: Final = "forward"
INVARIANCES: Final = "invariances"
LARGE_MEAN: Final = 1e7


def forward_rows(case: LayerCase) -> Iterator[CheckResult]:
    """Check agreement on several inputs, and the scale at large and small spread."""
    limit = case.tolerance
    rounds = limit > TOLERANCE[torch.float64]
    check = "computes in the precision of its input"
    if rounds:
        words = "computes in float32: the other checks allow for its rounding"
        yield CheckResult(FORWARD, check, Status.LIMIT, note=words)
    else:
        yield judge(FORWARD, check, 0.0, 0.0)
    yield _form(case.spec)
    inputs = {
        "agrees with the definition": case.x,
        "heavy-tailed input": case.x**3,
    }
    for check, x in inputs.items():
        yield attempt(FORWARD, check, partial(_agreement, case, x), limit)
    yield attempt(FORWARD, "divides by the biased variance", lambda: _large(case), limit)
    if case.spec.constant(case.x.dtype) > 0:
        yield attempt(FORWARD, "eps stands where it should", lambda: _small(case), limit)
    else:
        yield skip(FORWARD, "eps stands where it should", "eps = 0")
    if rounds:
        yield skip(FORWARD, "mean 1e7 times the spread", "the layer computes in float32")
    else:
        x = case.x + LARGE_MEAN * case.x.std()
        words = "digits are lost: the variance as mean square less squared mean?"
        yield attempt(FORWARD, "mean 1e7 times the spread", lambda: (case.error(x), words), limit)


def _form(spec: NormalizerSpec) -> CheckResult:
    """Say whether a form is that of PyTorch, in use elsewhere, or in use nowhere."""
    check = "has a form in use"
    words = []
    if spec.unbiased:
        words.append("divides by the unbiased variance")
    if spec.kind.eps_at == "outside":
        words.append("adds eps to the root")
    if spec.kind.eps_at == FLOOR:
        words.append("lets its scale not fall below eps")
    if spec.offset:
        words.append("stores gamma - 1")
    if not words:
        return judge(FORWARD, check, 0.0, 0.0)
    elsewhere = spec.name in USUAL.values() or spec.determined != "by fit"
    note = f"{' and '.join(words)}; " + ("PyTorch does not" if elsewhere else "nobody else does")
    return CheckResult(FORWARD, check, Status.NOTE if elsewhere else Status.FAULT, note=note)


def _agreement(case: LayerCase, x: Tensor) -> tuple[float, str]:
    return case.error(x), _factor(case, x)


def _factor(case: LayerCase, x: Tensor) -> str:
    ours = case.tested(x, case.state) - case.spec.beta(case.state, x)
    truth = case.expected(x, case.state) - case.spec.beta(case.state, x)
    ratio = (ours / truth).flatten()
    low, high = ratio.min().item(), ratio.max().item()
    return f"less beta, {_times(low)} to {_times(high)} times what it should be"


def _times(factor: float) -> str:
    """A factor; one near 1 with its difference from 1, which would be rounded away."""
    difference = factor - 1
    near = 0 < abs(difference) < 1e-3
    return f"1 {'+-'[difference < 0]} {abs(difference):.1e}" if near else f"{factor:.6g}"


def _scale(case: LayerCase, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the layer divides by and what it should divide by, (groups,)."""
    measured = implied_scale(case.tested, case.spec, x, case.state)
    u = case.spec.axis.fold(x)
    return measured, case.spec.scale(u, case.spec.constant(x.dtype)).squeeze(-1)


def _spread(case: LayerCase, x: Tensor, size: float) -> Tensor:
    """Scale x so that the median scale of its groups, without eps, is `size`."""
    u = case.spec.axis.fold(x)
    return x * (size / case.spec.scale(u, 0.0).median())


def _large(case: LayerCase) -> tuple[float, str]:
    constant = case.spec.constant(case.x.dtype)
    x = _spread(case, case.x, 10.0 * max(1.0, constant**0.5))
    measured, truth = _scale(case, x)
    ratio = (measured / truth).square()
    m = case.spec.axis.size(tuple(x.shape))
    words = f"divides by {_times(ratio.mean().item())} times the right variance"
    if (ratio - m / (m - 1)).abs().max() < 1e-3 / m:
        words += f" = m/(m-1) at m = {m}: the unbiased one"
    return _relative(case, x, measured, truth), words


def _small(case: LayerCase) -> tuple[float, str]:
    constant = case.spec.constant(case.x.dtype)
    x = _spread(case, case.x, constant**0.5)
    measured, truth = _scale(case, x)
    factor = (measured / truth).mean().item()
    tiny = _scale(case, _spread(case, case.x, constant * 1e-6))[0].median().item()
    words = f"sigma = sqrt(eps): S is {factor:.6g} times what it should be; "
    root, outside = abs(tiny / constant**0.5 - 1) < 0.01, abs(tiny / constant - 1) < 0.01
    place = "under the root" if root else "outside the root" if outside else "elsewhere"
    words += f"at sigma = 0, S = {tiny:.3g}, so eps stands {place}"
    return _relative(case, x, measured, truth), words


def _relative(case: LayerCase, x: Tensor, measured: Tensor, truth: Tensor) -> float:
    """Error of S relative to the terms that cancel in it."""
    n = GroupTerms(case.spec, x).n
    terms = n.square().mean(-1).sqrt().clamp(min=1.0)
    return ((measured / truth - 1).abs() / terms).max().item()


def invariance_rows(case: LayerCase) -> Iterator[CheckResult]:
    """Check invariance under shift, scale, other samples and order, and the gradient's kernel."""
    limit, kind, axis = case.tolerance, case.spec.kind, case.spec.axis
    x, z = case.x, case.tested(case.x, case.state)
    if kind.centred and kind.scale_centred:
        yield _row("shift", lambda: _moved(case, x + 3.0, z), limit)
        yield _row("gradient sees the mean", lambda: _across(case), limit)
    else:
        yield skip(INVARIANCES, "shift", "the layer does not centre")
        yield skip(INVARIANCES, "gradient sees the mean", "the layer does not centre")
    yield _row("scale, up to eps", lambda: _scaled(case, z), limit)
    if kind.power == 2 and kind.centred == kind.scale_centred:
        yield _row("gradient sees the scale", lambda: _along(case), limit)
    else:
        yield skip(INVARIANCES, "gradient sees the scale", "for root mean square scales only")
    if 0 in axis.dims:
        yield skip(INVARIANCES, "other samples", "a group runs over the batch")
    else:
        yield _row("other samples", lambda: _others(case, z), limit)
    yield _row("order of samples", lambda: _turned(case, z), limit)


def _row(check: str, measure: Callable[[], tuple[float, str]], limit: float) -> CheckResult:
    return attempt(INVARIANCES, check, measure, limit)


def _moved(case: LayerCase, x: Tensor, z: Tensor) -> tuple[float, str]:
    terms = case.z_terms + output_terms(case.spec, x, case.state)
    return ((case.tested(x, case.state) - z).abs() / terms).max().item(), ""


def _scaled(case: LayerCase, z: Tensor) -> tuple[float, str]:
    """Compare z(tx) - z(x) with gamma n (t S(u)/S(tu) - 1), the effect of eps."""
    worst, spec = 0.0, case.spec
    n, u = spec.axis.fold(spec.normalised(case.x)), spec.axis.fold(case.x)
    constant = spec.constant(case.x.dtype)
    for t in (1 / 8, 64.0):
        factor = t * spec.scale(u, constant) / spec.scale(t * u, constant) - 1
        defect = spec.gamma(case.state, case.x)
        defect = defect * spec.axis.unfold(n * factor, case.x.shape)
        error = case.tested(t * case.x, case.state) - z - defect
        worst = max(worst, (error.abs() / case.z_terms).max().item())
    return worst, "more than eps explains"


def _gradient(case: LayerCase) -> tuple[Tensor, Tensor]:
    """Gradient of the loss at the input by backward, and its terms, both as groups."""
    x = case.x.detach().requires_grad_()
    v = torch.autograd.grad(case.loss(case.tested(x, case.state)), x)[0]
    terms = gradient_terms(case.spec, case.x, case.state, case.g_terms)
    return case.spec.axis.fold(v), case.spec.axis.fold(terms)


def _across(case: LayerCase) -> tuple[float, str]:
    """<1,v>, which is 0 as a shift of the group does not change the output."""
    v, terms = _gradient(case)
    error = (v.sum(-1).abs() / terms.sum(-1)).max().item()
    return error, "<1,v> is not 0: the mean was not differentiated"


def _along(case: LayerCase) -> tuple[float, str]:
    """Compare <v,u - mean> with theta <f,n>, theta = 1 - <w,u>/S = eps/S^2, the effect of eps."""
    spec, (v, terms) = case.spec, _gradient(case)
    u = spec.axis.fold(case.x)
    x = u - u.mean(-1, keepdim=True) if spec.kind.centred else u
    S = spec.scale(u, spec.constant(u.dtype))
    theta = 1 - spec.scale(u, 0.0) / S  # eps outside the root
    if spec.kind.eps_at == "inside":
        theta = spec.constant(u.dtype) / S**2
    g = case.loss.gradient(case.expected(case.x, case.state))
    f = spec.axis.fold(g * spec.gamma(case.state, case.x))
    left = theta.squeeze(-1) * (f * x / S).sum(-1)
    error = ((v * x).sum(-1) - left).abs() / (terms * GroupTerms(spec, case.x).n * S).sum(-1)
    words = "<v,u> is not the part that eps leaves"
    # If S were treated as a constant, <v,u> would be <f,n>, far more than the effect of eps.
    frozen = (v * x).sum(-1).abs() > 0.01 * (f * x / S).sum(-1).abs()
    words += ": the scale was not differentiated" if frozen.any() else ""
    return error.max().item(), words


def _others(case: LayerCase, z: Tensor) -> tuple[float, str]:
    """Change of the first sample's output when all others are replaced."""
    x = case.x.clone()
    x[1:] = 3 * x[1:].flip(0) + 1
    off = (case.tested(x, case.state)[:1] - z[:1]).abs() / case.z_terms[:1]
    return off.max().item(), "the output of a sample depends on the other samples"


def _turned(case: LayerCase, z: Tensor) -> tuple[float, str]:
    """Difference of the outputs when the samples are reversed and the outputs reversed back."""
    back = case.tested(case.x.flip(0), case.state).flip(0)
    return ((back - z).abs() / case.z_terms).max().item(), "the order of the samples enters"
