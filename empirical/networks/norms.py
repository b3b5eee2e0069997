"""Normalisations that follow a layer: one table for all networks."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn

from bnproof.theory.common.errors import one_of

Norm = Literal[
    "batch",
    "none",
    "last",
    "layer",
    "group",
    "noisy",
    "noise",
    "l1",
    "l2",
    "linf",
    "l1-centred",
    "l2-centred",
    "linf-centred",
]
NoiseOf = Literal["place", "unit", "layer", "entry"]

GROUPS: Final = 8  # groups of 2, 4 or 8 channels; Wu and He's (2018) 32 groups exceed 16 channels

# A18, appendix A, algorithm 1: bounds of the distributions of each step, and the spread around
# them.
N_MU: Final = 0.5
N_SIGMA: Final = 1.25
R_MU: Final = 0.1
R_SIGMA: Final = 0.1


class PowerNorm(nn.Module):
    """Batch normalisation by an l_p scale.

    ``z = gamma (y - mean(y))/sqrt(S^2 + eps) + beta`` for each unit, over the batch and all
    positions, with the power mean ``S = (mean |x_i|^p)^(1/p)``, at p = inf the largest ``|x_i|``.
    As printed (S0, 'Are these effects unique to BatchNorm?'; A18, section 3.3: the average l_p
    norm, taken before the mean is shifted) x is y itself; if `centred`, x is y minus its mean.  At
    p = 2 that is ``nn.BatchNorm2d``.  S0 has no eps; here it keeps the output of dead units finite,
    as in ``nn.BatchNorm2d``.

    In training mode the statistics are those of the batch; in evaluation mode they are running
    averages of mean and S, with weight `momentum` for the latest batch.  Computations are at least
    in float32, and the result has the dtype of the input.  Only primitives are used, so that double
    backward and ``torch.func`` are correct.

    Parameters
    ----------
    units
        Size of the second axis of the input, which is (b, units, ...).
    power
        p: 1, 2 or infinity.
    centred
        Whether S is computed from the centred batch.

    Attributes
    ----------
    track_running_stats
        As in ``nn.BatchNorm2d``: if False, running statistics do not change in training.

    Raises
    ------
    ValueError
        If `power` is invalid; in the forward pass, if the input has the wrong number of units or,
        in training mode, only one value per unit.
    """

    running_mean: Tensor
    running_scale: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        units: int,
        power: float,
        *,
        centred: bool = False,
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        one_of("power", power, (1, 2, math.inf))
        self.power, self.centred, self.eps, self.momentum = power, centred, eps, momentum
        self.track_running_stats = True
        self.weight = nn.Parameter(torch.ones(units))
        self.bias = nn.Parameter(torch.zeros(units))
        self.register_buffer("running_mean", torch.zeros(units))
        self.register_buffer("running_scale", torch.ones(units))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, y: Tensor) -> Tensor:
        """Map (b, units, ...) to the same shape."""
        units = len(self.weight)
        if y.dim() < 2 or y.shape[1] != units:
            raise ValueError(f"input of shape {tuple(y.shape)}: must be (b, {units}, ...)")
        exact = y.to(torch.promote_types(y.dtype, torch.float32))
        shape = (units,) + (1,) * (y.dim() - 2)
        if self.training:
            if y.numel() == units:
                raise ValueError(
                    f"input of shape {tuple(y.shape)}: one value per unit has no scale"
                )
            mean, square = self.statistics(exact)
            if self.track_running_stats:
                self._track(mean, square)
        else:
            mean, square = self.running_mean, self.running_scale.square()
        factor = self.weight * torch.rsqrt(square + self.eps)
        out = (exact - mean.view(shape)) * factor.view(shape) + self.bias.view(shape)
        return out.to(y.dtype)

    def statistics(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and S^2 of each unit of a batch, (units,) each; differentiable."""
        axes = [axis for axis in range(y.dim()) if axis != 1]
        mean = y.mean(axes, keepdim=True)
        x = y - mean if self.centred else y
        # S^2 rather than S, whose square root at p = 2 has no derivative at 0.
        if self.power == 2:
            square = x.square().mean(axes)
        elif self.power == 1:
            square = x.abs().mean(axes).square()
        else:
            square = x.abs().amax(axes).square()
        return mean.flatten(), square

    @torch.no_grad()
    def _track(self, mean: Tensor, square: Tensor) -> None:
        self.num_batches_tracked.add_(1)
        for running, value in ((self.running_mean, mean), (self.running_scale, square.sqrt())):
            running.lerp_(value.detach().to(running.dtype), self.momentum)

    def extra_repr(self) -> str:
        """Arguments shown by ``repr``."""
        return f"{len(self.weight)}, power={self.power}, centred={self.centred}"


