"""Internal covariate shift of the layers of a network under one update (S1, Definition 3.1).

What is measured is `theory.definitions.internal_covariate_shift`: the gradient of a layer's
parameters on one batch, before and after the update of the layers before it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from empirical.probes.objective import Loss, Objective, Parts, Statistics, inner
from theory import definitions
from theory.definitions import Shift


def covariate_shift(
    model: nn.Module,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    after: Sequence[Tensor],
    layers: Sequence[Sequence[str]],
    *,
    statistics: Statistics = "batch",
) -> list[Shift]:
    """Distance and cosine of each layer's gradient before and after the earlier layers' update.

    Parameters
    ----------
    model, loss, inputs, targets, statistics
        As `empirical.probes.objective.Objective`; the model is before the update.
    after
        Its parameters that require a gradient, after the update, in the order of
        ``model.parameters()``.
    layers
        Names of the parameters of each layer, first layer first, without overlap.  Parameters that
        are named nowhere stay as they are.

    Raises
    ------
    ValueError
        As `Objective`; or if `after` has another number or other shapes, or a name is unknown or
        stands twice.
    """
    objective = Objective(model, loss, inputs, targets, statistics=statistics)
    place = {name: number for number, name in enumerate(objective.names)}
    _check(objective, after, layers, place)
    groups = [tuple(place[name] for name in layer) for layer in layers]

    def split(parameters: Sequence[Tensor]) -> list[Parts]:
        return [tuple(parameters[number].detach() for number in group) for group in groups]

    def gradient(parameters: Sequence[Parts], layer: int) -> Tensor:
        point = list(objective.point)
        for group, parts in zip(groups, parameters, strict=True):
            for number, part in zip(group, parts, strict=True):
                point[number] = part
        _, parts = objective.gradient(tuple(point))
        return torch.cat([parts[number].flatten() for number in groups[layer - 1]]).double()

    before, moved = split(objective.point), split(after)
    return [
        definitions.internal_covariate_shift(gradient, before, moved, number, inner)
        for number in range(1, len(groups) + 1)
    ]


def _check(
    objective: Objective,
    after: Sequence[Tensor],
    layers: Sequence[Sequence[str]],
    place: dict[str, int],
) -> None:
    shapes = [part.shape for part in objective.point]
    if [part.shape for part in after] != shapes:
        raise ValueError(f"after: {len(after)} tensors; give the {len(shapes)} of the parameters")
    named = [name for layer in layers for name in layer]
    for name in named:
        if name not in place:
            raise ValueError(f"layers: no parameter {name!r}; known: {', '.join(place)}")
        if named.count(name) > 1:
            raise ValueError(f"layers: {name!r} stands twice")
