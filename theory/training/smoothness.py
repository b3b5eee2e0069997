"""Quantities measured in the sources: smoothness constants, predictiveness, covariate shift.

The functions use only arithmetic and an inner product that is passed in, so they work with
numbers, NumPy arrays and tensors.  ``inner(u, v)`` returns a number, or one number per instance if
arrays hold a batch of instances (except in `lipschitz` and `effective_smoothness`, which take
maxima).  Simulations and experiments call these functions, so that this module must not import
anything that proofs need: the key of a training run covers the code that the run reaches.

Sources: S1, Definitions 3.1 to 3.3; A18, sections 2.2 and 3.1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

Inner = Callable[[Any, Any], Any]


def length(u: Any, inner: Inner) -> Any:
    """``|u| = sqrt(<u,u>)``."""
    return inner(u, u) ** 0.5


def quotient(values: tuple[Any, Any], points: tuple[Any, Any], of: Inner, at: Inner) -> Any:
    """``|f(w1) - f(w2)|/|w1 - w2|``: no Lipschitz constant of f is smaller (S1, Definition 3.2).

    Parameters
    ----------
    values, points
        ``(f(w1), f(w2))`` and ``(w1, w2)``.
    of, at
        Inner product of values and of points.
    """
    return length(values[0] - values[1], of) / length(points[0] - points[1], at)


def lipschitz(values: Sequence[Any], points: Sequence[Any], of: Inner, at: Inner) -> Any:
    """The smallest beta such that f is beta-Lipschitz on the given points (S1, Definition 3.2).

    Raises
    ------
    ValueError
        If there are fewer than two points, or not as many values as points.
    """
    if len(values) != len(points) or len(points) < 2:
        raise ValueError(f"{len(values)} values at {len(points)} points: need two or more of each")
    pairs = combinations(range(len(points)), 2)
    return max(quotient((values[i], values[j]), (points[i], points[j]), of, at) for i, j in pairs)


def smoothness(gradients: Sequence[Any], points: Sequence[Any], inner: Inner) -> Any:
    """The smallest beta such that f is beta-smooth on the given points (S1, Definition 3.3).

    A function is beta-smooth if its gradient is beta-Lipschitz.
    """
    return lipschitz(gradients, points, inner, inner)


def effective_smoothness(gradients: Sequence[Any], points: Sequence[Any], inner: Inner) -> Any:
    """Effective beta along a path (A18, section 3.1): the first point against all others.

    ``max |g(w) - g(w + d)|/|d|`` over the steps d of the path.  It is at most the smoothness on
    the same points, which compares all pairs.

    Raises
    ------
    ValueError
        If there are fewer than two points, or not as many gradients as points.
    """
    if len(gradients) != len(points) or len(points) < 2:
        raise ValueError(f"{len(gradients)} gradients at {len(points)} points: need two or more")
    start = (gradients[0], points[0])
    others = zip(gradients[1:], points[1:], strict=True)
    return max(quotient((start[0], g), (start[1], w), inner, inner) for g, w in others)


def predictiveness(gradients: Sequence[Any], inner: Inner) -> list[Any]:
    """``|g(w) - g(w + d)|`` for each step d of a path (A18, section 3.1); smaller is better."""
    return [length(gradients[0] - gradient, inner) for gradient in gradients[1:]]


def loss_variation(losses: Sequence[Any]) -> tuple[Any, Any]:
    """Smallest and largest loss on a path (A18, section 3.1)."""
    return min(losses), max(losses)


@dataclass(frozen=True)
class Shift:
    """Internal covariate shift of one layer at one step.

    Attributes
    ----------
    distance
        ``|G - G'|`` (S1, Definition 3.1).
    cosine
        ``<G,G'>/(|G||G'|)``, which A18 reports as well; 1 if the directions agree.
    """

    distance: Any
    cosine: Any


def mixed(before: Sequence[Any], after: Sequence[Any], layer: int) -> list[Any]:
    """Parameters of all layers, updated only before `layer` (counted from 1).

    Raises
    ------
    ValueError
        If `layer` does not exist or the numbers of layers differ.
    """
    if len(before) != len(after) or not 1 <= layer <= len(before):
        raise ValueError(f"layer {layer} of {len(before)}, {len(after)} layers after the step")
    return [*after[: layer - 1], *before[layer - 1 :]]


def internal_covariate_shift(
    gradient: Callable[[Sequence[Any], int], Any],
    before: Sequence[Any],
    after: Sequence[Any],
    layer: int,
    inner: Inner,
) -> Shift:
    """Internal covariate shift of a layer (S1, Definition 3.1).

    ``gradient(parameters, layer)`` is the gradient of the loss with respect to the parameters of
    that layer, both times on the batch of this step.  S1 writes ``(x^(k), y^(k))`` for that batch,
    where k is the number of layers: a misprint for t.  S4 speaks of "the gradients of all the
    layers before and after the updates to its previous layers", which is the same for each layer.
    """
    usual = gradient(before, layer)
    shifted = gradient(mixed(before, after, layer), layer)
    cosine = inner(usual, shifted) / (length(usual, inner) * length(shifted, inner))
    return Shift(length(usual - shifted, inner), cosine)
