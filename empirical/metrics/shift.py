"""Internal covariate shift of the layers of a network under one update (S1, Definition 3.1).

The quantity is `bnproof.theory.training.smoothness.internal_covariate_shift`: the gradient of a
layer's parameters on one batch, before and after the update of the preceding layers.

Other quantities also called internal covariate shift differ from it: the change under the update of
all layers, as S4 may be read ("before and after the updates"); gradients of two training steps,
hence of two batches; and distances compared between networks whose gradients differ in size without
regard to that size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bnproof.empirical.metrics.named import hint
from bnproof.empirical.metrics.objective import Loss, Objective, Parts, Statistics
from bnproof.theory.training import smoothness as definitions
from bnproof.theory.training.smoothness import Shift


@dataclass(frozen=True)
class LayerShift(Shift):
    """`bnproof.theory.training.smoothness.Shift` of one layer, with the size of its gradient.

    The cosine is NaN if one of the two gradients is 0.

    Attributes
    ----------
    length
        ``|G|``, the length of the gradient before the update.
    """

    length: float

    @property
    def relative(self) -> float:
        """``|G - G'|/|G|``, for networks whose gradients differ in size; NaN if G = 0."""
        return self.distance / self.length if self.length else float("nan")


def covariate_shift(
    model: nn.Module,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    after: Sequence[Tensor],
    layers: Sequence[Sequence[str]],
    *,
    statistics: Statistics = "batch",
) -> list[LayerShift]:
    """Distance and cosine of each layer's gradient before and after the earlier layers' update.

    Takes one gradient of the whole network, and for each layer except the first one that
    backpropagates down to that layer.

    Parameters
    ----------
    model, loss, inputs, targets, statistics
        As `bnproof.empirical.metrics.objective.Objective`; the model before the update.
    after
        The model's parameters that require a gradient, after the update, in the order of
        ``model.parameters()``; `sgd_step` returns those after a plain step.
    layers
        Names of the parameters of each layer, first layer first, without overlap.  Parameters not
        named here are not updated.

    Raises
    ------
    ValueError
        As `Objective`; or if the number or shapes of the tensors in `after` are wrong, or a name is
        unknown or listed twice.

    Examples
    --------
    >>> import bnproof, torch
    >>> from torch import nn
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    >>> x, y = torch.randn(16, 4), torch.randint(3, (16,))
    >>> from bnproof.empirical.metrics.shift import sgd_step
    >>> after = sgd_step(net, nn.functional.cross_entropy, x, y, rate=0.1)
    >>> layers = [["0.weight"], ["3.weight"]]
    >>> first, last = bnproof.covariate_shift(
    ...     net, nn.functional.cross_entropy, x, y, after, layers
    ... )
    >>> first.distance, last.distance > 0  # no layer before the first one moves
    (0.0, True)
    """
    objective = Objective(model, loss, inputs, targets, statistics=statistics)
    moved = checked(objective, after)
    place = {name: number for number, name in enumerate(objective.names)}
    _check(layers, place)
    groups = [tuple(place[name] for name in layer) for layer in layers]
    _, usual = objective.gradient(objective.point)

    def split(parameters: Parts) -> list[Parts]:
        return [tuple(parameters[number].detach() for number in group) for group in groups]

    def gradient(parameters: Sequence[Parts], layer: int) -> Tensor:
        group = groups[layer - 1]
        if all(given is own for given, own in zip(parameters, before, strict=True)):
            return _flat([usual[number] for number in group])
        point = [part.detach() for part in objective.point]
        for numbers, parts in zip(groups, parameters, strict=True):
            for number, part in zip(numbers, parts, strict=True):
                point[number] = part
        for number in group:
            point[number] = point[number].clone().requires_grad_()
        with objective.mode(), torch.enable_grad():
            value = objective.value(*point)
            own = [point[number] for number in group]
            return _flat(torch.autograd.grad(value, own, materialize_grads=True))

    before, changed = split(objective.point), split(moved)
    shifts = []
    for number in range(1, len(groups) + 1):
        shift = definitions.internal_covariate_shift(gradient, before, changed, number, _inner)
        length = definitions.length(gradient(before, number), _inner)
        shifts.append(LayerShift(float(shift.distance), float(shift.cosine), float(length)))
    return shifts


def sgd_step(
    model: nn.Module,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    *,
    rate: float,
    statistics: Statistics = "batch",
) -> Parts:
    """The parameters after one step of plain gradient descent; the model is left unchanged.

    The argument `after` of `covariate_shift` and
    `bnproof.empirical.metrics.table.activation_shift`. Arguments and errors are those of
    `bnproof.empirical.metrics.objective.Objective`.
    """
    objective = Objective(model, loss, inputs, targets, statistics=statistics)
    _, gradient = objective.gradient(objective.point)
    return tuple(
        part.detach() - rate * slope for part, slope in zip(objective.point, gradient, strict=True)
    )


def checked(objective: Objective, after: Sequence[Tensor]) -> Parts:
    """Check that the parameters after an update have the shapes of those before, and return them.

    Raises
    ------
    ValueError
        If they do not.
    """
    shapes = [part.shape for part in objective.point]
    if [part.shape for part in after] != shapes:
        raise ValueError(f"after: {len(after)} tensors; give the {len(shapes)} of the parameters")
    return tuple(part.detach() for part in after)


def _inner(u: Tensor, v: Tensor) -> Tensor:
    """``<u,v>`` as a tensor: if both lengths are 0, dividing floats would raise."""
    return torch.dot(u, v)


def _flat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in parts]).double()


def _check(layers: Sequence[Sequence[str]], place: dict[str, int]) -> None:
    named = [name for layer in layers for name in layer]
    for name in named:
        if name not in place:
            raise ValueError(f"layers: no parameter {name!r}; {hint(name, place)}")
        if named.count(name) > 1:
            raise ValueError(f"layers: {name!r} is listed twice")
