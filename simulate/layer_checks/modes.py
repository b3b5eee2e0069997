"""Training against evaluation: running statistics, their rule, and what evaluation computes."""

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

from bnproof.simulate.layer_checks.case import LayerCase, State
from bnproof.simulate.layer_checks.module import ModuleUnderTest
from bnproof.simulate.layer_checks.results import CheckResult, attempt, skip
from bnproof.simulate.layer_checks.terms import output_terms

MODES: Final = "training and evaluation"
CHECKS: Final = (
    "running mean",
    "running variance, unbiased",
    "evaluation uses the running statistics",
    "evaluation is affine",
)


def mode_rows(case: LayerCase) -> Iterator[CheckResult]:
    """Rules of the running statistics, evaluation, and that a call leaves nothing behind."""
    frozen = case.tested.at(training=False)
    mean, var = _statistics(case)
    if mean is None or var is None:
        for check in CHECKS:
            yield skip(MODES, check, "the layer keeps no running statistics")
        yield attempt(
            MODES,
            "evaluation equals training",
            lambda: (_apart(case, frozen), "the two modes differ"),
            case.tolerance,
        )
    else:
        yield from _running(case, mean, var)
        yield skip(MODES, "evaluation equals training", "it uses the running statistics")
    yield attempt(MODES, "evaluation leaves the buffers", lambda: _still(case), 0.0)
    yield attempt(MODES, "the same call twice", lambda: _again(case), 0.0)


def _apart(case: LayerCase, frozen: ModuleUnderTest) -> float:
    """How far the two modes are apart."""
    difference = frozen(case.x, case.state) - case.tested(case.x, case.state)
    return (difference.abs() / case.z_terms).max().item()


def _statistics(case: LayerCase) -> tuple[str | None, str | None]:
    """Names of the buffers that a call in training changes: the mean's and the variance's."""
    after = case.tested.call(case.x, case.state)[1]
    before = case.tested.buffers
    changed = [
        name
        for name, value in after.items()
        if value.is_floating_point() and not torch.equal(value, before[name])
    ]
    mean = [name for name in changed if "mean" in name.lower()]
    var = [name for name in changed if "var" in name.lower()]
    return (mean[0] if len(mean) == 1 else None), (var[0] if len(var) == 1 else None)


def _moments(case: LayerCase) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance of each channel, averaged over samples where groups lie in one."""
    u, channels = case.spec.axis.fold(case.x), case.x.shape[1]
    mean, var = u.mean(-1), u.var(-1, correction=1)
    return mean.reshape(-1, channels).mean(0), var.reshape(-1, channels).mean(0)


def _running(case: LayerCase, mean: str, var: str) -> Iterator[CheckResult]:
    channels = case.x.shape[1]
    state: State = {
        **case.state,
        mean: case.normal(channels).reshape(case.tested.buffers[mean].shape),
        var: case.normal(channels).square().reshape(case.tested.buffers[var].shape) + 0.5,
    }
    after = case.tested.call(case.x, state)[1]
    batch, spread = _moments(case)
    momentum = getattr(case.tested.module, "momentum", None)
    step = (after[mean] - state[mean]).flatten() / (batch - state[mean].flatten())
    weight = momentum if isinstance(momentum, float) else step.median().item()
    stated = "momentum" if isinstance(momentum, float) else "read off"

    def rule(name: str, value: Tensor, other: float) -> tuple[float, str]:
        old = state[name].flatten()
        error = (after[name].flatten() - (1 - weight) * old - weight * value).abs()
        size = old.abs() + value.abs() + case.x.abs().max() ** (2 if name == var else 1)
        words = f"not (1 - {weight:g}) old + {weight:g} new ({stated})"
        if name == var:
            biased = after[name].flatten() - (1 - weight) * old - weight * value * other
            words += "; it is with the biased variance" if biased.abs().max() < 1e-9 else ""
        return (error / size).max().item(), words

    m = case.spec.axis.size(tuple(case.x.shape))
    yield attempt(MODES, CHECKS[0], lambda: rule(mean, batch, 1.0), case.tolerance)
    yield attempt(MODES, CHECKS[1], lambda: rule(var, spread, (m - 1) / m), case.tolerance)
    yield attempt(MODES, CHECKS[2], lambda: _evaluation(case, state, mean, var), case.tolerance)
    yield attempt(MODES, CHECKS[3], lambda: _affine(case, state), case.tolerance)


def _evaluation(case: LayerCase, state: State, mean: str, var: str) -> tuple[float, str]:
    """The output ``gamma (x - running mean)/S(running variance) + beta``."""
    frozen, spec, x = case.tested.at(training=False), case.spec, case.x
    centre, variance = (state[k].reshape(-1, *[1] * (x.dim() - 2)) for k in (mean, var))
    constant = spec.constant(x.dtype)
    inside = spec.kind.eps_at == "inside"
    S = torch.sqrt(variance + constant) if inside else torch.sqrt(variance) + constant
    gamma, beta = spec.gamma(state, x), spec.beta(state, x)
    z = gamma * (x - centre) / S + beta
    terms = gamma.abs() * (x.abs() + centre.abs()) / S + beta.abs()
    return ((frozen(x, state) - z).abs() / terms).max().item(), "of another mean or variance"


def _affine(case: LayerCase, state: State) -> tuple[float, str]:
    """The value half way between two inputs is half way between their values."""
    frozen, x = case.tested.at(training=False), case.x
    y = case.normal(*x.shape)
    ends = [frozen(point, state) for point in (x, y)]
    error = frozen((x + y) / 2, state) - (ends[0] + ends[1]) / 2
    terms = ends[0].abs() + ends[1].abs() + output_terms(case.spec, x, case.state)
    return (error.abs() / terms).max().item(), "the output bends between two inputs"


def _still(case: LayerCase) -> tuple[float, str]:
    frozen = case.tested.at(training=False)
    after = frozen.call(case.x, case.state)[1]
    changed = [
        name for name, value in after.items() if not torch.equal(value, frozen.buffers[name])
    ]
    return float(len(changed)), f"changed: {', '.join(changed)}"


def _again(case: LayerCase) -> tuple[float, str]:
    first, second = (case.tested(case.x, case.state) for _ in range(2))
    return (first - second).abs().max().item(), "a random or hidden state enters the output"
