"""VGG of Simonyan and Zisserman (2015) for 32x32 images: the network of A18's experiments."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Final, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnproof.empirical.networks.convolution import Convolution
from bnproof.empirical.networks.fused import activated
from bnproof.empirical.networks.initialisation import Initialisation, draw
from bnproof.empirical.networks.layered import NONLINEARITIES, Network, Nonlinearity
from bnproof.empirical.networks.norms import NoiseOf, Norm, Normalisation
from bnproof.theory.common.errors import one_of, whole

# By the number of layers: blocks of convolutions after which the side is halved, and their channels
# relative to the first.  These are configurations A and D of Simonyan and Zisserman.
BLOCKS: Final = {
    11: ((1,), (2,), (4, 4), (8, 8), (8, 8)),
    16: ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8)),
}
WIDTH: Final = 64


class VGG(Network):
    """The network built by `vgg`: convolutions, then three linear layers.

    Max pooling after each of the five blocks of convolutions halves the side, from 32 to 1.  Every
    layer except the last is followed by its normalisation and the nonlinearity.
    """

    def __init__(
        self, layers: int, width: int, norm: Normalisation, nonlinearity: Nonlinearity, classes: int
    ) -> None:
        super().__init__()
        blocks = BLOCKS[layers]
        self.convolutions = layers - 3
        self.pooled = set(accumulate(map(len, blocks)))
        outer = [width * multiple for block in blocks for multiple in block]
        inner = [3, *outer[:-1]]
        convolutions = [
            Convolution(a, b, 3, padding=1, bias=not norm.shifts)
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
        activate = NONLINEARITIES[self.nonlinearity]
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=False), 1):
            if number == self.convolutions + 1:
                x = x.flatten(1)
            pool = number in self.pooled
            if self.nonlinearity == "relu":
                x = activated(norm, layer(x), pool=pool)
            else:
                x = norm(layer(x))
                # Every nonlinearity increases.
                x = activate(functional.max_pool2d(x, 2) if pool else x)
        logits: Tensor = self.layers[-1](x)
        return logits

    def numbered(self) -> Sequence[tuple[nn.Module, nn.Module]]:
        """All layers, each with the module whose output is its activation."""
        return list(zip(self.layers, [*self.norms, self.layers[-1]], strict=True))


def vgg(
    *,
    generator: torch.Generator,
    norm: Norm = "batch",
    noise: NoiseOf | None = None,
    nonlinearity: Nonlinearity = "relu",
    init: Initialisation = "xavier",
    gain: float = 1.0,
    layers: int = 11,
    width: int = WIDTH,
    classes: int = 10,
) -> VGG:
    """Build a VGG for 32x32 images, by default VGG-A: 8 convolutions and 3 linear layers.

    A18 names VGG and Glorot initialisation, and shows a layer 13 in its figure 2.  As in its
    published reproductions, the linear layers have 512 units, the number of values left of a 32x32
    image, and are followed by BN too.

    Parameters
    ----------
    generator
        A CPU generator for the weights, which do not depend on `norm`. PyTorch's global generator
        is neither used nor advanced.
    norm, noise
        Normalisation after every layer except the last; see `Normalisation`.  If it has no beta,
        the layers have biases instead; the last layer always has one.
    nonlinearity
        ``"relu"``, ``"tanh"``, ``"sigmoid"`` or ``"none"``.
    init
        Initialisation of all layers: ``"xavier"`` (Glorot uniform), ``"kaiming"`` (He normal, for
        every nonlinearity), ``"orthogonal"``, or ``"torch"``, PyTorch's default.  Biases are 0,
        except with ``"torch"``; gamma is 1, beta 0.
    gain
        Factor of all initial weights, but not of the biases.
    layers
        11, configuration A of Simonyan and Zisserman, or 16, their configuration D with 13
        convolutions.
    width
        Channels of the first convolution; all other layers are proportional, with 8 times as many
        units in the linear layers.
    classes
        Number of logits.

    Raises
    ------
    ValueError
        If an argument is invalid; the message is one line that says what is allowed.
    """
    one_of("nonlinearity", nonlinearity, get_args(Nonlinearity))
    one_of("layers", layers, tuple(BLOCKS))
    whole("width", width, 1)
    whole("classes", classes, 1)
    with torch.random.fork_rng(devices=[]):  # PyTorch's own initialisation, overwritten below
        network = VGG(layers, width, Normalisation(norm, noise), nonlinearity, classes)
    draw([(layer, init) for layer, _ in network.numbered()], generator, gain=gain)
    return network
