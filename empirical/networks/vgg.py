"""VGG-A of Simonyan and Zisserman (2015) for 32x32 images: the network of A18's experiments."""

from collections.abc import Sequence
from typing import Final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnproof.empirical.networks.initialisation import Initialisation, draw
from bnproof.empirical.networks.layered import NONLINEARITIES, Network, Nonlinearity
from bnproof.empirical.networks.norms import NoiseOf, Norm, Normalisation
from bnproof.theory.common.errors import one_of, whole

MULTIPLES: Final = (1, 2, 4, 4, 8, 8, 8, 8)  # channels of the convolutions, over the first one's
POOLED: Final = (1, 2, 4, 6, 8)  # convolutions after which the side is halved
WIDTH: Final = 64


class VGG(Network):
    """The network that `vgg` builds: layers 1 to 8 are convolutions, 9 to 11 linear.

    Pooling to halves takes the largest of four after layers 1, 2, 4, 6 and 8, from a side of 32
    to 1.  Every layer but the last is followed by its normalisation and the nonlinearity.
    """

    def __init__(
        self, width: int, norm: Normalisation, nonlinearity: Nonlinearity, classes: int
    ) -> None:
        super().__init__()
        outer = [width * multiple for multiple in MULTIPLES]
        inner = [3, *outer[:-1]]
        convolutions = [
            nn.Conv2d(a, b, 3, padding=1, bias=not norm.shifts)
            for a, b in zip(inner, outer, strict=True)
        ]
        units = outer[-1]
        linear = [nn.Linear(units, units, bias=not norm.shifts) for _ in range(2)]
        self.layers = nn.ModuleList([*convolutions, *linear, nn.Linear(units, classes)])
        self.norms = nn.ModuleList(
            [
                *(norm.after(count, places=True) for count in outer),
                *(norm.after(units) for _ in linear),
            ]
        )
        self.nonlinearity = nonlinearity

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, 3, 32, 32) to logits (b, classes)."""
        bend = NONLINEARITIES[self.nonlinearity]
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=False), 1):
            if number == len(MULTIPLES) + 1:
                x = x.flatten(1)
            x = bend(norm(layer(x)))
            if number in POOLED:
                x = functional.max_pool2d(x, 2)
        logits: Tensor = self.layers[-1](x)
        return logits

    def numbered(self) -> Sequence[tuple[nn.Module, nn.Module]]:
        """Every layer, with the module whose output is its activation."""
        return list(zip(self.layers, [*self.norms, self.layers[-1]], strict=True))


def vgg(
    *,
    generator: torch.Generator,
    norm: Norm = "batch",
    noise: NoiseOf | None = None,
    nonlinearity: Nonlinearity = "relu",
    init: Initialisation = "xavier",
    gain: float = 1.0,
    width: int = WIDTH,
    classes: int = 10,
) -> VGG:
    """Build VGG-A for 32x32 images: 8 convolutions and 3 linear layers.

    A18 names VGG and Glorot's initialisation.  That a 32x32 image leaves 512 numbers to linear
    layers of 512 units, and that BN follows these too, is what its published reproductions share.

    Parameters
    ----------
    generator
        A CPU generator that the weights are drawn from; they are the same for every `norm`.
        PyTorch's global generator is neither used nor moved.
    norm, noise
        After every layer but the last; see `Normalisation`.  Where it has no beta, the layers have
        biases, which do the same; the last layer always has one.
    nonlinearity
        ``"relu"``, ``"tanh"``, ``"sigmoid"`` or ``"none"``.
    init
        Law of the weights of every layer: ``"xavier"`` (Glorot uniform), ``"kaiming"`` (He normal,
        whatever the nonlinearity), ``"orthogonal"``, or ``"torch"``, PyTorch's default.  Biases
        are 0, except under ``"torch"``; gamma is 1, beta 0.
    gain
        What all initial weights (not the biases) are multiplied by.
    width
        Channels of the first convolution; all others are in proportion, the linear layers have
        8 times as many units.
    classes
        Number of logits.

    Raises
    ------
    ValueError
        If an argument is none of the above; the message is one line with what is allowed.
    """
    one_of("nonlinearity", nonlinearity, get_args(Nonlinearity))
    whole("width", width, 1)
    whole("classes", classes, 1)
    with torch.random.fork_rng(devices=[]):  # PyTorch's own initialisation, overwritten below
        network = VGG(width, Normalisation(norm, noise), nonlinearity, classes)
    draw([(layer, init) for layer, _ in network.numbered()], generator, gain=gain)
    return network
