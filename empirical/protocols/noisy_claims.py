"""The experiment 'noisy BN trains almost as well as BN', on the trial's images or on others."""

from typing import Final

from matplotlib.figure import Figure

from bnproof.empirical.data.load import load
from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT, Criterion, Experiment, Measured
from bnproof.empirical.protocols.noisy import (
    DIGITS,
    GAINED,
    LOST,
    NOISE,
    NOISY,
    NOISY_LAYER,
    SIZES,
    at_the_end,
    noisy,
    panels,
    performance,
)
from bnproof.empirical.protocols.vgg import NETWORKS
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Evidence

CRITERIA: Final = (
    # "Almost no impact", "isn't significant".
    Criterion(
        net=NOISY, quantity=LOST, at_most=0.05, words="accuracy with BN less that with noisy BN"
    ),
    # "Doesn't perform as well as the other two."
    Criterion(
        net=NOISY,
        quantity=GAINED,
        at_least=0.0,
        words="accuracy with noisy BN less that without BN",
    ),
)


def experiment(name: str = "") -> Experiment:
    """The experiment on the trial's images, or on the embedded set of that name."""

    def run(trial: Trial) -> Measured:
        data = load(name) if name else None
        runs = {
            arm: noisy(trial, arm, data=data) for arm in (WITH, WITHOUT, NOISY, NOISY_LAYER, NOISE)
        }
        runs[CONTROL] = runs.pop(NOISE)
        return performance(runs)

    return Experiment(
        run=run,
        criteria=CRITERIA,
        control="the same noise, per unit, without BN",
        made_of=NOISY,
        draw=draw,
        networks=NETWORKS,
        sizes=DIGITS if name else SIZES,
        data=name,
    )


def draw(fig: Figure, evidence: Evidence) -> str:
    """Draw all five networks."""
    labels = {
        WITH: WITH,
        WITHOUT: WITHOUT,
        NOISY: NOISY,
        NOISY_LAYER: NOISY_LAYER,
        CONTROL: "the noise without BN (control)",
    }
    panels(fig, evidence, labels)
    ends = at_the_end(evidence, list(labels), "accuracy at the end")
    fig.suptitle(
        f"Test accuracy {ends[WITH]:.2f} with BN, {ends[NOISY]:.2f} with noisy BN "
        f"({ends[NOISY_LAYER]:.2f} per layer),\n{ends[WITHOUT]:.2f} without BN, "
        f"{ends[CONTROL]:.2f} with the noise alone",
        fontsize="medium",
    )
    losses = at_the_end(evidence, list(labels), "loss at the end")
    words = ", ".join(f"{labels[net]} {ends[net]:.2f} and {losses[net]:.2f}" for net in labels)
    return (
        "Training loss and test accuracy, with statistics and noise as in training, against "
        f"updates; accuracy and loss at the end, medians over seeds: {words}."
    )
