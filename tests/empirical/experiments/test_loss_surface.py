"""Which seed's picture of the loss is shown."""

import numpy as np
import pytest

from bnproof.empirical.experiment import WITHOUT
from bnproof.empirical.experiments.landscape.loss_surface import typical
from bnproof.theory.claim import Evidence, Kind


@pytest.mark.parametrize(
    ("slopes", "seed"),
    [
        ([1.0, 30.0, 2.0], 2),
        ([[2.0, 100.0], [3.0, 100.0], [9.0, 100.0]], 1),  # of several planes the first decides
    ],
)
def test_the_seed_shown_is_that_of_the_median_slope_without_bn(slopes, seed):
    series = {WITHOUT: {"slope": np.array(slopes)}}
    evidence = Evidence(Kind.EXPERIMENT, True, True, "Found.", series=series)
    assert typical(evidence) == seed