class Noise(nn.Module):
    """The noise of 'noisy' BatchNorm (S4; A18, appendix A, algorithm 1); none in evaluation mode.

    ``a <- s a + m`` with new random numbers in every forward pass: mean mu uniform on +-`N_MU` and
    scale sigma uniform on [1, `N_SIGMA`] for each unit; then, for each sample, m uniform on mu +-
    `R_MU` and s normal around sigma with standard deviation `R_SIGMA` (the algorithm writes
    N(sigma, r_sigma) and does not say whether r_sigma is the standard deviation or the variance).

    Uses PyTorch's global generator on the input's device.

    Parameters
    ----------
    of
        What has its own mu and sigma, and its own m and s in each sample.  ``"place"``, as A18
        does: mu and sigma for each unit, which in convolutional layers is a channel; height and
        width count as part of the batch (appendix A.2.1), so m and s are drawn for each place.
        ``"unit"``: m and s are the same at all places of a channel.  ``"layer"``: as ``"unit"``,
        but all units share one mu and one sigma.  ``"entry"``: each place of each channel has its
        own of all four.

    Raises
    ------
    ValueError
        If `of` is none of these.
    """

    def __init__(self, of: NoiseOf = "place") -> None:
        super().__init__()
        one_of("noise", of, get_args(NoiseOf))
        self.of = of

    def forward(self, a: Tensor) -> Tensor:
        """Map (b, units, ...) to the same shape."""
        if not self.training:
            return a
        whole, unit = a.shape[1:], (a.shape[1],) + (1,) * (a.dim() - 2)
        drawn = {"entry": whole, "layer": (1,) * len(unit)}.get(self.of, unit)
        each = (len(a), *(whole if self.of in ("entry", "place") else unit))
        blank = torch.empty(0, device=a.device, dtype=torch.promote_types(a.dtype, torch.float32))
        mu = blank.new_empty(drawn).uniform_(-N_MU, N_MU)
        sigma = blank.new_empty(drawn).uniform_(1, N_SIGMA)
        m = mu + blank.new_empty(each).uniform_(-R_MU, R_MU)
        s = sigma + blank.new_empty(each).normal_(0, R_SIGMA)
        return (s * a + m).to(a.dtype)

    def extra_repr(self) -> str:
        """Arguments shown by ``repr``."""
        return f"of={self.of!r}"


@dataclass(frozen=True)
class Normalisation:
    """The normalisation after the layers of a network, given by its options `norm` and `noise`.

    Attributes
    ----------
    norm
        ``"none"``; ``"batch"``, PyTorch's BN.  ``"layer"``, ``"group"``: normalise each sample over
        all its units, or over each of `GROUPS` groups of them.  ``"noisy"``: BN, then `Noise`.
        ``"noise"``: `Noise` alone.  ``"l1"``, ``"l2"``, ``"linf"``: `PowerNorm` as printed;
        ``"l1-centred"``, ``"l2-centred"``, ``"linf-centred"``: with the centred scale.  ``"last"``
        exists only in `bnproof.empirical.networks.resnet.resnet`.
    noise
        Argument of `Noise` for ``"noisy"`` and ``"noise"``; by default ``"place"``.

    Raises
    ------
    ValueError
        If an option is unknown, or `noise` is given for a norm without noise.
    """

    norm: Norm = "batch"
    noise: NoiseOf | None = None

    def __post_init__(self) -> None:
        one_of("norm", self.norm, tuple(_TABLE))
        if self.noise is not None:
            one_of("noise", self.noise, get_args(NoiseOf))
            if self.norm not in ("noisy", "noise"):
                raise ValueError(f"noise {self.noise!r}: requires norm noisy or noise")

    @property
    def shifts(self) -> bool:
        """Whether it adds a beta, so that the preceding layer needs no bias."""
        return self.norm not in ("none", "noise")

    def after(self, units: int, *, places: bool = False) -> nn.Module:
        """A new module for inputs (b, units), or (b, units, height, width) with `places`.

        Raises
        ------
        ValueError
            If `units` is not a multiple of the number of groups.
        """
        return _TABLE[self.norm](units, places, self.noise or "place")


def _batch(units: int, places: bool) -> nn.Module:
    return nn.BatchNorm2d(units) if places else nn.BatchNorm1d(units)


def _groups(units: int, groups: int) -> nn.Module:
    if units % groups:
        raise ValueError(f"norm 'group': {units} units are not a multiple of {groups} groups")
    return nn.GroupNorm(groups, units)


def _power(p: float, *, centred: bool) -> Callable[[int, bool, NoiseOf], nn.Module]:
    return lambda units, _places, _noise: PowerNorm(units, p, centred=centred)


# The powers are those of `bnproof.theory.normalizers.table`, as a test checks; to import them would
# make the key of every training run depend on the code of proofs.
_TABLE: dict[Norm, Callable[[int, bool, NoiseOf], nn.Module]] = {
    "none": lambda _units, _places, _noise: nn.Identity(),
    "batch": lambda units, places, _noise: _batch(units, places),
    "layer": lambda units, _places, _noise: _groups(units, 1),
    "group": lambda units, _places, _noise: _groups(units, GROUPS),
    "noisy": lambda units, places, noise: nn.Sequential(_batch(units, places), Noise(noise)),
    "noise": lambda _units, _places, noise: Noise(noise),
    "l1": _power(1.0, centred=False),
    "l2": _power(2.0, centred=False),
    "linf": _power(math.inf, centred=False),
    "l1-centred": _power(1.0, centred=True),
    "l2-centred": _power(2.0, centred=True),
    "linf-centred": _power(math.inf, centred=True),
}
