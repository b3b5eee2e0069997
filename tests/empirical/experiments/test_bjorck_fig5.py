"""What is asked of the growth of moments: with BN at most half the decades of the other network."""

import pytest

from bnproof.empirical.experiment import WITH, WITHOUT, experiment_of
from bnproof.empirical.experiments.initialisation.bjorck_fig5 import CLAIM, MOMENTS


@pytest.mark.parametrize("name", MOMENTS)
def test_relatively_constant_is_half_the_decades_on_a_logarithmic_axis(name):
    asked = {
        criterion.net: criterion
        for criterion in experiment_of(CLAIM).criteria
        if criterion.quantity == f"growth of the {name}"
    }
    assert asked[WITH].at_most ** 2 == pytest.approx(asked[WITHOUT].at_least)
    assert asked[WITH].at_least is asked[WITHOUT].at_most is None
