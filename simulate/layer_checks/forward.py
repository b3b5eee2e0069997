"""Forward agreement of a layer with its definition, what it divides by, and its invariances."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import torch
from torch import Tensor

from bnproof.simulate.layer_checks.identify import implied_scale
from bnproof.simulate.layer_checks.rows import Row, attempt, judge, skip
from bnproof.simulate.layer_checks.terms import GroupTerms, gradient_terms, output_terms
from bnproof.simulate.layer_checks.trial import Trial
from bnproof.simulate.relation import TOLERANCE

FORWARD: Final = "forward"
INVARIANCES: Final = "invariances"
LARGE_MEAN: Final = 1e7


def forward_rows(trial: Trial) -> Iterator[Row]:
    """Agreement on several inputs, and what the layer divides by at large and small spread."""
    limit = trial.tolerance
    rounds = limit > TOLERANCE[torch.float64]
    words = "rounds its input to float32: all else is judged by that" if rounds else ""
    yield judge(FORWARD, "computes in the precision of its input", float(rounds), 0.0, words)
    inputs = {
        "agrees with the definition": trial.x,
        "heavy-tailed input": trial.x**3,
    }
    for check, x in inputs.items():
        yield attempt(FORWARD, check, partial(_agreement, trial, x), limit)
    yield attempt(FORWARD, "divides by the biased variance", lambda: _large(trial), limit)
    if trial.declared.constant(trial.x.dtype) > 0:
        yield attempt(FORWARD, "eps stands where it should", lambda: _small(trial), limit)
    else:
        yield skip(FORWARD, "eps stands where it should", "eps = 0")
    if rounds:
        yield skip(FORWARD, "mean 1e7 times the spread", "the layer computes in float32")
    else:
        x = trial.x + LARGE_MEAN * trial.x.std()
        words = "digits are lost: the variance as mean square less squared mean?"
        yield attempt(FORWARD, "mean 1e7 times the spread", lambda: (trial.error(x), words), limit)


def _agreement(trial: Trial, x: Tensor) -> tuple[float, str]:
    return trial.error(x), _factor(trial, x)


def _factor(trial: Trial, x: Tensor) -> str:
    ours = trial.subject(x, trial.state) - trial.declared.beta(trial.state, x)
    truth = trial.expected(x, trial.state) - trial.declared.beta(trial.state, x)
    ratio = (ours / truth).flatten()
    low, high = ratio.min().item(), ratio.max().item()
    return f"less beta, {low:.6g} to {high:.6g} times what it should be"


def _scale(trial: Trial, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the layer divides by and what it should divide by, (groups,)."""
    found = implied_scale(trial.subject, trial.declared, x, trial.state)
    u = trial.declared.axis.fold(x)
    return found, trial.declared.scale(u, trial.declared.constant(x.dtype)).squeeze(-1)


def _spread(trial: Trial, x: Tensor, size: float) -> Tensor:
    """The input x, all groups of which have a scale without eps of about `size`."""
    u = trial.declared.axis.fold(x)
    return x * (size / trial.declared.scale(u, 0.0).median())


def _large(trial: Trial) -> tuple[float, str]:
    constant = trial.declared.constant(trial.x.dtype)
    x = _spread(trial, trial.x, 10.0 * max(1.0, constant**0.5))
    found, truth = _scale(trial, x)
    ratio = (found / truth).square()
    m = trial.declared.axis.size(tuple(x.shape))
    words = f"divides by {ratio.mean().item():.6g} times the right variance"
    if (ratio - m / (m - 1)).abs().max() < 1e-3 / m:
        words += f" = m/(m-1) at m = {m}: the unbiased one"
    return _relative(trial, x, found, truth), words


def _small(trial: Trial) -> tuple[float, str]:
    constant = trial.declared.constant(trial.x.dtype)
    x = _spread(trial, trial.x, constant**0.5)
    found, truth = _scale(trial, x)
    tiny = _scale(trial, _spread(trial, trial.x, constant * 1e-6))[0].median().item()
    words = f"sigma = sqrt(eps): S is {(found / truth).mean().item():.6g} times what it should be; "
    root, outside = abs(tiny / constant**0.5 - 1) < 0.01, abs(tiny / constant - 1) < 0.01
    place = "under the root" if root else "outside the root" if outside else "elsewhere"
    words += f"at sigma = 0, S = {tiny:.3g}, so eps stands {place}"
    return _relative(trial, x, found, truth), words


def _relative(trial: Trial, x: Tensor, found: Tensor, truth: Tensor) -> float:
    """Error of S over the terms that cancel in it."""
    n = GroupTerms(trial.declared, x).n
    terms = n.square().mean(-1).sqrt().clamp(min=1.0)
    return ((found / truth - 1).abs() / terms).max().item()


