"""Standardised images against NumPy, by hand."""

import numpy as np
import torch

from bnproof.simulate.check import compare
from bnproof.simulate.samplers import features, images
from bnproof.theory.claims.definition import notes_brightness_contrast
from bnproof.theory.claims.sgd import blog_normalised_inputs
from bnproof.theory.training import images as theory
from bnproof.theory.training import least_squares as quadratics


def test_an_image_is_standardised_as_numpy_would() -> None:
    q = images.draw(4, 9, 0, "cpu")
    x = q.image.numpy()
    by_hand = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    assert np.allclose(q.value(theory.standard_k), by_hand, rtol=1e-14)
    moved = q.contrast.numpy()[:, None] * x + q.brightness.numpy()[:, None]
    again = (moved - moved.mean(1, keepdims=True)) / moved.std(1, keepdims=True)
    assert np.allclose(q.value(theory.standard_moved_k), again, rtol=1e-14)


def test_brightness_and_contrast_go_and_the_control_sees_contrast() -> None:
    claim, q = notes_brightness_contrast.CLAIM, images.draw(300, 8, 1, "cpu")
    assert compare(claim.relation, q).excess.max() < 1e-13
    assert compare(claim.control, q).violated.all()


def test_the_ratio_without_scaling_is_that_of_the_covariances() -> None:
    q = features.draw(50, 16, 2, "cpu", correlated=True)
    for data, found in zip(q.data.numpy(), q.value(quadratics.uneven), strict=True):
        low, high = np.linalg.eigvalsh(np.cov(data.T, bias=True))
        assert np.isclose(high / low + low / high, float(found), rtol=1e-9)
    claim = blog_normalised_inputs.CLAIM
    assert compare(claim.relation, q).excess.max() < 1e-13
    assert torch.as_tensor(compare(claim.control, q).violated).all()
