"""K random single-BN-layer networks as one batch.

Shapes: K problems, batch size m, d inputs, C classes.  Each problem is one unit of one
batch-normalisation layer: pre-activations ``y = X w`` (K, m) with Gaussian inputs X (K, m, d) and
weights w (K, d); parameters gamma, beta, eps (K, 1); and a loss of ``z = gamma*yhat + beta``.
Readout and the contribution of all other units are drawn as well and kept fixed.

Everything is drawn on a CPU generator and then moved: a seed gives the same problems on every
device.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Loss = Callable[[Tensor], Tensor]
EPSILONS = (0.0, 1e-5, 1e-3, 0.1)
INPUTS, CLASSES = 8, 10


@dataclass(frozen=True)
class Problems:
    """A batch of problems: activations, layer parameters, and the loss as a function of z.

    Attributes
    ----------
    y
        Activations before the layer, (K, m).
    gamma, beta, eps
        Layer parameters, (K, 1).
    loss
        Maps z (K, m) to one loss a problem (K,).
    """

    y: Tensor
    gamma: Tensor
    beta: Tensor
    eps: Tensor
    loss: Loss


def normalise(y: Tensor, eps: Tensor) -> Tensor:
    """Batch normalisation over the last axis, from primitives, before gamma and beta.

    The fused operator is not used: its second derivatives are wrong in some compositions, and it
    refuses eps = 0.
    """
    centred = y - y.mean(-1, keepdim=True)
    variance = (centred * centred).mean(-1, keepdim=True)
    return centred / torch.sqrt(variance + eps)


def cross_entropy(count: int, m: int, normal: Callable[..., Tensor]) -> Loss:
    """Mean cross-entropy of ``logits = z a' + o`` against targets drawn from random logits."""
    readout, others = normal(count, 1, CLASSES), normal(count, m, CLASSES)
    target = normal(count, m, CLASSES).argmax(-1)

    def loss(z: Tensor) -> Tensor:
        logits = z.unsqueeze(-1) * readout + others
        chosen = logits.gather(-1, target.unsqueeze(-1)).squeeze(-1)
        return (torch.logsumexp(logits, -1) - chosen).mean(-1)

    return loss


def squared_error(count: int, m: int, normal: Callable[..., Tensor]) -> Loss:
    """Squared error of ``A z`` against a target; A couples the samples of the batch."""
    mix, target = normal(count, m, m) / m**0.5, normal(count, m)

    def loss(z: Tensor) -> Tensor:
        return ((mix @ z.unsqueeze(-1)).squeeze(-1) - target).square().mean(-1) / 2

    return loss


def non_convex(count: int, m: int, normal: Callable[..., Tensor]) -> Loss:
    """Squared error after a hidden tanh unit: curvature of either sign."""
    weight, bias, target = normal(count, 1), normal(count, m), normal(count, m)

    def loss(z: Tensor) -> Tensor:
        return (torch.tanh(weight * z + bias) - target).square().mean(-1) / 2

    return loss


LOSSES = {
    "cross-entropy": cross_entropy,
    "squared error": squared_error,
    "non-convex": non_convex,
}


def draw(
    count: int,
    m: int,
    loss: str,
    seed: int,
    *,
    epsilons: Sequence[float] = EPSILONS,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Problems:
    """Draw `count` problems of batch size `m`.

    gamma has either sign and a log-normal size; eps cycles through `epsilons`.

    Raises
    ------
    ValueError
        If a size is out of range, `loss` is unknown or `epsilons` is empty.
    """
    if count < 1 or m < 2:
        raise ValueError(f"count = {count}, m = {m}: need count >= 1 and batch size m >= 2")
    if loss not in LOSSES:
        raise ValueError(f"unknown loss {loss!r}; known: {', '.join(LOSSES)}")
    if not epsilons:
        raise ValueError("epsilons is empty; give at least one value >= 0")
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        sample = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return sample.to(device=device, dtype=dtype)

    inputs, weights = normal(count, m, INPUTS), normal(count, INPUTS, 1)
    y = (inputs @ weights).squeeze(-1)
    sign = torch.where(normal(count, 1) < 0, -1.0, 1.0)
    gamma, beta = sign * normal(count, 1).exp(), normal(count, 1)
    chosen = torch.tensor(epsilons, dtype=dtype, device=device)
    eps = chosen[torch.arange(count, device=device) % len(epsilons)].unsqueeze(-1)
    return Problems(y, gamma, beta, eps, LOSSES[loss](count, m, normal))
