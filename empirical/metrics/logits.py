"""Gradients of each image's loss with respect to the logits (S3, figure 6)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnproof.empirical.networks.undisturbed import undisturbed


def logit_gradients(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return dL_b/dO_bj for every image b and class j: softmax(O_b) minus the one-hot label.

    `L_b` is the cross-entropy of image b alone, so there is no division by the batch size; the
    logits are those of the whole batch at batch statistics.

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
    """Similarity of the rows of a matrix of logit gradients.

    Attributes
    ----------
    top_share
        Share of the sum of all positive entries that the column with the largest share holds.
    cosine
        Mean cosine of two different rows: about 1/2 if all images get the same wrong class with
        certainty, about 0 if all classes are equally likely.
    """

    top_share: float
    cosine: float


def row_agreement(gradients: Tensor) -> Agreement:
    """Measure a matrix (b, classes) of `logit_gradients`.

    An image classified correctly with certainty has a row of zeros, whose cosines count as 0.
    """
    columns = gradients.clamp(min=0).sum(dim=0)
    unit = functional.normalize(gradients, dim=1)
    count = len(unit)
    cosines = (unit.sum(dim=0).square().sum() - unit.square().sum()) / (count * (count - 1))
    return Agreement(top_share=(columns.max() / columns.sum()).item(), cosine=cosines.item())


def most_predicted(gradients: Tensor, labels: Tensor) -> float:
    """Share of images with the most frequent prediction, computed from `logit_gradients`."""
    probabilities = gradients + functional.one_hot(labels, gradients.shape[1]).to(gradients)
    counts = probabilities.argmax(dim=1).bincount()
    return counts.max().item() / len(labels)


def shuffled_rows(gradients: Tensor, generator: torch.Generator) -> Tensor:
    """Permute the classes of each row independently: a control that keeps the row's values."""
    order = torch.rand(gradients.shape, generator=generator).argsort(dim=1)
    return gradients.gather(1, order.to(gradients.device))
