"""Residual networks of He et al. (2015) for 32x32 images, with and without batch normalisation."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from theory.errors import UserError

Norm = Literal["batch", "none", "last", "layer", "group"]
Shortcut = Literal["projection", "identity"]
Initialisation = Literal["xavier", "kaiming", "orthogonal", "torch"]

WIDTHS = (16, 32, 64)
GROUPS = 8  # of "group": 2, 4 and 8 channels in each; Wu and He's (2018) 32 exceed 16 channels


def _uniform_fan_in(parameter: Tensor, fan_in: int, generator: torch.Generator) -> None:
    """PyTorch's default for convolutions and linear layers: uniform on +-1/sqrt(fan_in)."""
    bound = fan_in**-0.5
    nn.init.uniform_(parameter, -bound, bound, generator=generator)


def _xavier(weight: Tensor, generator: torch.Generator) -> None:
    nn.init.xavier_uniform_(weight, generator=generator)


def _kaiming(weight: Tensor, generator: torch.Generator) -> None:
    nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)


def _orthogonal(weight: Tensor, generator: torch.Generator) -> None:
    nn.init.orthogonal_(weight, generator=generator)


def _torch(weight: Tensor, generator: torch.Generator) -> None:
    _uniform_fan_in(weight, weight[0].numel(), generator)


# How the kernels of the convolutions are drawn.
INITIALISATIONS: dict[str, Callable[[Tensor, torch.Generator], None]] = {
    "xavier": _xavier,  # Glorot and Bengio (2010), uniform
    "kaiming": _kaiming,  # He et al. (2015), normal, fan in
    "orthogonal": _orthogonal,  # Saxe et al. (2014); rows (o) against columns (i, x', y')
    "torch": _torch,
}


class Identity(nn.Module):
    """Parameter-free shortcut (option A of He et al.): every second pixel, channels of zeros."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.extra = channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return x where the shape stays; else half the side and `extra` channels of zeros."""
        if self.stride == 1:
            return x
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


