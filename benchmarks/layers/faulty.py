"""Layers with one defect each, beside the controls of `bnproof.simulate.layer_checks.wrong`."""

import torch
from torch import Tensor, nn

from bnproof.simulate.layer_checks.wrong import Batch


class FrozenMean(Batch):
    """Does not differentiate the mean that it subtracts."""

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self.statistics(x)
        return self.weight * (x - mean.detach()) / self.scale(variance) + self.bias


class FrozenScale(Batch):
    """Does not differentiate the scale."""

    def scale(self, variance: Tensor) -> Tensor:
        return super().scale(variance).detach()


class MeanSquares(Batch):
    """Takes the variance as mean square less squared mean, which loses digits."""

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = x.mean(0)
        return mean, (x * x).mean(0) - mean * mean


class DoubleEps(Batch):
    """Adds eps twice: to the variance and to its root."""

    def scale(self, variance: Tensor) -> Tensor:
        return super().scale(variance) + self.eps


class SinglePrecision(Batch):
    """Computes in float32 whatever it is given."""

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self.statistics(x.float())
        return self.weight * ((x.float() - mean) / self.scale(variance)).to(x) + self.bias


class Random(Batch):
    """Adds noise, of a size that only the comparison of two calls sees."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 1e-14 * torch.randn_like(x)


class Remembering(Batch):
    """Keeps running statistics with the biased variance."""

    biased = True

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self.evaluated(x)
        mean, variance = self.statistics(x)
        kept = variance if self.biased else x.var(0)
        with torch.no_grad():
            self.running_mean.mul_(0.9).add_(0.1 * mean)
            self.running_var.mul_(0.9).add_(0.1 * kept)
        return super().forward(x)

    def evaluated(self, x: Tensor) -> Tensor:
        scale = self.scale(self.running_var)
        return self.weight * (x - self.running_mean) / scale + self.bias


class BatchAtEvaluation(Remembering):
    """Normalises by the batch in evaluation too."""

    biased = False

    def evaluated(self, x: Tensor) -> Tensor:
        return Batch.forward(self, x)


class LearningAtEvaluation(Remembering):
    """Goes on updating its running statistics in evaluation."""

    biased = False

    def evaluated(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.running_mean.add_(0.1 * x.mean(0))
        return super().evaluated(x) * 1.0


class OnlyWithGradients(Remembering):
    """Updates its running statistics only where gradients are recorded."""

    biased = False

    def forward(self, x: Tensor) -> Tensor:
        before = self.running_mean.clone(), self.running_var.clone()
        z = super().forward(x)
        if not torch.is_grad_enabled():
            self.running_mean.copy_(before[0])
            self.running_var.copy_(before[1])
        return z


class OtherMomentum(Remembering):
    """Says another momentum than it uses."""

    biased, momentum = False, 0.2


class AlmostCentred(Batch):
    """Subtracts a little less than the mean."""

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = super().statistics(x)
        return mean * (1 - 1e-9), variance


class Undefined(Batch):
    """Is 0/0 where the batch has no spread."""

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self.statistics(x)
        share = torch.sqrt(variance / (variance + self.eps))
        return self.weight * (x - mean) / torch.sqrt(variance) * share + self.bias


class FirstSample(Batch):
    """Lets the first sample of the batch count a little more."""

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = super().statistics(x)
        return mean + 1e-9 * x[0], variance


class OtherAtEvaluation(Batch):
    """Leaves out beta in evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        z = super().forward(x)
        return z if self.training else z - self.bias


class Leaking(nn.Module):
    """A layer normalisation that takes its mean over the batch."""

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean()
        return centred / torch.sqrt(x.var(-1, correction=0, keepdim=True) + 1e-5)


class UndefinedAtZero(nn.Module):
    """A root mean square normalisation that is 0/0 at zero."""

    def forward(self, x: Tensor) -> Tensor:
        square = (x * x).mean(-1, keepdim=True)
        return x / torch.sqrt(square) * torch.sqrt(square / (square + 1e-5))


class _OnceRight(torch.autograd.Function):
    """Batch normalisation with a right gradient, which takes yhat and s for constants."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        centred = x - x.mean(0)
        s = torch.sqrt((centred * centred).mean(0) + 1e-5)
        ctx.save_for_backward(centred / s, s)
        return centred / s

    @staticmethod
    def backward(ctx: object, g: Tensor) -> Tensor:
        hat, s = (tensor.detach() for tensor in ctx.saved_tensors)
        return (g - g.mean(0) - hat * (hat * g).mean(0)) / s


class OnceRight(nn.Module):
    """A hand-written layer whose second derivative is wrong."""

    def forward(self, x: Tensor) -> Tensor:
        return _OnceRight.apply(x)


class _Forgetful(_OnceRight):
    @staticmethod
    def backward(ctx: object, g: Tensor) -> Tensor:
        _, s = ctx.saved_tensors
        return (g - g.mean(0)) / s


class Forgetful(nn.Module):
    """A hand-written layer whose gradient lacks the term along yhat."""

    def forward(self, x: Tensor) -> Tensor:
        return _Forgetful.apply(x)
