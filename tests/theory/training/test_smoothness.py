"""The definitions on functions whose constants are known, with several kinds of arrays."""

from collections.abc import Sequence

import numpy as np
import pytest
import sympy as sp

from bnproof.theory.claims.shift import ics_definition, ics_first_layer
from bnproof.theory.proving.derivation import proves
from bnproof.theory.training import smoothness as definitions

CURVATURES = np.array([3.0, 1.0, 0.25])


def gradient(w: np.ndarray) -> np.ndarray:
    return CURVATURES * w


@pytest.fixture
def points() -> list[np.ndarray]:
    return list(np.random.default_rng(0).normal(size=(12, 3)))


def test_smoothness_of_a_quadratic_is_its_largest_curvature(points: list[np.ndarray]) -> None:
    gradients = [gradient(w) for w in points]
    found = definitions.smoothness(gradients, points, np.dot)
    assert 1 < found <= 3
    top = [np.zeros(3), np.array([0.5, 0.0, 0.0])]
    assert definitions.smoothness([gradient(w) for w in top], top, np.dot) == pytest.approx(3)


def test_effective_smoothness_compares_with_the_first_point_only(points: list[np.ndarray]) -> None:
    gradients = [gradient(w) for w in points]
    effective = definitions.effective_smoothness(gradients, points, np.dot)
    assert effective <= definitions.smoothness(gradients, points, np.dot)
    direct = max(
        np.linalg.norm(gradients[0] - g) / np.linalg.norm(points[0] - w)
        for g, w in zip(gradients[1:], points[1:], strict=True)
    )
    assert effective == pytest.approx(direct, rel=1e-14)


def test_lipschitz_constant_of_plain_numbers() -> None:
    points = [0.0, 1.0, 3.0]
    values = [abs(2 * w - 3) for w in points]
    product = float.__mul__
    assert definitions.lipschitz(values, points, product, product) == 2
    assert definitions.lipschitz([1.0, 1.0], [0.0, 4.0], product, product) == 0


def test_path_measures() -> None:
    assert definitions.loss_variation([3, 1, 2]) == (1, 3)
    found = definitions.predictiveness([1.0, 4.0, -1.0], float.__mul__)
    assert found == [3, 2]


@pytest.mark.parametrize("function", [definitions.smoothness, definitions.effective_smoothness])
def test_too_few_points_are_refused(function: object) -> None:
    for gradients, points in (([1.0], [1.0]), ([1.0, 2.0], [1.0])):
        with pytest.raises(ValueError, match="points: need two or more"):
            function(gradients, points, float.__mul__)  # type: ignore[operator]


def test_only_earlier_layers_are_updated() -> None:
    assert definitions.mixed("abc", "ABC", 1) == ["a", "b", "c"]
    assert definitions.mixed("abc", "ABC", 3) == ["A", "B", "c"]
    for layer in (0, 4):
        with pytest.raises(ValueError, match=f"layer {layer} of 3"):
            definitions.mixed("abc", "ABC", layer)


def test_shift_of_a_deep_linear_chain() -> None:
    """L = (a b c - 1)^2/2 with numbers as layers."""

    def slope(layers: Sequence[sp.Rational], layer: int) -> sp.Expr:
        product = sp.prod(layers)
        return (product - 1) * product / layers[layer - 1]

    before = [sp.Rational(n, 2) for n in (1, 3, 5)]
    after = [w - sp.Rational(1, 10) * slope(before, n) for n, w in enumerate(before, 1)]

    def inner(u: sp.Expr, v: sp.Expr) -> sp.Expr:
        return u * v

    def measure(layer: int) -> definitions.Shift:
        return definitions.internal_covariate_shift(slope, before, after, layer, inner)

    first = measure(1)
    assert (first.distance, first.cosine) == (0, pytest.approx(1))
    a, b, c = before
    A, B, _ = after
    G, moved = (a * b * c - 1) * a * b, (A * B * c - 1) * A * B
    third = measure(3)
    assert third.distance == pytest.approx(abs(G - moved))
    assert third.cosine == pytest.approx(sp.sign(G * moved))


def test_the_claims_prove_what_they_say() -> None:
    for module in (ics_definition, ics_first_layer):
        domain = module.CLAIM.domain
        assert proves(module.prove(), module.CLAIM.relation, domain)
        assert not proves(module.prove(), module.CLAIM.control, domain)
