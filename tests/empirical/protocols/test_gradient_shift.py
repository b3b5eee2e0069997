"""Covariate shift with and without BN: the control replaces the network with BN."""

import numpy as np
import pytest

from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT, judge
from bnproof.empirical.protocols.gradient_shift import LESS, RATIO, experiment
from bnproof.empirical.setting import Setting
from bnproof.empirical.trial import SIZES


def test_the_control_is_made_of_the_network_with_bn() -> None:
    """A step a thousand times as short hardly shifts anything, and so fails what BN passes."""
    spec = experiment(lambda trial, norm: None, {}, SIZES, Setting())
    rows = {WITH: (3.0, -0.2), WITHOUT: (1.0, 0.0), CONTROL: (0.001, 0.6)}
    series = {
        net: {RATIO: np.array([ratio]), LESS: np.array([less])}
        for net, (ratio, less) in rows.items()
    }
    found = judge(spec, series, where="toys")
    assert (found.holds, found.control_differs) == (True, True)
    control, _ = found.numbers["controls"]
    assert [row["value"] for row in control["criteria"]] == pytest.approx([0.001, 0.6])
