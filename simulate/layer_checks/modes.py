"""Training against evaluation: running statistics, their rule, and what evaluation computes."""

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

from bnproof.simulate.layer_checks.rows import Row, attempt, skip
from bnproof.simulate.layer_checks.subject import Subject
from bnproof.simulate.layer_checks.terms import output_terms
from bnproof.simulate.layer_checks.trial import State, Trial

MODES: Final = "training and evaluation"
CHECKS: Final = (
    "running mean",
    "running variance, unbiased",
    "evaluation uses the running statistics",
    "evaluation is affine",
)


def mode_rows(trial: Trial) -> Iterator[Row]:
    """Rules of the running statistics, evaluation, and that a call leaves nothing behind."""
    frozen = trial.subject.at(training=False)
    mean, var = _statistics(trial)
    if mean is None or var is None:
        for check in CHECKS:
            yield skip(MODES, check, "the layer keeps no running statistics")
        yield attempt(
            MODES,
            "evaluation equals training",
            lambda: (_apart(trial, frozen), "the two modes differ"),
            trial.tolerance,
        )
    else:
        yield from _running(trial, mean, var)
        yield skip(MODES, "evaluation equals training", "it uses the running statistics")
    yield attempt(MODES, "evaluation leaves the buffers", lambda: _still(trial), 0.0)
    yield attempt(MODES, "the same call twice", lambda: _again(trial), 0.0)


def _apart(trial: Trial, frozen: Subject) -> float:
    """How far the two modes are apart."""
    difference = frozen(trial.x, trial.state) - trial.subject(trial.x, trial.state)
    return (difference.abs() / trial.z_terms).max().item()


def _statistics(trial: Trial) -> tuple[str | None, str | None]:
    """Names of the buffers that a call in training changes: the mean's and the variance's."""
    after = trial.subject.call(trial.x, trial.state)[1]
    before = trial.subject.buffers
    changed = [
        name
        for name, value in after.items()
        if value.is_floating_point() and not torch.equal(value, before[name])
    ]
    mean = [name for name in changed if "mean" in name.lower()]
    var = [name for name in changed if "var" in name.lower()]
    return (mean[0] if len(mean) == 1 else None), (var[0] if len(var) == 1 else None)


def _moments(trial: Trial) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance of each channel, averaged over samples where groups lie in one."""
    u, channels = trial.declared.axis.fold(trial.x), trial.x.shape[1]
    mean, var = u.mean(-1), u.var(-1, correction=1)
    return mean.reshape(-1, channels).mean(0), var.reshape(-1, channels).mean(0)


def _running(trial: Trial, mean: str, var: str) -> Iterator[Row]:
    channels = trial.x.shape[1]
    state: State = {
        **trial.state,
        mean: trial.normal(channels).reshape(trial.subject.buffers[mean].shape),
        var: trial.normal(channels).square().reshape(trial.subject.buffers[var].shape) + 0.5,
    }
    after = trial.subject.call(trial.x, state)[1]
    batch, spread = _moments(trial)
    momentum = getattr(trial.subject.module, "momentum", None)
    step = (after[mean] - state[mean]).flatten() / (batch - state[mean].flatten())
    weight = momentum if isinstance(momentum, float) else step.median().item()
    stated = "momentum" if isinstance(momentum, float) else "read off"

    def rule(name: str, value: Tensor, other: float) -> tuple[float, str]:
        old = state[name].flatten()
        error = (after[name].flatten() - (1 - weight) * old - weight * value).abs()
        size = old.abs() + value.abs() + trial.x.abs().max() ** (2 if name == var else 1)
        words = f"not (1 - {weight:g}) old + {weight:g} new ({stated})"
        if name == var:
            biased = after[name].flatten() - (1 - weight) * old - weight * value * other
            words += "; it is with the biased variance" if biased.abs().max() < 1e-9 else ""
        return (error / size).max().item(), words

    m = trial.declared.axis.size(tuple(trial.x.shape))
    yield attempt(MODES, CHECKS[0], lambda: rule(mean, batch, 1.0), trial.tolerance)
    yield attempt(MODES, CHECKS[1], lambda: rule(var, spread, (m - 1) / m), trial.tolerance)
    yield attempt(MODES, CHECKS[2], lambda: _evaluation(trial, state, mean, var), trial.tolerance)
    yield attempt(MODES, CHECKS[3], lambda: _affine(trial, state), trial.tolerance)


def _evaluation(trial: Trial, state: State, mean: str, var: str) -> tuple[float, str]:
    """The output ``gamma (x - running mean)/S(running variance) + beta``."""
    frozen, declared, x = trial.subject.at(training=False), trial.declared, trial.x
    centre, variance = (state[k].reshape(-1, *[1] * (x.dim() - 2)) for k in (mean, var))
    constant = declared.constant(x.dtype)
    inside = declared.kind.eps_at == "inside"
    S = torch.sqrt(variance + constant) if inside else torch.sqrt(variance) + constant
    gamma, beta = declared.gamma(state, x), declared.beta(state, x)
    z = gamma * (x - centre) / S + beta
    terms = gamma.abs() * (x.abs() + centre.abs()) / S + beta.abs()
    return ((frozen(x, state) - z).abs() / terms).max().item(), "of another mean or variance"


def _affine(trial: Trial, state: State) -> tuple[float, str]:
    """The value half way between two inputs is half way between their values."""
    frozen, x = trial.subject.at(training=False), trial.x
    y = trial.normal(*x.shape)
    ends = [frozen(point, state) for point in (x, y)]
    error = frozen((x + y) / 2, state) - (ends[0] + ends[1]) / 2
    terms = ends[0].abs() + ends[1].abs() + output_terms(trial.declared, x, trial.state)
    return (error.abs() / terms).max().item(), "the output bends between two inputs"


def _still(trial: Trial) -> tuple[float, str]:
    frozen = trial.subject.at(training=False)
    after = frozen.call(trial.x, trial.state)[1]
    changed = [
        name for name, value in after.items() if not torch.equal(value, frozen.buffers[name])
    ]
    return float(len(changed)), f"changed: {', '.join(changed)}"


def _again(trial: Trial) -> tuple[float, str]:
    first, second = (trial.subject(trial.x, trial.state) for _ in range(2))
    return (first - second).abs().max().item(), "a random or hidden state enters the output"
