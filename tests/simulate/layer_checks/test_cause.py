"""The cause that a report names first, for layers whose defect is known."""

import pytest
import torch
from torch import Tensor, nn

from benchmarks.layers import faulty as wrong
from bnproof.simulate.layer_checks.measure import check_layer
from bnproof.simulate.layer_checks.wrong import Batch, Detached, EpsOutside, Unbiased

CAUSES = ["forward", "first derivatives", "training and evaluation"]


class WithoutGamma(Batch):
    """Forgets gamma."""

    def forward(self, x: Tensor) -> Tensor:
        return (super().forward(x) - self.bias) / self.weight + self.bias


class WithoutBeta(Batch):
    """Forgets beta."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) - self.bias


class OtherEps(Batch):
    """Uses another eps than it says."""

    def scale(self, variance: Tensor) -> Tensor:
        return torch.sqrt(variance + 100 * self.eps)


class OverFeatures(Batch):
    """Normalises each sample."""

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.mean(1, keepdim=True), x.var(1, keepdim=True, correction=0)


class Doubled(Batch):
    """Is twice as large as it should be."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * (super().forward(x) - self.bias) + self.bias


class Scaled(torch.autograd.Function):
    """The identity, whose backward multiplies by a number."""

    @staticmethod
    def forward(ctx: object, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx: object, g: Tensor) -> tuple[Tensor, None]:
        return ctx.factor * g, None


class GammaTwice(Batch):
    """Its gradient of gamma is twice what it should be."""

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self.statistics(x)
        gamma = Scaled.apply(self.weight, 2.0)
        return gamma * (x - mean) / self.scale(variance) + self.bias


class BetaMeans(Batch):
    """Its gradient of beta is a mean over the batch of eight, not a sum."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) - self.bias + Scaled.apply(self.bias, 1 / 8)


class InputWithoutGamma(Batch):
    """The gradient of the input lacks gamma, as if that were 1."""

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self.statistics(x)
        hat = (x - mean) / self.scale(variance)
        return self.weight * hat.detach() + self.bias + hat - hat.detach()


@pytest.mark.parametrize(
    ("layer", "cause"),
    [
        (Unbiased, "the variance is the unbiased one, m/(m - 1) times the biased one"),
        (EpsOutside, "eps is added to the root, not under the root"),
        (WithoutGamma, "gamma has no effect"),
        (WithoutBeta, "beta has no effect"),
        (OtherEps, "eps is 0.001, not 1e-05"),
        (OverFeatures, "it is LayerNorm, not BatchNorm, eps inside; a group is one sample over"),
        (Doubled, "the output, less beta, is 2 times what it should be"),
        (Detached, "in the gradient of x mean and variance are treated as constants"),
        (wrong.FrozenMean, "in the gradient of x the path through the mean is missing"),
        (wrong.FrozenScale, "in the gradient of x the path through the variance is missing"),
        (GammaTwice, "the gradient of gamma is 2 times what it should be"),
        (BetaMeans, "the gradient of beta is 0.125 times what it should be"),
        (InputWithoutGamma, "in the gradient of x gamma is missing"),
        (wrong.OtherMomentum, "running mean: the new value weighs 0.1, where momentum is 0.2"),
        (wrong.MeanSquares, "mean 1e7 times the spread: digits are lost"),
    ],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_cause_is_named(layer: type, cause: str, seed: int) -> None:
    report = check_layer(layer(3), spec="batch", seed=seed, parts=CAUSES)
    assert report.cause.startswith(cause)
    assert f"most probable cause: {report.cause}" in report.lines()
    assert report.as_dict()["cause"] == report.cause


def test_a_right_layer_has_no_cause() -> None:
    report = check_layer(nn.BatchNorm1d(3), parts=CAUSES)
    assert report.cause == ""
    assert not any("cause" in line for line in report.lines())


def test_rows_that_follow_are_folded() -> None:
    report = check_layer(Unbiased(3), spec="batch")
    short, long = report.lines(), report.lines(every=True)
    assert len(long) - len(short) > 25
    assert "         and 5 more: jvp, jacfwd, jacrev, ..." in short
    assert not any(" more: " in line for line in long)
