"""Normalisations that stand after a layer of units: one table for every network."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn

from bnproof.theory.common.errors import one_of
from bnproof.theory.normalizers.table import find

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
NoiseOf = Literal["unit", "layer", "entry"]

GROUPS: Final = (
    8  # of "group": 2, 4 and 8 channels in each; Wu and He's (2018) 32 exceed 16 channels
)

# A18, appendix A, algorithm 1: bounds of the laws that every step draws, and spread around them.
N_MU: Final = 0.5
N_SIGMA: Final = 1.25
R_MU: Final = 0.1
R_SIGMA: Final = 0.1


class PowerNorm(nn.Module):
    """Batch normalisation by an l_p scale.

    ``z = gamma (y - mean(y))/sqrt(S^2 + eps) + beta`` for each unit, over the batch and all places,
    with the power mean ``S = (mean |x_i|^p)^(1/p)``, at p = inf the largest ``|x_i|``.  As printed
    (S0, 'Are these effects unique to BatchNorm?'; A18, section 3.3: the average l_p norm, taken
    before the mean is shifted) x is y itself; `centred`, x is y less its mean.  At p = 2 that is
    ``nn.BatchNorm2d``.  S0 has no eps; here it keeps a dead unit finite, as in ``nn.BatchNorm2d``.

    In training mode the statistics are those of the batch; in evaluation mode, running averages of
    the batches' means and S, with weight `momentum` on the last.  All is computed in float32 at
    least, and returned in the dtype of the input.  Everything is written in primitives, so that
    double backward and ``torch.func`` are right.

    Parameters
    ----------
    units
        Size of the second axis of the input, which is (b, units, ...).
    power
        p: 1, 2 or infinity.
    centred
        Whether S is taken of the centred batch.

    Attributes
    ----------
    track_running_stats
        As of ``nn.BatchNorm2d``: False leaves the running statistics as they are in training.

    Raises
    ------
    ValueError
        If `power` is another; in the forward pass, if the input has another number of units, or
        training mode meets one value a unit.
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
                raise ValueError(f"input of shape {tuple(y.shape)}: one value a unit has no scale")
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
        # S^2 rather than S: at p = 2 the root has no derivative at 0.
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
        """Arguments, for ``repr``."""
        return f"{len(self.weight)}, power={self.power}, centred={self.centred}"


class Noise(nn.Module):
    """The noise of 'noisy' BatchNorm (S4; A18, appendix A, algorithm 1); none in evaluation mode.

    ``a <- s a + m`` with fresh numbers in every forward pass: mean mu uniform on +-`N_MU` and scale
    sigma uniform on [1, `N_SIGMA`] for each unit; then, for each sample and unit, m uniform on
    mu +- `R_MU` and s normal around sigma with standard deviation `R_SIGMA` (the algorithm has
    N(sigma, r_sigma) and does not say whether r_sigma is that or the variance).

    PyTorch's global generator on the input's device is drawn from.

    Parameters
    ----------
    of
        What has a mu and sigma of its own.  ``"unit"``: every unit, which is a channel where there
        are places, as BN counts them.  ``"layer"``: all units share one mu and one sigma; m and s
        are drawn for each unit all the same.  ``"entry"``: every place of every channel counts as
        a unit.  The sources do not say which.

    Raises
    ------
    ValueError
        If `of` is none of these.
    """

    def __init__(self, of: NoiseOf = "unit") -> None:
        super().__init__()
        one_of("noise", of, get_args(NoiseOf))
        self.of = of

    def forward(self, a: Tensor) -> Tensor:
        """Map (b, units, ...) to the same shape."""
        if not self.training:
            return a
        unit = a.shape[1:] if self.of == "entry" else (a.shape[1],) + (1,) * (a.dim() - 2)
        drawn = (1,) * len(unit) if self.of == "layer" else unit
        blank = torch.empty(0, device=a.device, dtype=torch.promote_types(a.dtype, torch.float32))
        mu = blank.new_empty(drawn).uniform_(-N_MU, N_MU)
        sigma = blank.new_empty(drawn).uniform_(1, N_SIGMA)
        m = mu + blank.new_empty((len(a), *unit)).uniform_(-R_MU, R_MU)
        s = sigma + blank.new_empty((len(a), *unit)).normal_(0, R_SIGMA)
        return (s * a + m).to(a.dtype)

    def extra_repr(self) -> str:
        """Arguments, for ``repr``."""
        return f"of={self.of!r}"