def invariance_rows(trial: Trial) -> Iterator[Row]:
    """Shift, scale, other samples and their order; and what the gradient is orthogonal to."""
    limit, kind, axis = trial.tolerance, trial.declared.kind, trial.declared.axis
    x, z = trial.x, trial.subject(trial.x, trial.state)
    if kind.centred and kind.scale_centred:
        yield _row("shift", lambda: _moved(trial, x + 3.0, z), limit)
        yield _row("gradient sees the mean", lambda: _across(trial), limit)
    else:
        yield skip(INVARIANCES, "shift", "the layer does not centre")
        yield skip(INVARIANCES, "gradient sees the mean", "the layer does not centre")
    yield _row("scale, up to eps", lambda: _scaled(trial, z), limit)
    if kind.power == 2 and kind.centred == kind.scale_centred:
        yield _row("gradient sees the scale", lambda: _along(trial), limit)
    else:
        yield skip(INVARIANCES, "gradient sees the scale", "for root mean square scales only")
    if 0 in axis.dims:
        yield skip(INVARIANCES, "other samples", "a group runs over the batch")
    else:
        yield _row("other samples", lambda: _others(trial, z), limit)
    yield _row("order of samples", lambda: _turned(trial, z), limit)


def _row(check: str, measure: Callable[[], tuple[float, str]], limit: float) -> Row:
    return attempt(INVARIANCES, check, measure, limit)


def _moved(trial: Trial, x: Tensor, z: Tensor) -> tuple[float, str]:
    terms = trial.z_terms + output_terms(trial.declared, x, trial.state)
    return ((trial.subject(x, trial.state) - z).abs() / terms).max().item(), ""


def _scaled(trial: Trial, z: Tensor) -> tuple[float, str]:
    """z(tx) - z(x) against gamma n (t S(u)/S(tu) - 1), which is eps at work and 0 without it."""
    worst, declared = 0.0, trial.declared
    n, u = declared.axis.fold(declared.normalised(trial.x)), declared.axis.fold(trial.x)
    constant = declared.constant(trial.x.dtype)
    for t in (1 / 8, 64.0):
        factor = t * declared.scale(u, constant) / declared.scale(t * u, constant) - 1
        defect = declared.gamma(trial.state, trial.x)
        defect = defect * declared.axis.unfold(n * factor, trial.x.shape)
        found = trial.subject(t * trial.x, trial.state) - z - defect
        worst = max(worst, (found.abs() / trial.z_terms).max().item())
    return worst, "more than eps explains"


def _gradient(trial: Trial) -> tuple[Tensor, Tensor]:
    """Gradient of the loss at the input by backward, and its terms, both in groups."""
    x = trial.x.detach().requires_grad_()
    v = torch.autograd.grad(trial.loss(trial.subject(x, trial.state)), x)[0]
    terms = gradient_terms(trial.declared, trial.x, trial.state, trial.g_terms)
    return trial.declared.axis.fold(v), trial.declared.axis.fold(terms)


def _across(trial: Trial) -> tuple[float, str]:
    """<1,v>, which is 0: a shift of the group does not change the output."""
    v, terms = _gradient(trial)
    error = (v.sum(-1).abs() / terms.sum(-1)).max().item()
    return error, "<1,v> is not 0: the mean was not differentiated"


def _along(trial: Trial) -> tuple[float, str]:
    """<v,u - mean> against theta <f,n>, theta = 1 - <w,u>/S = eps/S^2: what eps leaves."""
    declared, (v, terms) = trial.declared, _gradient(trial)
    u = declared.axis.fold(trial.x)
    x = u - u.mean(-1, keepdim=True) if declared.kind.centred else u
    S = declared.scale(u, declared.constant(u.dtype))
    theta = 1 - declared.scale(u, 0.0) / S  # eps outside the root
    if declared.kind.eps_at == "inside":
        theta = declared.constant(u.dtype) / S**2
    g = trial.loss.gradient(trial.expected(trial.x, trial.state))
    f = declared.axis.fold(g * declared.gamma(trial.state, trial.x))
    left = theta.squeeze(-1) * (f * x / S).sum(-1)
    error = ((v * x).sum(-1) - left).abs() / (terms * GroupTerms(declared, trial.x).n * S).sum(-1)
    words = "<v,u> is not the part that eps leaves"
    # With constants for S and its slope, <v,u> would be <f,n>: far more than eps leaves.
    frozen = (v * x).sum(-1).abs() > 0.01 * (f * x / S).sum(-1).abs()
    words += ": the scale was not differentiated" if frozen.any() else ""
    return error.max().item(), words


def _others(trial: Trial, z: Tensor) -> tuple[float, str]:
    """The first sample's output when all others are replaced."""
    x = trial.x.clone()
    x[1:] = 3 * x[1:].flip(0) + 1
    off = (trial.subject(x, trial.state)[:1] - z[:1]).abs() / trial.z_terms[:1]
    return off.max().item(), "the output of a sample depends on the other samples"


def _turned(trial: Trial, z: Tensor) -> tuple[float, str]:
    """The samples in reverse order, and their outputs put back."""
    back = trial.subject(trial.x.flip(0), trial.state).flip(0)
    return ((back - z).abs() / trial.z_terms).max().item(), "the order of the samples enters"
