"""Layer-sequential unit variance (LSUV) of Mishkin and Matas (2016), arXiv:1511.06422."""

import math
from typing import Final

import torch
from torch import Tensor, nn

from bnproof.empirical.networks.undisturbed import undisturbed

SEED: Final = 0  # of random layers


def scale_layers(model: nn.Module, inputs: Tensor) -> None:
    """Scale every convolution and linear layer so that its output on `inputs` has variance 1.

    Layers are scaled in order, each for the outputs of the scaled layers before it; the variance is
    that of all entries of the output.  With orthogonal weights this is the initialisation of
    Mishkin and Matas (``init="lsuv"`` of `bnproof.empirical.networks.table.build`).  Their
    iteration to a tolerance takes a single step here: biases are set to 0, which makes a layer's
    output proportional to its weights.  It takes one forward pass with batch statistics; random
    layers use a fixed seed.  Running statistics and random state do not change.

    Parameters
    ----------
    model
        Any network.
    inputs
        One batch as in training: standardised and of the usual size, with at least 2 samples if
        there are batch statistics.  The variance is exactly 1 only on this batch.

    Raises
    ------
    ValueError
        If the output of a layer is constant, so that it cannot be scaled to variance 1.
    """

    def scale(layer: nn.Conv2d | nn.Linear, _given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if layer.bias is not None:
            shape = (-1,) + (1,) * (output.dim() - 2)
            output = output - layer.bias.view(shape)
            layer.bias.zero_()
        deviation = output.double().std(correction=0).item()
        if not 0 < deviation < math.inf:
            raise ValueError(
                f"a layer's output has standard deviation {deviation}; it must be positive, finite"
            )
        layer.weight.div_(deviation)
        return output / deviation

    handles = [
        module.register_forward_hook(scale)
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    try:
        with undisturbed(model), torch.no_grad():
            torch.manual_seed(SEED)
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
