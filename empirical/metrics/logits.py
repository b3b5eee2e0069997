"""Gradients of each image's loss with respect to the logits (S3, figure 6)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnproof.empirical.networks.undisturbed import undisturbed


def logit_gradients(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return dL_b/dO_bj for every image b and class j: softmax(O_b) minus the one-hot label.

    `L_b` is the cross-entropy of image b alone, so nothing is divided by the batch size; the
    logits come from the whole batch at batch statistics.

    Returns
    -------
    Tensor
        (b, classes) on the CPU, float64.
    """
    with undisturbed(model), torch.no_grad():
        logits = model(inputs).double()
    gradients: Tensor = logits.softmax(dim=1) - functional.one_hot(labels, logits.shape[1])
    return gradients.cpu()


@dataclass(frozen=True)
class Agreement:
    """How much the rows of a matrix of logit gradients are alike.

    Attributes
    ----------
    top_share
        Share of all positive entries' sum that lies in the column with the most of it.
    cosine
        Mean cosine of two different rows.  It is near 1/2 where every image gets the same wrong
        class with certainty, near 0 where all classes are equally likely.
    """

    top_share: float
    cosine: float


def row_agreement(gradients: Tensor) -> Agreement:
    """Measure a matrix (b, classes) of `logit_gradients`; a row of zeros is at right angles to all.

    An image that is given its true class with certainty has a row of zeros.
    """
    columns = gradients.clamp(min=0).sum(dim=0)
    unit = functional.normalize(gradients, dim=1)
    count = len(unit)
    cosines = (unit.sum(dim=0).square().sum() - unit.square().sum()) / (count * (count - 1))
    return Agreement(top_share=(columns.max() / columns.sum()).item(), cosine=cosines.item())


def most_predicted(gradients: Tensor, labels: Tensor) -> float:
    """Share of the images that the most frequent prediction gets, from `logit_gradients`."""
    probabilities = gradients + functional.one_hot(labels, gradients.shape[1]).to(gradients)
    counts = probabilities.argmax(dim=1).bincount()
    return counts.max().item() / len(labels)


def shuffled_rows(gradients: Tensor, generator: torch.Generator) -> Tensor:
    """Permute the classes of every row independently: a control that keeps each row's values."""
    order = torch.rand(gradients.shape, generator=generator).argsort(dim=1)
    return gradients.gather(1, order.to(gradients.device))
