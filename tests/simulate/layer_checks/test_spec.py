"""What a layer is declared to be: its groups, and how its parameters fit them."""

import pytest
import torch

from bnproof.simulate.layer_checks import spec as axes
from bnproof.simulate.layer_checks.spec import NormalizerSpec
from bnproof.simulate.samplers.definitions.normalizers import KINDS

SHAPE = torch.Size((2, 4, 3, 5))


@pytest.mark.parametrize(
    ("axis", "size"),
    [
        (axes.batch(4), 2 * 3 * 5),
        (axes.instance(4), 3 * 5),
        (axes.layer(4, 1), 5),
        (axes.layer(4, 3), 4 * 3 * 5),
        (axes.channels(), 4),
        (axes.group(4, 2), 2 * 3 * 5),
    ],
)
def test_groups_have_their_size(axis: axes.Axis, size: int) -> None:
    assert axis.size(tuple(SHAPE)) == size
    assert axis.fold(torch.zeros(SHAPE)).shape == (SHAPE.numel() // size, size)


@pytest.mark.parametrize(
    ("axis", "own", "spread"),
    [
        (axes.batch(4), (4,), (4, 1, 1)),
        (axes.batch(4), (1,), (1,)),
        (axes.batch(4), (4, 3, 5), (4, 3, 5)),
        (axes.layer(4, 1), (5,), (5,)),
        (axes.layer(4, 2), (3, 5), (3, 5)),
        (axes.layer(4, 1), (1, 1, 3, 1), (1, 1, 3, 1)),
    ],
)
def test_a_parameter_that_fits_is_brought_into_form(
    axis: axes.Axis, own: tuple[int, ...], spread: tuple[int, ...]
) -> None:
    assert axis.spread(torch.ones(own), SHAPE).shape == spread


@pytest.mark.parametrize(
    ("axis", "own"),
    [
        (axes.batch(4), (3,)),
        (axes.layer(4, 1), (4,)),
        (axes.layer(4, 2), (5, 3)),
        (axes.batch(4), (1, 1, 1, 1, 1)),
        (axes.batch(4), (2, 2, 4, 3, 5)),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(axis: axes.Axis, own: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="does not fit") as caught:
        axis.spread(torch.ones(own), SHAPE)
    assert str(own) in str(caught.value)


def test_the_words_of_a_layer() -> None:
    kind = KINDS["RMSNorm"]
    spec = NormalizerSpec(
        "RMSNorm", kind, axes.layer(2, 1), None, offset=1.0, determined="as named"
    )
    assert str(spec) == (
        "RMSNorm (one sample over its last axis, eps the machine epsilon, gamma = 1 + its "
        "parameter), as named"
    )
    assert spec.constant(torch.float32) == torch.finfo(torch.float32).eps
    assert NormalizerSpec("RMSNorm", kind, axes.channels(), 0.25).constant(torch.float32) == 0.25
    bare = NormalizerSpec("l_1 BatchNorm", KINDS["l_1 BatchNorm"], axes.batch(2), 0.25)
    assert bare.constant(torch.float64) == 0.0
    assert str(bare) == "l_1 BatchNorm (one channel over the batch), by its type"
