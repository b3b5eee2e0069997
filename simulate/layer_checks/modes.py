"""Training and evaluation modes: running statistics, their update rule, and the output."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from bnproof.simulate.layer_checks.case import LayerCase, State
from bnproof.simulate.layer_checks.module import ModuleUnderTest
from bnproof.simulate.layer_checks.results import CheckResult, Status, attempt, judge, skip
from bnproof.simulate.layer_checks.terms import output_terms

MODES: Final = "training and evaluation"
CHECKS: Final = (
    "running mean",
    "running variance",
    "evaluation uses the running statistics",
    "evaluation is affine",
    "gradient in evaluation",
    "training under no_grad",
)
UNBIASED: Final = "unbiased variance"
BIASED: Final = "biased variance"


@dataclass(frozen=True)
class Statistic:
    """How a running statistic changes in one call: old (1 - weight) + weight new.

    Attributes
    ----------
    name
        Of the buffer or tensor.
    new
        The statistic of the batch that explains the change best: one of `TARGETS`.
    weight
        The weight of the new value, from the change itself.
    error
        What is left unexplained, relative to the values.
    """

    name: str
    new: str
    weight: float
    error: float


def mode_rows(case: LayerCase) -> Iterator[CheckResult]:
    """Check the update of running statistics, evaluation, and that calls have no side effects."""
    frozen = case.tested.at(training=False)
    state, parts = _statistics(case)
    mean = _chosen(parts, "mean", ("mean",))
    variance = _chosen([part for part in parts if part is not mean], "var", (UNBIASED, BIASED))
    if mean is None or variance is None:
        for check in CHECKS:
            yield skip(MODES, check, "the layer keeps no running statistics")
        yield attempt(
            MODES,
            "evaluation equals training",
            lambda: (_apart(case, frozen), "the two modes differ"),
            case.tolerance,
        )
    else:
        yield from _running(case, state, mean, variance)
        yield skip(MODES, "evaluation equals training", "it uses the running statistics")
    yield attempt(MODES, "evaluation leaves the buffers", lambda: _still(case), 0.0)
    yield attempt(MODES, "the same call twice", lambda: _again(case), 0.0)


def _chosen(parts: list[Statistic], word: str, new: tuple[str, ...]) -> Statistic | None:
    """The one that follows one of these statistics of the batch, or is named after it."""
    follows = [part for part in parts if part.new in new and part.error < 1e-3]
    named = [part for part in parts if word in part.name.lower()]
    return next(iter([*follows, *named]), None)


def _apart(case: LayerCase, frozen: ModuleUnderTest) -> float:
    """Scaled difference of the outputs in the two modes."""
    difference = frozen(case.x, case.state) - case.tested(case.x, case.state)
    return (difference.abs() / case.z_terms).max().item()


def _targets(case: LayerCase) -> dict[str, Tensor]:
    """Mean and variances of each channel, averaged over samples if each is a group."""
    u, channels = case.spec.axis.fold(case.x), case.x.shape[1]
    rows = {"mean": u.mean(-1), UNBIASED: u.var(-1, correction=1), BIASED: u.var(-1, correction=0)}
    return {name: row.reshape(-1, channels).mean(0) for name, row in rows.items()}


def _changed(case: LayerCase) -> dict[str, Tensor]:
    """Buffers with an entry per channel that a call in training mode changes."""
    after, before = case.tested.call(case.x, case.state)[1], case.tested.buffers
    return {
        name: before[name]
        for name, value in after.items()
        if value.is_floating_point()
        and value.numel() == case.x.shape[1]
        and not torch.equal(value, before[name])
    }


def _statistics(case: LayerCase) -> tuple[State, list[Statistic]]:
    """Random values of the running statistics, and how one call changes each."""
    changed = _changed(case) if case.spec.axis.channelwise else {}
    if not changed:
        return case.state, []
    targets = _targets(case)
    state = {
        **case.state,
        **{
            name: (case.normal(value.numel()).square() + 0.5).reshape(value.shape)
            for name, value in changed.items()
        },
    }
    after = case.tested.call(case.x, state)[1]
    return state, [
        min((_explained(case, name, after[name], state[name], new, value)
             for new, value in targets.items()), key=lambda part: part.error)
        for name in changed
    ]  # fmt: skip


def _explained(
    case: LayerCase, name: str, after: Tensor, old: Tensor, new: str, value: Tensor
) -> Statistic:
    after, old = after.flatten(), old.flatten()
    weight = ((after - old) / (value - old)).median().item()
    error = (after - (1 - weight) * old - weight * value).abs()
    size = old.abs() + value.abs() + case.x.abs().max() ** (1 if new == "mean" else 2)
    return Statistic(name, new, weight, (error / size).max().item())


def _running(
    case: LayerCase, state: State, mean: Statistic, variance: Statistic
) -> Iterator[CheckResult]:
    """Check the update of running statistics, and evaluation with them."""
    momentum = getattr(case.tested.module, "momentum", None)
    for check, part in zip(CHECKS[:2], (mean, variance), strict=True):
        row = judge(MODES, check, part.error, case.tolerance)
        if row.outcome is Status.FAULT:
            words = f"{part.name} is not an average of its old value and a statistic of the batch"
            row = replace(row, note=words)
        elif isinstance(momentum, float) and not _near(part.weight, momentum, case):
            words = f"the new value weighs {part.weight:.6g}, where momentum is {momentum:g}"
            kept = _near(part.weight, 1 - momentum, case)
            words += ": the convention of Keras" if kept else ""
            row = replace(row, outcome=Status.NOTE if kept else Status.FAULT, note=words)
        elif part.new == BIASED:
            typed = isinstance(case.tested.module, _BatchNorm)
            words = "it is the biased one, as in Keras; that of PyTorch is unbiased"
            row = replace(row, outcome=Status.FAULT if typed else Status.NOTE, note=words)
        yield row
    names = (mean.name, variance.name)
    yield attempt(MODES, CHECKS[2], lambda: _evaluation(case, state, *names), case.tolerance)
    yield attempt(MODES, CHECKS[3], lambda: _affine(case, state), case.tolerance)
    yield attempt(MODES, CHECKS[4], lambda: _sensitivity(case, state, names[1]), case.tolerance)
    yield attempt(MODES, CHECKS[5], lambda: _without_graph(case, state), case.tolerance)


def _near(weight: float, other: float, case: LayerCase) -> bool:
    return abs(weight - other) <= 1e3 * case.tolerance


def _sensitivity(case: LayerCase, state: State, var: str) -> tuple[float, str]:
    """The gradient in evaluation mode, which is that of an affine map: ``gamma g/S``."""
    frozen, leaf = case.tested.at(training=False), case.x.detach().requires_grad_()
    g = case.loss.b
    v = torch.autograd.grad(frozen(leaf, state), leaf, g)[0]
    truth = case.spec.gamma(state, case.x) * g / _deviation(case, state, var)
    return ((v - truth).abs() / truth.abs().clamp(min=1e-300)).max().item(), "is not gamma g/S"


def _deviation(case: LayerCase, state: State, var: str) -> Tensor:
    """S from the running variance, to broadcast against the input."""
    variance = state[var].reshape(-1, *[1] * (case.x.dim() - 2))
    constant = case.spec.constant(case.x.dtype)
    inside = case.spec.kind.eps_at == "inside"
    return torch.sqrt(variance + constant) if inside else torch.sqrt(variance) + constant


def _without_graph(case: LayerCase, state: State) -> tuple[float, str]:
    """Under ``no_grad`` a call in training mode does the same."""
    z, after = case.tested.call(case.x, state)
    with torch.no_grad():
        other, buffers = case.tested.call(case.x, state)
    error = ((other - z).abs() / case.z_terms).max().item()
    differ = [name for name, value in after.items() if not torch.equal(value, buffers[name])]
    words = f"changed differently: {', '.join(differ)}" if differ else "another output"
    return max(error, float(len(differ))), words


def _evaluation(case: LayerCase, state: State, mean: str, var: str) -> tuple[float, str]:
    """Compare with ``gamma (x - running mean)/S(running variance) + beta``."""
    frozen, spec, x = case.tested.at(training=False), case.spec, case.x
    centre, S = state[mean].reshape(-1, *[1] * (x.dim() - 2)), _deviation(case, state, var)
    gamma, beta = spec.gamma(state, x), spec.beta(state, x)
    z = gamma * (x - centre) / S + beta
    terms = gamma.abs() * (x.abs() + centre.abs()) / S + beta.abs()
    return ((frozen(x, state) - z).abs() / terms).max().item(), "of another mean or variance"


def _affine(case: LayerCase, state: State) -> tuple[float, str]:
    """Compare the output at a midpoint with the mean of the outputs."""
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
