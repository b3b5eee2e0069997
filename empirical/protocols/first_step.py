"""The first step along the gradient, in the networks of figure 3 and section 4 of S3.

Measures the loss of one batch at step sizes from 1e-5 to 1, and how far it falls.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch.nn import functional

from bnproof.empirical.metrics.objective import flatten, inner
from bnproof.empirical.metrics.reach import reach
from bnproof.empirical.networks.table import Norm, ResNet
from bnproof.empirical.training.run_folder import State
from bnproof.empirical.trial import Trial
from bnproof.theory.common.code import code_hash
from bnproof.theory.training import smoothness

SPAN: Final = (1e-5, 1.0)  # range of step sizes around the printed ones
ROUNDING: Final = (
    1e-5  # relative, of a loss in float32 after 110 layers; small steps change it less
)
CEILING: Final = 1e30  # replaces larger and non-finite losses, and ends the path
FINER: Final = 2  # times the steps of the size: at quick, a reach is known to a factor of 10^(1/8)
LAYER: Final = 55  # figure 2's


def first_step(trial: Trial, norm: Norm) -> Mapping[str, Any]:
    """The result of `measured` for a network of the trial, shared by all experiments."""
    code = code_hash(__name__, within="bnproof")
    return trial.shared(
        f"first step, norm {norm}",
        {"norm": norm, "steps": trial.steps, "code": code},
        lambda: measured(trial, trial.network(norm), whole=True),
    )


def measured(trial: Trial, net: ResNet, *, whole: bool) -> State:
    """Walk along the gradient of the trial's batch.

    Parameters
    ----------
    whole
        Whether to continue where the loss rises, up to `CEILING`.

    Returns
    -------
    dict
        ``"loss"`` and ``"length"`` of the gradient at the start; ``"losses"`` along the path,
        filled up with `CEILING`; ``"reach"``, the largest step size that lowers the loss;
        ``"scale"``, the root mean square of the gradient at `LAYER`.
    """
    walk = reach(
        net,
        functional.cross_entropy,
        trial.inputs,
        trial.labels,
        span=SPAN,
        steps=trial.steps,
        finer=FINER * trial.steps,
        rounding=ROUNDING,
        ceiling=CEILING if whole else None,
    )
    kernel = net.layer(LAYER).get_parameter("weight")
    gradient = next(walk.gradient[name] for name, p in net.named_parameters() if p is kernel)
    losses = [loss if loss < CEILING else CEILING for loss in walk.losses]
    beyond = len(step_sizes(trial)) - len(losses)
    return {
        "loss": walk.loss,
        "length": smoothness.length(flatten(tuple(walk.gradient.values())).double(), inner),
        "losses": losses + [CEILING] * beyond,
        "reach": walk.step,
        "scale": gradient.double().square().mean().sqrt().item(),
    }


def step_sizes(trial: Trial) -> NDArray[np.float64]:
    """The step sizes of the path, equally spaced in the logarithm."""
    first, last = (round(math.log10(end)) for end in SPAN)
    return np.logspace(first, last, (last - first) * trial.steps + 1)
