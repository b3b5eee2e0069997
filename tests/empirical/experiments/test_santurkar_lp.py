"""Norms beside BN on made-up runs: shares of its gain, ratios to its landscape, the control."""

import numpy as np
import pytest

from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT
from bnproof.empirical.experiments.normalisers import santurkar_lp as lp
from bnproof.empirical.protocols.landscapes import QUANTITIES
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.trial import Trained, Trial

FINAL = {"batch": 0.6, "none": 0.2, "l1": 0.5, "l2": 0.6, "linf": 0.7}
FINAL |= {"l1-centred": 0.4, "linf-centred": 0.2}


def made_up(trial: Trial, norm: str, *, seed: int | None = None) -> Trained:
    """Networks without BN are three times as rough, and a tenth more accurate from another seed."""
    rough = 3.0 if norm == "none" else 1.0
    accuracy = FINAL[norm] + (0.1 if seed else 0.0)
    row = {"test accuracy": accuracy, "landscape": dict.fromkeys(QUANTITIES, rough)}
    training_config = TrainingConfig(network={"norm": norm}, steps=3, every=1, rate=0.1)
    return Trained(training_config, "toys", None, [row] * 4, 0.0)


def test_the_control_stands_for_every_printed_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lp, "vgg", made_up)
    found = lp.run(Trial(images=None, seed=0))
    share = "share of BN's gain"
    assert found[lp.PRINTED][share] == pytest.approx([0.75, 1.0, 1.25])
    assert found[lp.CENTRED][share] == pytest.approx([0.5, 0.0])
    assert (found[WITH][share], found[WITHOUT][share]) == (pytest.approx([1]), pytest.approx([0]))
    assert found[CONTROL][share] == pytest.approx([0.25] * 3)
    for quantity in QUANTITIES:
        assert found[lp.PRINTED][lp._name(quantity)] == pytest.approx([1.0] * 3)
        assert found[CONTROL][lp._name(quantity)] == pytest.approx([3.0] * 3)
    assert np.shape(found[CONTROL]["test accuracy"]) == (3, 4)
