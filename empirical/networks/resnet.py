"""Residual networks of He et al. (2015) for 32x32 images, with and without normalisation."""

from collections.abc import Sequence
from functools import partial
from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnproof.empirical.networks.fused import activated
from bnproof.empirical.networks.initialisation import Initialisation, draw
from bnproof.empirical.networks.layered import Network
from bnproof.empirical.networks.norms import NoiseOf, Norm, Normalisation
from bnproof.theory.common.errors import one_of, whole

Shortcut = Literal["projection", "identity"]

WIDTHS: Final = (16, 32, 64)


class Identity(nn.Module):
    """Parameter-free shortcut (option A of He et al.): every second pixel, new channels 0."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.extra = channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return x if the stride is 1; else half the side, with `extra` channels of zeros."""
        if self.stride == 1:
            return x
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


class Block(nn.Module):
    """Basic block: relu(shortcut(x) + norm(conv(relu(norm(conv(x))))))."""

    def __init__(self, inner: int, outer: int, norm: Normalisation, shortcut: Shortcut) -> None:
        super().__init__()
        stride = 1 if inner == outer else 2
        self.conv1 = _convolution(inner, outer, 3, stride, norm)
        self.norm1 = norm.after(outer, places=True)
        self.conv2 = _convolution(outer, outer, 3, 1, norm)
        self.norm2 = norm.after(outer, places=True)
        self.shortcut: nn.Module
        if stride == 1 or shortcut == "identity":
            self.shortcut = Identity(outer - inner, stride)
        else:
            self.shortcut = nn.Sequential(
                _convolution(inner, outer, 1, stride, norm), norm.after(outer, places=True)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, inner, side, side) to (b, outer, side, side), or half the side."""
        residual = self.conv2(activated(self.norm1, self.conv1(x)))
        return activated(self.norm2, residual, partial(self.shortcut, x))


class ResNet(Network):
    """The network built by `resnet`.

    Layers are numbered as the papers count them: the first convolution is 1, block k (from 0)
    holds the convolutions 2k+2 and 2k+3, the linear layer is `depth`.
    """

    def __init__(
        self, depth: int, norm: Normalisation, last: nn.Module, shortcut: Shortcut, classes: int
    ) -> None:
        super().__init__()
        each = (depth - 2) // 6
        outer = [width for width in WIDTHS for _ in range(each)]
        inner = [WIDTHS[0], *outer[:-1]]
        self.conv1 = _convolution(3, WIDTHS[0], 3, 1, norm)
        self.norm1 = norm.after(WIDTHS[0], places=True)
        self.blocks = nn.ModuleList(
            Block(a, b, norm, shortcut) for a, b in zip(inner, outer, strict=True)
        )
        self.norm2 = last
        self.linear = nn.Linear(WIDTHS[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, 3, 32, 32) to logits (b, classes)."""
        x = activated(self.norm1, self.conv1(x))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.linear(self.norm2(x).mean(dim=(2, 3)))
        return logits

    def numbered(self) -> Sequence[tuple[nn.Module, nn.Module]]:
        """All layers, each with the module whose output is its activation."""
        pairs: list[tuple[nn.Module, nn.Module]] = [(self.conv1, self.norm1)]
        for block in self.blocks:
            assert isinstance(block, Block)
            pairs += [(block.conv1, block.norm1), (block.conv2, block.norm2)]
        return [*pairs, (self.linear, self.linear)]


def _convolution(inner: int, outer: int, side: int, stride: int, norm: Normalisation) -> nn.Conv2d:
    """Padded convolution, with a bias only if no beta follows."""
    return nn.Conv2d(inner, outer, side, stride, padding=side // 2, bias=not norm.shifts)


def resnet(
    depth: int,
    *,
    generator: torch.Generator,
    norm: Norm = "batch",
    noise: NoiseOf | None = None,
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
        A CPU generator, so that the weights are the same on every device. PyTorch's global
        generator is neither used nor advanced.
    norm, noise
        Normalisation after every convolution, including projections; see `Normalisation`.  If it
        has no beta, every convolution has a bias instead.  In addition ``"last"``: as ``"none"``,
        with one BN at the output of the last block (S3, section 4).
    shortcut
        Where the shape changes: ``"projection"``, a 1x1 convolution (option B of He et al.), or
        ``"identity"``, every second pixel, zeros in the new channels (option A).
    init
        Initialisation of the kernels: ``"xavier"`` (Glorot uniform), ``"kaiming"`` (He normal),
        ``"orthogonal"``, or ``"torch"``, PyTorch's default.  Biases of convolutions are 0, except
        with ``"torch"``.  The linear layer always has PyTorch's default; gamma is 1, beta 0.  The
        kernels do not depend on `norm`.
    classes
        Number of logits.

    See Also
    --------
    bnproof.empirical.networks.table.build : Builds from a description; supports LSUV too.

    Raises
    ------
    ValueError
        If an argument is invalid; the message is one line that says what is allowed.
    """
    whole("depth", depth, 8)
    if depth % 6 != 2:
        raise ValueError(f"depth {depth}: must be 6n + 2, such as 8, 20, 32, 44, 56 or 110")
    one_of("norm", norm, get_args(Norm))
    one_of("shortcut", shortcut, get_args(Shortcut))
    whole("classes", classes, 1)
    after = Normalisation("none" if norm == "last" else norm, noise)
    with torch.random.fork_rng(devices=[]):  # PyTorch's own initialisation, overwritten below
        last = nn.BatchNorm2d(WIDTHS[-1]) if norm == "last" else nn.Identity()
        network = ResNet(depth, after, last, shortcut, classes)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    draw([*((layer, init) for layer in convolutions), (network.linear, "torch")], generator)
    return network
