"""What is wrong in one channel only, or by a known factor: seen, and said in the right numbers."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.layers import faulty as wrong
from bnproof.simulate.layer_checks.extremes import extreme_rows, precision_rows
from bnproof.simulate.layer_checks.forward import _times, forward_rows, invariance_rows
from bnproof.simulate.layer_checks.modes import mode_rows
from bnproof.simulate.layer_checks.results import CheckResult, Status
from bnproof.simulate.layer_checks.spec import NormalizerSpec
from bnproof.simulate.layer_checks.wrong import Batch, Detached, EpsOutside, Unbiased
from bnproof.simulate.samplers.definitions.normalizers import KINDS

PARTS = (forward_rows, invariance_rows, extreme_rows, precision_rows, mode_rows)
TrialOf = Callable[..., Any]


class OneOf(nn.Module):
    """The right layer, but for one channel of three, where it is another one."""

    def __init__(self, layer: type[Batch], channel: int) -> None:
        super().__init__()
        self.right, self.other, self.channel = Batch(3), layer(3), channel
        self.weight, self.bias = self.right.weight, self.right.bias
        self.other.weight, self.other.bias = self.weight, self.bias

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(torch.arange(3) == self.channel, self.other(x), self.right(x))


def found(trial: Any) -> dict[str, CheckResult]:
    return {row.check: row for part in PARTS for row in part(trial)}


class Noisy(Batch):
    """Another output at every call."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 1e-9 * torch.randn_like(x)


class InHalf(Batch):
    """Loses digits in smaller types only."""

    def forward(self, x: Tensor) -> Tensor:
        z = super().forward(x)
        return z if x.dtype is torch.float64 else z * 1.2


WRONG: list[tuple[type[Batch], set[str]]] = [
    (Batch, set()),
    (Unbiased, {"agrees with the definition", "divides by the biased variance", "m = 2: output"}),
    (Detached, {"gradient sees the mean", "gradient sees the scale", "constant input: gradient"}),
    (EpsOutside, {"eps stands where it should", "scale, up to eps"}),
    (wrong.FrozenMean, {"gradient sees the mean", "m = 2: gradient"}),
    (wrong.FrozenScale, {"gradient sees the scale"}),
    (wrong.MeanSquares, {"mean 1e7 times the spread"}),
    (wrong.AlmostCentred, {"shift", "heavy-tailed input"}),
    (wrong.Undefined, {"constant input: output"}),
    (wrong.FirstSample, {"order of samples"}),
    (wrong.OtherAtEvaluation, {"evaluation equals training"}),
    (Noisy, {"the same call twice"}),
    (InHalf, {f"{t}: {what}, ulp" for t in ("float32",) for what in ("output", "gradient")}),
]


@pytest.mark.parametrize("channel", [0, 2])
@pytest.mark.parametrize(
    ("layer", "checks"), WRONG, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_defect_of_one_channel_is_seen(
    trial_of: TrialOf, layer: type[Batch], checks: set[str], channel: int
) -> None:
    rows = found(trial_of(lambda spec: OneOf(layer, channel)))
    failed = {check for check, row in rows.items() if row.outcome is Status.FAULT}
    assert checks <= failed
    if layer is Batch:
        assert failed == set()


class Right(nn.Module):
    """What is declared, without gamma and beta."""

    def __init__(self, spec: NormalizerSpec) -> None:
        super().__init__()
        self.normalised = spec.normalised

    def forward(self, x: Tensor) -> Tensor:
        return self.normalised(x)


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"WeightNorm"}))
def test_a_right_layer_of_any_kind_fails_nothing_and_has_every_row(
    trial_of: TrialOf, kind: str
) -> None:
    """What does not apply to a kind is a row that says so.

    Without eps and without parameters fewer things can be wrong; a row is never left out.
    """
    rows = found(trial_of(Right, kind, 0.1))
    names = {name.replace("zero input", "constant input") for name in rows}
    batch = found(trial_of(lambda spec: Batch(3)))
    assert names == batch.keys()
    assert [row for row in rows.values() if row.outcome is Status.FAULT] == []
    judged = sum(row.outcome is Status.PASS for row in rows.values())
    assert judged > len(rows) / 2


class Breaks(Batch):
    """Right up to a size of its input, or from one on."""

    def __init__(self, above: float, below: float) -> None:
        super().__init__(3)
        self.above, self.below = above, below

    def forward(self, x: Tensor) -> Tensor:
        size, z = x.abs().max(), super().forward(x)
        return z + 1.0 if self.below < size < self.above else z


