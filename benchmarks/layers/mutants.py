"""Faulty normalisation layers: one defect each, in six families, and what names it.

`MUTANTS` maps the name of a layer to a `Mutant`.  The defects are those of public reports and of
mutation testing: forward, in the gradient by autograd, in a hand-written backward pass, in the
precision, and in the running statistics.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

C = 8  # channels or features
PARTS = 2  # groups of channels of the group normalisation
# The axes of a group; a group normalisation splits its channels first.
DIMS: Final = {
    "batch": (0,),
    "batch2d": (0, 2, 3),
    "layer": (1,),
    "rms": (1,),
    "group": (2,),
    "instance": (2, 3),
}
IMAGES: Final = ("batch2d", "group", "instance")


class Norm(nn.Module):
    """A normalisation layer from primitives, with a defect by name."""

    def __init__(self, family: str, defect: str = "") -> None:
        super().__init__()
        self.family, self.defect, self.eps = family, defect, 1e-5
        shape = (C, 1, 1) if family in IMAGES else (C,)
        self.weight = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(shape)) if family != "rms" else None

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the groups of x."""
        given, defect = x, self.defect
        if defect == "changes its input":
            x += 1.0
        if defect == "computes in half precision":
            x = x.half().to(x)
        u = x.reshape(len(x), PARTS, -1) if self.family == "group" else x
        hat = self.normalised(u).reshape(x.shape)
        z = self.affine(hat)
        if defect == "first sample counts double":
            z = z + 1e-3 * x[:1]
        if defect == "noise":
            z = z + 1e-9 * torch.randn_like(z)
        if defect == "float32 output":
            z = z.float() if given.dtype in (torch.float16, torch.bfloat16) else z
        if defect == "evaluation differs" and not self.training:
            z = z * 1.01
        return z

    def affine(self, hat: Tensor) -> Tensor:
        """Gamma and beta."""
        gamma, beta = self.weight, 0.0 if self.bias is None else self.bias
        match self.defect:
            case "no gamma":
                return hat + beta + 0 * gamma
            case "no beta":
                return gamma * hat
            case "beta inside gamma":
                return gamma * (hat + beta)
            case "gamma squared":
                return gamma**2 * hat + beta
            case "gamma positive":
                return gamma.abs() * hat + beta
            case "beta negative":
                return gamma * hat - beta
            case "gamma detached":
                return gamma.detach() * hat + beta
            case "beta detached":
                return gamma * hat + (beta.detach() if self.bias is not None else 0)
            case "twice as large":
                return 2 * gamma * hat + beta
        return gamma * hat + beta

    def normalised(self, u: Tensor) -> Tensor:
        """Before gamma and beta."""
        dims, defect, eps = DIMS[self.family], self.defect, self.eps
        mean = u.mean(dims, keepdim=True)
        if self.family == "rms":
            mean = torch.zeros_like(mean)
        if defect == "mean slightly off":
            mean = 0.999 * mean
        if defect == "mean not subtracted":
            mean = torch.zeros_like(mean)
        if defect == "mean added":
            mean = -mean
        if defect in ("mean detached", "statistics detached"):
            mean = mean.detach()
        centred = u - mean
        count = centred.numel() // u.mean(dims, keepdim=True).numel()
        variance = centred.square().mean(dims, keepdim=True)
        match defect:
            case "unbiased":
                variance = variance * count / (count - 1)
            case "one pass":
                variance = u.square().mean(dims, keepdim=True) - mean.square()
            case "mean absolute deviation":
                variance = centred.abs().mean(dims, keepdim=True) ** 2
            case "variance about 0":
                variance = u.square().mean(dims, keepdim=True)
            case "variance clamped":
                variance = variance.clamp(min=0.05)
            case "last entry left out":
                last = centred.narrow(dims[-1], 0, centred.shape[dims[-1]] - 1)
                variance = last.square().mean(dims, keepdim=True)
        if defect in ("scale detached", "statistics detached"):
            variance = variance.detach()
        match defect:
            case "eps outside":
                return centred / (variance.sqrt() + eps)
            case "eps twice":
                return centred / ((variance + eps).sqrt() + eps)
            case "eps a hundred times":
                return centred / (variance + 100 * eps).sqrt()
            case "eps squared":
                return centred / (variance + eps**2).sqrt()
            case "eps forgotten":
                return centred / variance.sqrt()
            case "divides by the variance":
                return centred / (variance + eps)
        return centred / (variance + eps).sqrt()