@dataclass(frozen=True)
class Normalisation:
    """What a network puts after its layers; from a network's options `norm` and `noise`.

    Attributes
    ----------
    norm
        ``"none"``; ``"batch"``, PyTorch's BN.  ``"layer"``, ``"group"``: moments of each sample
        over all its units, or over each of `GROUPS` groups of them.  ``"noisy"``: BN, then `Noise`.
        ``"noise"``: `Noise` alone.  ``"l1"``, ``"l2"``, ``"linf"``: `PowerNorm` as printed;
        ``"l1-centred"``, ``"l2-centred"``, ``"linf-centred"``: with the centred scale.  Only
        ``"last"`` is none of these: it belongs to `bnproof.empirical.networks.resnet.resnet`.
    noise
        Of ``"noisy"`` and ``"noise"``: what `Noise` takes, by default ``"unit"``.

    Raises
    ------
    ValueError
        If a word is unknown, or `noise` is given for a norm without any.
    """

    norm: Norm = "batch"
    noise: NoiseOf | None = None

    def __post_init__(self) -> None:
        one_of("norm", self.norm, tuple(_TABLE))
        if self.noise is not None:
            one_of("noise", self.noise, get_args(NoiseOf))
            if self.norm not in ("noisy", "noise"):
                raise ValueError(f"noise {self.noise!r}: is for norm noisy or noise only")

    @property
    def shifts(self) -> bool:
        """Whether it adds a beta of its own, so that the layer before it needs no bias."""
        return self.norm not in ("none", "noise")

    def after(self, units: int, *, places: bool = False) -> nn.Module:
        """A new module for an input (b, units), or (b, units, height, width) with `places`.

        Raises
        ------
        ValueError
            If `units` is not a multiple of the number of groups.
        """
        return _TABLE[self.norm](units, places, self.noise or "unit")


def _batch(units: int, places: bool) -> nn.Module:
    return nn.BatchNorm2d(units) if places else nn.BatchNorm1d(units)


def _groups(units: int, groups: int) -> nn.Module:
    if units % groups:
        raise ValueError(f"norm 'group': {units} units are not a multiple of {groups} groups")
    return nn.GroupNorm(groups, units)


def _power(name: str) -> Callable[[int, bool, NoiseOf], nn.Module]:
    entry = find(name)
    power, centred = float(entry.power), entry.scale_centred
    return lambda units, _places, _noise: PowerNorm(units, power, centred=centred)


_TABLE: dict[Norm, Callable[[int, bool, NoiseOf], nn.Module]] = {
    "none": lambda _units, _places, _noise: nn.Identity(),
    "batch": lambda units, places, _noise: _batch(units, places),
    "layer": lambda units, _places, _noise: _groups(units, 1),
    "group": lambda units, _places, _noise: _groups(units, GROUPS),
    "noisy": lambda units, places, noise: nn.Sequential(_batch(units, places), Noise(noise)),
    "noise": lambda _units, _places, noise: Noise(noise),
    "l1": _power("l_1 BatchNorm, printed"),
    "l2": _power("l_2 BatchNorm, printed"),
    "linf": _power("l_inf BatchNorm, printed"),
    "l1-centred": _power("l_1 BatchNorm"),
    "l2-centred": _power("l_2 BatchNorm"),
    "linf-centred": _power("l_inf BatchNorm"),
}