@pytest.mark.parametrize(
    ("below", "above", "scale"), [(1e10, 1e20, "1e+15"), (1e-20, 1e-10, "1e-15")]
)
def test_what_breaks_at_one_size_of_input_fails_at_that_one(
    trial_of: TrialOf, below: float, above: float, scale: str
) -> None:
    rows = found(trial_of(lambda spec: Breaks(above, below)))
    failed = {name for name, row in rows.items() if row.outcome is Status.FAULT}
    assert failed == {f"input times {scale} in float32"}


def test_what_breaks_beyond_the_drawn_input_is_seen(trial_of: TrialOf) -> None:
    """Larger and smaller inputs are tried, with heavy tails, wide and narrow."""
    drawn = trial_of(lambda spec: Batch(3)).x.abs().max().item()
    ranges = {
        (1.01 * drawn, math.inf): {"heavy-tailed input", "divides by the biased variance"},
        (0.0, 0.5 * drawn): {"eps stands where it should"},
    }
    for (below, above), checks in ranges.items():
        rows = found(trial_of(lambda spec, above=above, below=below: Breaks(above, below)))
        failed = {name for name, row in rows.items() if row.outcome is Status.FAULT}
        assert checks <= failed
        assert "agrees with the definition" not in failed


def test_squares_that_overflow_are_stated_and_not_judged(trial_of: TrialOf) -> None:
    rows = found(trial_of(lambda spec: Batch(3)))
    row = rows["input times 1e+30 in float32"]
    assert row.outcome is Status.NONE
    assert row.note.startswith("squares overflow in float32: ")
    rows = found(trial_of(Right, "l_2 BatchNorm", 0.0))
    assert rows["input times 1e-30 in float32"].note.startswith("squares vanish, and eps = 0")
    assert rows["input times 1e-15 in float32"].outcome is Status.PASS


class Times(Batch):
    """The right layer times a number a channel, in value or in scale."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor([1.0, 2.0, 0.5]).to(x) * (super().forward(x) - self.bias) + self.bias


def note(trial: Any, check: str) -> str:
    return found(trial)[check].note


@pytest.mark.parametrize(
    ("factor", "words"),
    [(1.0, "1"), (1 + 4.8e-7, "1 + 4.8e-07"), (1 - 2e-4, "1 - 2.0e-04"), (1.01, "1.01")],
)
def test_a_factor_near_1_is_not_rounded_to_it(factor: float, words: str) -> None:
    assert _times(factor) == words


def test_the_factors_of_all_entries_are_said(trial_of: TrialOf) -> None:
    """Of a layer that gives twice as much in one channel and half in another."""
    trial = trial_of(lambda spec: Times(3))
    words = "less beta, 0.5 to 2 times what it should be"
    assert note(trial, "agrees with the definition") == words
    assert note(trial, "heavy-tailed input") == words
    variance = (1 + 1 / 4 + 4) / 3
    assert note(trial, "divides by the biased variance") == (
        f"divides by {variance:.6g} times the right variance"
    )


@pytest.mark.parametrize(
    ("place", "scale"),
    [
        ("under the root", lambda layer, v: torch.sqrt(v + 2 * layer.eps - layer.eps * (v < 1e-9))),
        ("outside the root", lambda layer, v: torch.sqrt(v) + layer.eps),
        ("elsewhere", lambda layer, v: torch.sqrt(v + 16 * layer.eps)),
    ],
)
def test_where_eps_stands_is_said(trial_of: TrialOf, place: str, scale: Any) -> None:
    layer = type("Placed", (Batch,), {"scale": scale})
    assert f"so eps stands {place}" in note(
        trial_of(lambda spec: layer(3)), "eps stands where it should"
    )


@pytest.mark.parametrize("what", ["running_mean", "running_var", None])
def test_running_statistics_wrong_in_one_channel_are_seen(
    trial_of: TrialOf, what: str | None
) -> None:
    class Forgetting(wrong.Remembering):
        biased = False

        def forward(self, x: Tensor) -> Tensor:
            z = super().forward(x)
            if self.training and what:
                getattr(self, what)[1] *= 1.001
            return z

    rows = found(trial_of(lambda spec: Forgetting(3)))
    failed = {row.check for row in rows.values() if row.outcome is Status.FAULT}
    checks = {"running_mean": "running mean", "running_var": "running variance"}
    assert failed & {*checks.values()} == {checks[what]} if what else not failed
