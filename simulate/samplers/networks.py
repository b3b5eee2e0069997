"""K random single-BN-layer networks as one batch.

Shapes: K problems, batch size m, d inputs.  Each problem is one unit of a batch-normalisation
layer: pre-activations ``y = w X`` (K, m) with inputs X (K, d, m) and weights w (K, d) of one of
`bnproof.simulate.samplers.definitions.regimes`; parameters gamma, beta, eps (K, 1); and a loss of
``z = gamma*yhat + beta``, one of `bnproof.simulate.samplers.definitions.losses`.  The readout and
the contribution of all other units are drawn as well and kept fixed.

Everything is drawn on the CPU and then moved.  Problems come in blocks of 64, or fewer above m = 64
(`block`); block b of a seed has its own generator, NumPy's SFC64 seeded by (seed, b).  Hence
problem number i of a seed is the same on every device and for every batching.  Normals are drawn in
float32 and then converted to float64; a float32 problem is the float64 problem, rounded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from bnproof.simulate.samplers.definitions import losses
from bnproof.simulate.samplers.definitions.regimes import REGIMES

Loss = Callable[[Tensor], Tensor]
LOSSES: Final = losses.LOSSES
CLASSES: Final = losses.CLASSES
EPSILONS: Final = (0.0, 1e-5, 1e-3, 0.1)
# In place of a value of eps: a draw from a continuous law, log-uniform over these decades.
DRAWN: Final = float("-inf")
DECADES: Final = (-12.0, 6.0)
# With `zeros`, gamma is 0 in one problem of so many.
ZERO: Final = 13
# Factors on |gamma|, which is log-normal.
GAMMAS: Final = (1.0, 1e-4, 1e4)
DTYPES: Final = (torch.float64, torch.float32)
INPUTS: Final = 8
BLOCK: Final = 64
SAMPLES: Final = 4096


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
        Maps z (K, m) to one loss per problem, (K,).
    """

    y: Tensor
    gamma: Tensor
    beta: Tensor
    eps: Tensor
    loss: Loss

    def take(self, part: slice) -> "Problems":
        """Some of the problems.

        Raises
        ------
        TypeError
            If the loss is not one of `bnproof.simulate.samplers.definitions.losses`, so that it
            cannot be sliced.
        """
        if not isinstance(self.loss, losses.Loss):
            raise TypeError("problems with a user-defined loss cannot be sliced")
        y, gamma, beta, eps = (t[part] for t in (self.y, self.gamma, self.beta, self.eps))
        return Problems(y, gamma, beta, eps, self.loss.take(part))


def normalise(y: Tensor, eps: Tensor) -> Tensor:
    """Batch normalisation over the last axis, from primitives, before gamma and beta.

    The fused operator is avoided: its second derivatives are wrong in some compositions, and it
    rejects eps = 0.
    """
    centred = y - y.mean(-1, keepdim=True)
    variance = (centred * centred).mean(-1, keepdim=True)
    return centred / torch.sqrt(variance + eps)


def block(m: int) -> int:
    """Number of problems of batch size m drawn together: 64, or fewer to stay at 4096 samples."""
    return min(BLOCK, max(1, SAMPLES // m))


def draw(
    count: int,
    m: int,
    loss: str,
    seed: int,
    *,
    start: int = 0,
    regime: str = "Gaussian",
    width: int = INPUTS,
    epsilons: Sequence[float] = EPSILONS,
    gammas: Sequence[float] = (1.0,),
    zeros: bool = False,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Problems:
    """Draw problems number `start` to ``start + count - 1`` of a seed, of batch size `m`.

    gamma has a random sign and a log-normal size times one of `gammas`.  eps cycles through
    `epsilons`; after each cycle the factor on gamma advances, so that every pair appears.  For
    `DRAWN` among them eps is log-uniform.  `zeros` makes gamma 0 now and then.  `width` is the
    number d of inputs.

    Raises
    ------
    ValueError
        If a number is out of range, a name or dtype is unknown, or a sequence is empty.
    """
    _require(count, m, start, width, seed)
    for what, value, known in (("loss", loss, losses.LOSSES), ("regime", regime, REGIMES)):
        if value not in known:
            raise ValueError(f"{what} {value!r}: must be one of {', '.join(known)}")
    if dtype not in DTYPES:
        raise ValueError(f"dtype {dtype}: must be torch.float64 or torch.float32")
    for name, values in (("epsilons", epsilons), ("gammas", gammas)):
        fixed = [value for value in values if name == "gammas" or value != DRAWN]
        if not values or not all(0 <= value < np.inf for value in fixed):
            given = "empty" if not values else f"{tuple(values)}"
            raise ValueError(f"{name} is {given}; give at least one value, finite and >= 0")
    size = block(m)
    first, last = start // size, (start + count - 1) // size
    blocks = [_block(m, loss, seed, b, regime, width) for b in range(first, last + 1)]
    y, gamma, beta, free = (torch.cat(parts) for parts in list(zip(*blocks, strict=True))[:4])
    part = slice(start - first * size, start - first * size + count)
    number = torch.arange(start, start + count)
    sizes = torch.tensor(gammas, dtype=torch.float64)[number // len(epsilons) % len(gammas)]
    eps = constants(epsilons, number, free[part].squeeze(-1))
    if zeros:
        sizes = torch.where(number % ZERO == ZERO - 1, 0.0, sizes)
    tensors = (y[part], gamma[part] * sizes.unsqueeze(-1), beta[part], eps.unsqueeze(-1))
    chosen = losses.joined([block[4] for block in blocks]).take(part)
    y, gamma, beta, eps = (tensor.to(device, dtype) for tensor in tensors)
    return Problems(y, gamma, beta, eps, chosen.to(device, dtype))


def constants(epsilons: Sequence[float], number: Tensor, free: Tensor) -> Tensor:
    """Eps of problems by their number, (K,): one of `epsilons`, or for `DRAWN` from the law.

    `free` are standard normals, (K,).
    """
    cycle = torch.tensor(epsilons, dtype=torch.float64, device=number.device)
    eps = cycle[number % len(epsilons)]
    low, high = DECADES
    law = 10 ** (low + (high - low) * torch.special.ndtr(free))
    return torch.where(eps == DRAWN, law.to(eps), eps)


def _require(count: int, m: int, start: int, width: int, seed: int) -> None:
    if count < 1 or m < 2:
        raise ValueError(f"count = {count}, m = {m}: need count >= 1 and batch size m >= 2")
    if start < 0 or width < 1 or seed < 0:
        raise ValueError(
            f"start = {start}, width = {width}, seed = {seed}: "
            "need start >= 0, width >= 1 and seed >= 0"
        )


def _block(
    m: int, loss: str, seed: int, number: int, regime: str, width: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, losses.Loss]:
    """One block of B problems in float64: activations (B, m), gamma, beta and a normal, and loss.

    The last normal (B, 1) is what eps is drawn from.
    """
    size, generator = block(m), np.random.Generator(np.random.SFC64([seed, number]))

    def normal(*shape: int) -> Tensor:
        return torch.from_numpy(generator.standard_normal(shape, np.float32)).double()

    X, w, centre = normal(size, width, m), normal(size, width), normal(size, width)
    X, w = REGIMES[regime](X, w, centre)
    y = torch.bmm(w.unsqueeze(1), X).squeeze(1)
    sign = torch.where(normal(size, 1) < 0, -1.0, 1.0)
    gamma, beta = sign * normal(size, 1).exp(), normal(size, 1)
    drawn = losses.LOSSES[loss](size, m, normal)
    return y, gamma, beta, normal(size, 1), drawn
