"""Fully connected networks of many equal layers, including the deep linear network."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, get_args

import torch
from torch import Tensor, nn

from bnproof.empirical.networks.initialisation import Initialisation, draw
from bnproof.empirical.networks.layered import NONLINEARITIES, Network, Nonlinearity
from bnproof.empirical.networks.norms import NoiseOf, Norm, Normalisation
from bnproof.theory.common.errors import one_of, whole

WIDTH: Final = 256


class Dense(Network):
    """The network built by `dense` and `linear`: hidden layers and a final linear one."""

    def __init__(
        self,
        widths: Sequence[int],
        norm: Normalisation,
        nonlinearity: Nonlinearity,
        *,
        shortcuts: bool,
        biases: bool,
    ) -> None:
        super().__init__()
        *hidden, last = pairwise(widths)
        bias = biases and not norm.shifts
        self.layers = nn.ModuleList(nn.Linear(a, b, bias=bias) for a, b in hidden)
        self.norms = nn.ModuleList(norm.after(b) for _, b in hidden)
        self.linear = nn.Linear(*last, bias=biases)
        self.nonlinearity, self.shortcuts = nonlinearity, shortcuts

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, ...), flattened to the input width of the first layer, to (b, outputs)."""
        activate = NONLINEARITIES[self.nonlinearity]
        x = x.flatten(1)
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            out = activate(norm(layer(x)))
            x = x + out if self.shortcuts and number else out
        outputs: Tensor = self.linear(x)
        return outputs

    def numbered(self) -> Sequence[tuple[nn.Module, nn.Module]]:
        """All layers, each with the module whose output is its activation."""
        pairs = list(zip(self.layers, self.norms, strict=True))
        return [*pairs, (self.linear, self.linear)]


def dense(
    hidden: int,
    *,
    generator: torch.Generator,
    norm: Norm = "batch",
    noise: NoiseOf | None = None,
    nonlinearity: Nonlinearity = "relu",
    shortcuts: bool = False,
    init: Initialisation = "kaiming",
    gain: float = 1.0,
    width: int = WIDTH,
    pixels: int = 3 * 32 * 32,
    classes: int = 10,
) -> Dense:
    """Build a network from images to logits through layers ``relu(norm(Wx))``.

    All W except the first are square.  Without normalisation and with He initialisation, the
    default, the expected squared gradient is the same in every layer.

    Parameters
    ----------
    hidden
        Number of hidden layers, at least 2; the final linear layer is not counted.
    generator
        A CPU generator for the weights, which depend only on it, `init`, the widths and `gain`.
        PyTorch's global generator is neither used nor advanced.
    norm, noise
        Normalisation after every hidden layer; see `Normalisation`.  If it has no beta, the layers
        have biases instead; the last layer always has one.
    nonlinearity
        ``"relu"``, ``"tanh"``, ``"sigmoid"`` or ``"none"``.
    shortcuts
        Whether every hidden layer except the first adds its input to its output.
    init, gain
        As for `bnproof.empirical.networks.vgg.vgg`.
    width, pixels, classes
        Units of a hidden layer, entries of an image, logits.

    Raises
    ------
    ValueError
        If an argument is invalid; the message is one line that says what is allowed.
    """
    whole("hidden", hidden, 2)
    for name, value in (("width", width), ("pixels", pixels), ("classes", classes)):
        whole(name, value, 1)
    one_of("nonlinearity", nonlinearity, get_args(Nonlinearity))
    one_of("shortcuts", shortcuts, (True, False))
    widths = [pixels, *[width] * hidden, classes]
    with torch.random.fork_rng(devices=[]):  # PyTorch's own initialisation, overwritten below
        network = Dense(
            widths, Normalisation(norm, noise), nonlinearity, shortcuts=shortcuts, biases=True
        )
    draw([(layer, init) for layer, _ in network.numbered()], generator, gain=gain)
    return network


def linear(
    depth: int = 25,
    *,
    generator: torch.Generator,
    norm: Norm = "batch",
    noise: NoiseOf | None = None,
    init: Initialisation = "xavier",
    gain: float = 1.0,
    size: int = 10,
    width: int = 10,
) -> Dense:
    """Build the deep linear network of A18: ``x -> W_depth ... W_1 x`` in R^size, no biases.

    A18 learns ``Ax`` with a Gaussian 10 by 10 matrix A and 25 layers (section 2.2 and appendix A);
    the width of the hidden layers is our choice.  With normalisation, which follows every layer
    except the last and has gamma and beta, the network is no longer linear.

    Parameters
    ----------
    depth
        Number of layers, at least 2.
    generator
        As for `dense`.
    norm, noise
        Normalisation after every layer except the last; see `Normalisation`.
    init, gain
        As for `bnproof.empirical.networks.vgg.vgg`; A18 uses Glorot's.
    size, width
        Dimension of the input and the output, and of the hidden layers.

    Raises
    ------
    ValueError
        If an argument is invalid; the message is one line that says what is allowed.
    """
    whole("depth", depth, 2)
    for name, value in (("size", size), ("width", width)):
        whole(name, value, 1)
    widths = [size, *[width] * (depth - 1), size]
    with torch.random.fork_rng(devices=[]):  # PyTorch's own initialisation, overwritten below
        network = Dense(widths, Normalisation(norm, noise), "none", shortcuts=False, biases=False)
    draw([(layer, init) for layer, _ in network.numbered()], generator, gain=gain)
    return network
