"""A layer at one random input, as every part of the checks gets it."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

from bnproof.simulate.layer_checks import spec as axes
from bnproof.simulate.layer_checks.case import LayerCase
from bnproof.simulate.layer_checks.identify import draw, draw_state
from bnproof.simulate.layer_checks.module import ModuleUnderTest
from bnproof.simulate.layer_checks.spec import NormalizerSpec
from bnproof.simulate.relation import TOLERANCE
from bnproof.simulate.samplers.definitions.normalizers import KINDS

TrialOf = Callable[..., LayerCase]


def _trial(
    layer: Callable[[NormalizerSpec], nn.Module],
    kind: str = "BatchNorm, eps inside",
    eps: float = 1e-5,
    shape: tuple[int, ...] = (8, 3),
) -> LayerCase:
    """A layer made from its definition; gamma and beta, if any, are `weight` and `bias`."""
    spec = NormalizerSpec(kind, KINDS[kind], axes.batch(len(shape)), eps)
    tested = ModuleUnderTest(layer(spec), "cpu", torch.float64, training=True)
    gain, bias = (name if name in tested.parameters else None for name in ("weight", "bias"))
    spec = NormalizerSpec(kind, KINDS[kind], axes.batch(len(shape)), eps, gain, bias)
    state = draw_state(tested, 0)
    return LayerCase(tested, spec, draw(shape, 0, "cpu"), state, TOLERANCE[torch.float64])


@pytest.fixture
def trial_of() -> Iterator[TrialOf]:
    with torch.random.fork_rng(devices=[]):
        yield _trial