class Running(Norm):
    """A batch normalisation with running statistics, and a defect in them."""

    momentum = 0.1

    def __init__(self, family: str, defect: str = "") -> None:
        super().__init__(family, defect)
        self.register_buffer("running_mean", torch.zeros(C))
        self.register_buffer("running_var", torch.ones(C))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise, and update the running statistics, or use them."""
        dims, defect = DIMS[self.family], self.defect
        shape = (1, C, 1, 1)[: x.dim()]
        if self.training or defect == "batch in evaluation":
            z = super().forward(x)
            if torch.is_grad_enabled() or defect != "updates only with gradients":
                self.update(x.detach().mean(dims), x.detach().var(dims))
            return z
        if defect == "updates in evaluation":
            self.update(x.detach().mean(dims), x.detach().var(dims))
        mean, variance = self.running_mean.reshape(shape), self.running_var.reshape(shape)
        match defect:
            case "evaluation without eps":
                scale = variance.sqrt()
            case "evaluation divides by the variance":
                scale = variance + self.eps
            case "evaluation takes a deviation":
                scale = variance.square().add(self.eps).sqrt()
            case _:
                scale = (variance + self.eps).sqrt()
        if defect == "evaluation without mean":
            mean = 0 * mean
        hat = (x - mean) / scale
        if defect == "evaluation detached":
            hat = hat.detach()
        return hat if defect == "evaluation without gamma" else self.affine(hat)

    def update(self, mean: Tensor, variance: Tensor) -> None:
        """Change the running statistics."""
        weight = {"updates twice": 0.19, "other momentum": 0.2}.get(self.defect, self.momentum)
        if self.defect == "running mean of squares":
            mean = mean.square()
        if self.defect == "running deviation":
            variance = variance.sqrt()
        if self.defect != "mean not updated":
            self.running_mean.mul_(1 - weight).add_(weight * mean)
        if self.defect == "sums instead of averages":
            self.running_var.add_(weight * variance)
        elif self.defect != "variance not updated":
            self.running_var.mul_(1 - weight).add_(weight * variance)


class _Hand(torch.autograd.Function):
    """A normalisation over one axis whose backward pass is written by hand, with a defect."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gamma: Tensor, beta: Tensor, family: str, eps: float, defect: str
    ) -> Tensor:
        """Gamma yhat + beta."""
        (dim,) = DIMS[family]
        mean = x.mean(dim, keepdim=True) if family != "rms" else torch.zeros_like(x[:, :1])
        s = ((x - mean).square().mean(dim, keepdim=True) + eps).sqrt()
        hat = (x - mean) / s
        ctx.save_for_backward(x, hat, s, gamma)
        ctx.dim, ctx.family, ctx.defect, ctx.eps = dim, family, defect, eps
        return gamma * hat + beta

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Any:
        """Gradients at x, gamma and beta."""
        x, hat, s, gamma = ctx.saved_tensors
        dim, defect = ctx.dim, ctx.defect
        f = g if defect == "hand: no gamma" else gamma * g
        first = f.mean(dim, keepdim=True) if ctx.family != "rms" else torch.zeros_like(s)
        second = hat * (f * hat).mean(dim, keepdim=True)
        match defect:
            case "hand: no mean term":
                first = 0 * first
            case "hand: no variance term":
                second = 0 * second
            case "hand: neither term":
                first, second = 0 * first, 0 * second
            case "hand: sign of the variance term":
                second = -second
            case "hand: sum instead of mean":
                second = second * x.shape[dim]
            case "hand: half the variance term":
                second = second / 2
            case "hand: unbiased":
                second = second * x.shape[dim] / (x.shape[dim] - 1)
            case "hand: eps missing":
                s = (s.square() - ctx.eps).sqrt()
        v = (f - first - second) / (s.square() if defect == "hand: divided twice" else s)
        if defect == "hand: divided by m":
            v = v / len(x)
        by_gamma = (g * (x if defect == "hand: gamma by x" else hat)).sum(0)
        by_beta = g.mean(0) if defect == "hand: beta by the mean" else g.sum(0)
        if defect == "hand: gamma by the mean":
            by_gamma = by_gamma / len(x)
        if defect == "hand: gamma and beta swapped":
            by_gamma, by_beta = by_beta, by_gamma
        return v, by_gamma, by_beta, None, None, None