class Block(nn.Module):
    """Basic block: relu(shortcut(x) + norm(conv(relu(norm(conv(x))))))."""

    def __init__(self, inner: int, outer: int, norm: Norm, shortcut: Shortcut) -> None:
        super().__init__()
        stride = 1 if inner == outer else 2
        self.conv1 = _convolution(inner, outer, 3, stride, norm)
        self.norm1 = _normalisation(outer, norm)
        self.conv2 = _convolution(outer, outer, 3, 1, norm)
        self.norm2 = _normalisation(outer, norm)
        self.shortcut: nn.Module
        if stride == 1 or shortcut == "identity":
            self.shortcut = Identity(outer - inner, stride)
        else:
            self.shortcut = nn.Sequential(
                _convolution(inner, outer, 1, stride, norm), _normalisation(outer, norm)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, inner, side, side) to (b, outer, side, side), or half the side."""
        residual = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))))
        return functional.relu(residual + self.shortcut(x))


class ResNet(nn.Module):
    """The network that `resnet` builds.

    Layers are numbered as the papers count them: the first convolution is 1, block k (from 0)
    holds the convolutions 2k+2 and 2k+3, the linear layer is `depth`.  Projections on the
    shortcuts are not counted.
    """

    def __init__(self, depth: int, norm: Norm, shortcut: Shortcut, classes: int) -> None:
        super().__init__()
        self.depth = depth
        each = (depth - 2) // 6
        outer = [width for width in WIDTHS for _ in range(each)]
        inner = [WIDTHS[0], *outer[:-1]]
        self.conv1 = _convolution(3, WIDTHS[0], 3, 1, norm)
        self.norm1 = _normalisation(WIDTHS[0], norm)
        self.blocks = nn.ModuleList(
            Block(a, b, norm, shortcut) for a, b in zip(inner, outer, strict=True)
        )
        self.norm2 = nn.BatchNorm2d(WIDTHS[-1]) if norm == "last" else nn.Identity()
        self.linear = nn.Linear(WIDTHS[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, 3, 32, 32) to logits (b, classes)."""
        x = functional.relu(self.norm1(self.conv1(x)))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.linear(self.norm2(x).mean(dim=(2, 3)))
        return logits

    def layer(self, number: int) -> nn.Module:
        """Return convolution `number` (1 to depth - 1) or the linear layer (depth).

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        if not 1 <= number <= self.depth:
            raise ValueError(f"layer {number}: this network has the layers 1 to {self.depth}")
        if number == self.depth:
            return self.linear
        if number == 1:
            return self.conv1
        block, second = divmod(number - 2, 2)
        return self.blocks[block].get_submodule("conv2" if second else "conv1")


def _convolution(inner: int, outer: int, side: int, stride: int, norm: Norm) -> nn.Conv2d:
    """Padded convolution; with a bias only where no BN follows that would cancel it."""
    return nn.Conv2d(inner, outer, side, stride, padding=side // 2, bias=norm in BARE)


# After a convolution.
NORMALISATIONS: dict[Norm, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "layer": lambda channels: nn.GroupNorm(1, channels),
    "group": lambda channels: nn.GroupNorm(GROUPS, channels),
    "none": lambda _channels: nn.Identity(),
    "last": lambda _channels: nn.Identity(),
}
BARE = ("none", "last")  # norms that leave the convolutions without one


def _normalisation(channels: int, norm: Norm) -> nn.Module:
    return NORMALISATIONS[norm](channels)


def resnet(
    depth: int,
    *,
    generator: torch.Generator,
    norm: Norm = "batch",
    shortcut: Shortcut = "projection",
    init: Initialisation = "xavier",
    classes: int = 10,
) -> ResNet:
    """Build a residual network for 32x32 images (He et al. 2015, section 4.2).

    Parameters
    ----------
    depth
        6n + 2 with n at least 1: 3 stages of n basic blocks, of 16, 32 and 64 channels.
    generator
        A CPU generator: the weights are drawn on the CPU, hence are the same on every device.
        PyTorch's global generator is neither used nor moved.
    norm
        ``"batch"``: BN after every convolution, projections included.  ``"none"``: no
        normalisation; every convolution then has a bias, which does what BN's beta did.
        ``"last"``: as ``"none"``, but for one BN at the output of the last block (S3, section 4).
        ``"layer"``, ``"group"``: like ``"batch"``, with moments of each image over all its
        channels, or over each of `GROUPS` groups of them.
    shortcut
        Where the shape changes: ``"projection"``, a 1x1 convolution (option B of He et al.), or
        ``"identity"``, every second pixel padded with channels of zeros (option A).
    init
        Law of the convolutions' kernels: ``"xavier"`` (Glorot uniform), ``"kaiming"`` (He
        normal), ``"orthogonal"``, or ``"torch"``, PyTorch's default.  Biases of convolutions are
        0, so that with and without BN the same kernels act, except under ``"torch"``, which is
        that default altogether.  The linear layer is always PyTorch's default; BN starts at gamma
        1, beta 0.
    classes
        Number of logits.

    See Also
    --------
    empirical.lsuv.scale_layers : Initialisation that goes on from here with a batch.

    Raises
    ------
    ValueError
        If an argument is none of the above; the message is one line with what is allowed.
    """
    if depth < 8 or depth % 6 != 2:
        raise ValueError(f"depth {depth}: must be 6n + 2, such as 8, 20, 32, 44, 56 or 110")
    _one_of("norm", norm, tuple(NORMALISATIONS))
    _one_of("shortcut", shortcut, ("projection", "identity"))
    _one_of("init", init, tuple(INITIALISATIONS))
    if classes < 1:
        raise ValueError(f"classes {classes}: must be at least 1")
    with torch.random.fork_rng(devices=[]):  # PyTorch's own initialisation, overwritten below
        network = ResNet(depth, norm, shortcut, classes)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                INITIALISATIONS[init](module.weight, generator)
                if module.bias is not None and init == "torch":
                    _uniform_fan_in(module.bias, module.weight[0].numel(), generator)
                elif module.bias is not None:
                    module.bias.zero_()
        for parameter in (network.linear.weight, network.linear.bias):
            _uniform_fan_in(parameter, WIDTHS[-1], generator)
    return network


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} {value!r}: must be one of {', '.join(allowed)}")


FAMILIES: dict[str, Callable[..., nn.Module]] = {"resnet": resnet}


def build(network: Mapping[str, Any], *, generator: torch.Generator) -> nn.Module:
    """Build a network from its description: its family, and that family's arguments.

    ``build({"family": "resnet", "depth": 20, "norm": "none"}, generator=generator)`` is
    ``resnet(20, norm="none", generator=generator)``.

    Raises
    ------
    UserError
        If the family or an argument is unknown or out of range.
    """
    rest = dict(network)
    family = rest.pop("family", None)
    if family not in FAMILIES:
        raise UserError(f"network family {family!r}: must be one of {', '.join(FAMILIES)}")
    try:
        return FAMILIES[family](**rest, generator=generator)
    except (TypeError, ValueError) as error:
        raise UserError(f"network {family}: {error}") from None
