"""Rate times sharpness over made-up runs: which of them count."""

import pytest

from bnproof.empirical.experiments.landscape import edge_of_stability as edge
from bnproof.empirical.protocols.vgg import LEARNS
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.trial import Trained


def run(eigenvalue: float, *, accuracy: float) -> Trained:
    row = {
        "test accuracy": accuracy,
        "sharpness": {"eigenvalue": eigenvalue, "along": 1.0},
        "landscape": {"beta": 1.0},
    }
    training_config = TrainingConfig(network={"family": "vgg"}, steps=2, every=1, rate=0.5)
    return Trained(training_config, "toys", None, [row] * 3, 0.0)


@pytest.mark.parametrize(("accuracy", "learn", "smallest"), [(LEARNS, 1, 10.0), (0.1, 0, 2.0)])
def test_runs_that_learn_count_and_all_if_none_does(
    accuracy: float, learn: int, smallest: float
) -> None:
    runs = [run(4.0, accuracy=0.1), run(20.0, accuracy=accuracy)]
    found = edge._summary(runs, edge._late)
    assert found["runs that learn"] == learn
    assert found[f"smallest {edge.SHARP}"] == pytest.approx(smallest)
    assert found[f"largest {edge.SHARP}"] == pytest.approx(10.0)
