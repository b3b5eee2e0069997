"""One BN at either end: where it stands, and how what it gains is counted."""

import pytest
from torch import nn

from bnproof.empirical.data.load import load
from bnproof.empirical.experiments.initialisation.bjorck_last_bn_init import (
    _first_only,
    _gains,
    _surplus,
)
from bnproof.empirical.trial import Trial


def test_the_control_has_one_bn_after_the_first_convolution():
    trial = Trial(images=load("photos"), seed=0, depth=8)
    for net, name in ((_first_only(trial), "norm1"), (trial.network("last"), "norm2")):
        found = [name for name, module in net.named_modules() if isinstance(module, nn.BatchNorm2d)]
        assert found == [name]
        assert net(trial.inputs).shape == (16, 10)


def test_two_thirds_of_the_decades_of_bn_are_no_surplus():
    without = {"scale": 10.0, "reach": 1e-4}
    whole = _gains({"scale": 0.01, "reach": 0.1}, without)
    assert list(whole.values()) == pytest.approx([1000, 1000])
    two_thirds = _gains({"scale": 0.1, "reach": 0.01}, without)
    assert list(_surplus(two_thirds, whole).values()) == pytest.approx([0, 0])
    assert list(_surplus(whole, whole).values()) == pytest.approx([1, 1])
    nothing = _gains(without, without)
    assert list(_surplus(nothing, whole).values()) == pytest.approx([-2, -2])


def test_where_bn_gains_nothing_any_gain_is_a_surplus():
    without = {"scale": 1.0, "reach": 1e-3}
    whole = _gains({"scale": 1.0, "reach": 1e-5}, without)
    last = _gains({"scale": 0.1, "reach": 1e-2}, without)
    assert list(_surplus(last, whole).values()) == pytest.approx([1, 1 + 4 / 3])
