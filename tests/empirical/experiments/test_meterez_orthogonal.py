"""The growth of gradients through linear layers, against the gradients themselves."""

import numpy as np
import pytest
from torch.nn import functional

from bnproof.empirical.data.load import load
from bnproof.empirical.experiment import CONTROL
from bnproof.empirical.experiments.initialisation import meterez_orthogonal
from bnproof.empirical.networks.dense import dense
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Scale

SIZE = meterez_orthogonal.SIZES[Scale.SMOKE]


def test_the_growth_is_that_of_a_line_through_every_square_layer():
    trial = Trial(images=load("photos"), seed=0, size=SIZE)
    found = meterez_orthogonal.run(trial)[CONTROL]
    options = {"width": SIZE.batch - 1, "init": "kaiming", "nonlinearity": "none"}
    net = dense(200, generator=trial.stream("dense"), **options).double()
    functional.cross_entropy(net(trial.inputs.double()), trial.labels).backward()
    squares = [layer.weight.grad.square().sum().item() for layer in net.layers][1:]
    slope = np.polyfit(np.arange(len(squares)), np.log(squares[::-1]), 1)[0]
    assert found["growth a layer"] == pytest.approx(np.exp(slope), rel=1e-9)
    shown = found["squared gradient over the last"]
    assert shown[-1] == 1
    assert shown[0] == pytest.approx(squares[0] / squares[-1])