class Hand(nn.Module):
    """A layer around `_Hand`."""

    def __init__(self, family: str, defect: str = "") -> None:
        super().__init__()
        self.family, self.defect, self.eps = family, defect, 1e-5
        self.weight, self.bias = nn.Parameter(torch.ones(C)), nn.Parameter(torch.zeros(C))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x."""
        return _Hand.apply(x, self.weight, self.bias, self.family, self.eps, self.defect)  # type: ignore[no-any-return,no-untyped-call]


@dataclass(frozen=True)
class Mutant:
    """A faulty layer, and a word that the most probable cause must have."""

    make: Callable[[], nn.Module]
    cause: str


ALL: Final = tuple(DIMS)
CENTRED: Final = tuple(family for family in ALL if family != "rms")
# Where the unbiased variance, or eps outside the root, is not in use.
STRICT: Final = ("batch", "batch2d", "group", "instance")
# Defect, families, and a word of the cause.
FORWARD: Final = (
    ("mean slightly off", ("batch", "layer", "group"), "constant|definition"),
    ("mean not subtracted", ("batch", "batch2d", "group"), ""),  # elsewhere it is an RMSNorm
    ("unbiased", STRICT, "unbiased"),
    ("mean added", CENTRED, ""),
    ("one pass", ("batch", "layer", "group", "instance"), "mean"),
    ("mean absolute deviation", ALL, ""),
    ("variance about 0", CENTRED, ""),
    ("variance clamped", ALL, ""),
    ("last entry left out", ALL, ""),
    ("mean detached", CENTRED, "path through the mean"),
    ("scale detached", ALL, "path through the"),
    ("statistics detached", CENTRED, "constants"),
    ("eps outside", STRICT, "added to the root|adds eps to the root"),
    ("eps twice", ALL, ""),
    ("eps a hundred times", ALL, "eps is 0.001"),
    ("eps squared", ALL, "eps is 1e-10"),
    ("eps forgotten", ALL, "eps"),
    ("divides by the variance", ALL, ""),
    ("no gamma", ALL, "gamma has no effect"),
    ("no beta", CENTRED, "beta has no effect"),
    ("beta inside gamma", CENTRED, "beta"),
    ("gamma squared", ALL, "gamma"),
    ("gamma positive", ALL, "gamma"),
    ("beta negative", CENTRED, "beta"),
    ("gamma detached", ALL, "gamma"),
    ("beta detached", CENTRED, "beta"),
    ("twice as large", ALL, "2 times"),
    ("first sample counts double", ALL, ""),
    ("noise", ALL, "random"),
    ("float32 output", ALL, "type"),
    ("evaluation differs", ALL, "evaluation"),
    ("changes its input", ALL, "input"),
    ("computes in half precision", ("layer", "rms"), "precision"),
)
IN_RUNNING: Final = (
    *("updates twice", "other momentum", "running mean of squares", "running deviation"),
    *("mean not updated", "variance not updated", "sums instead of averages"),
    *("batch in evaluation", "updates in evaluation", "updates only with gradients"),
    *("evaluation without eps", "evaluation divides by the variance"),
    *("evaluation takes a deviation", "evaluation without mean", "evaluation detached"),
    "evaluation without gamma",
)
BY_HAND: Final = (
    ("hand: no mean term", ("batch", "layer"), "path through the mean"),
    ("hand: no variance term", ("batch", "layer", "rms"), "path through the"),
    ("hand: neither term", ("batch", "layer"), "constants"),
    ("hand: sign of the variance term", ("batch", "layer", "rms"), "path through the"),
    ("hand: sum instead of mean", ("batch", "layer", "rms"), "path through the"),
    ("hand: half the variance term", ("batch", "layer", "rms"), "path through the"),
    ("hand: unbiased", ("batch", "layer", "rms"), "path through the"),
    ("hand: eps missing", ("batch", "layer", "rms"), "gradient of x"),
    ("hand: divided twice", ("batch", "layer", "rms"), "gradient of x"),
    ("hand: divided by m", ("batch", "layer", "rms"), "gradient of x"),
    ("hand: no gamma", ("batch", "layer", "rms"), "gamma is missing"),
    ("hand: gamma by x", ("batch", "layer", "rms"), "gradient of gamma"),
    ("hand: gamma by the mean", ("batch", "layer", "rms"), "gradient of gamma"),
    ("hand: beta by the mean", ("batch", "layer", "rms"), "gradient of beta"),
    ("hand: gamma and beta swapped", ("batch", "layer", "rms"), "gradient of gamma"),
)


def _mutants() -> Iterator[tuple[str, Mutant]]:
    for defect, families, cause in FORWARD:
        for family in families:
            yield f"{family}: {defect}", _mutant(Norm, family, defect, cause)
    for defect in IN_RUNNING:
        for family in ("batch", "batch2d"):
            yield f"{family}: {defect}", _mutant(Running, family, defect, "running|evaluation|grad")
    for defect, families, cause in BY_HAND:
        for family in families:
            yield f"{family}, {defect}", _mutant(Hand, family, defect, cause)


def _mutant(layer: Callable[[str, str], nn.Module], family: str, defect: str, cause: str) -> Mutant:
    return Mutant(lambda: layer(family, defect), cause)


MUTANTS: Final = dict(_mutants())
