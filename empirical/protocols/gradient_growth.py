"""How the gradient grows from the last hidden layer of a fully connected network to the second."""

from typing import Any, Final

import numpy as np
import torch
from torch.nn import functional

from bnproof.empirical.experiment import WITH, Criterion
from bnproof.empirical.metrics.table import growth
from bnproof.empirical.networks.dense import dense
from bnproof.empirical.networks.undisturbed import undisturbed
from bnproof.empirical.trial import Trial

SQUARES: Final = "squared gradient over the last"
PER_LAYER: Final = "growth a layer"


def gradient_growth(
    trial: Trial, layers: int, *, dtype: torch.dtype = torch.float32, **options: Any
) -> dict[str, Any]:
    """Measure the squared gradients of the square weights, all but those of the first layer.

    Parameters
    ----------
    layers
        Number of hidden layers.
    dtype
        Precision of the network.
    options
        As `bnproof.empirical.networks.dense.dense`.

    Returns
    -------
    dict
        Squared lengths relative to that of the last layer, from the second layer on, and the
        factor per layer of the exponential fitted to them.
    """
    net = dense(layers, generator=trial.stream("dense"), **options).to(trial.device, dtype)
    weights = [layer.get_parameter("weight") for layer in net.layers]
    with undisturbed(net), torch.enable_grad():
        loss = functional.cross_entropy(net(trial.inputs.to(dtype)), trial.labels)
        gradients = torch.autograd.grad(loss, weights)
    squares = np.array([gradient.double().square().sum().item() for gradient in gradients[1:]])
    return {
        SQUARES: squares / squares[-1],
        PER_LAYER: growth(squares[::-1]).factor ** (1 / (len(squares) - 1)),
    }


def bounded(layers: int, words: str) -> tuple[Criterion, Criterion]:
    """With BN the squared gradient neither grows nor shrinks a hundredfold over the depth.

    That is a factor of ten for its length.
    """
    level = 100.0 ** (1 / (layers - 2))  # per layer, from the last hidden one to the second
    return (
        Criterion(WITH, PER_LAYER, words, at_most=level),
        Criterion(WITH, PER_LAYER, "the same, lower bound", at_least=1 / level),
    )
