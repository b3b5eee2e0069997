"""The experiment 'noisy BN trains almost as well as BN', on the trial's images or on other data."""

from typing import Final

from bnproof.empirical.data.load import load
from bnproof.empirical.experiment import (
    CONTROL,
    WITH,
    WITHOUT,
    Control,
    Criterion,
    Experiment,
    Fixed,
    Measured,
)
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.protocols.noisy import (
    DIGITS,
    GAINED,
    LOST,
    NOISE,
    NOISY,
    NOISY_LAYER,
    SIZES,
    noisy,
    panels,
    performance,
)
from bnproof.empirical.protocols.vgg import NETWORKS, SETTING, VARIANTS
from bnproof.empirical.trial import Trial

CRITERIA: Final = (
    # "Almost no impact", "isn't significant".
    Criterion(NOISY, LOST, "accuracy with BN minus that with noisy BN", at_most=0.05),
    # "Doesn't perform as well as the other two."
    Criterion(NOISY, GAINED, "accuracy with noisy BN minus that without BN", at_least=0.0),
)


@declared
def draw(m: Medians) -> Plot:
    """All five networks."""
    labels = {
        WITH: WITH,
        WITHOUT: WITHOUT,
        NOISY: NOISY,
        NOISY_LAYER: NOISY_LAYER,
        CONTROL: "the noise without BN (control)",
    }
    end = {net: f"{m[net, 'accuracy at the end']:.2f}" for net in labels}
    words = ", ".join(
        f"{label} {end[net]} and {m[net, 'loss at the end']:.2f}" for net, label in labels.items()
    )
    return Plot(
        panels=panels(m, labels),
        title=(
            f"Test accuracy {end[WITH]} with BN, {end[NOISY]} with noisy BN ({end[NOISY_LAYER]} "
            "per layer),\n"
            f"{end[WITHOUT]} without BN, {end[CONTROL]} with the noise alone"
        ),
        text=(
            "Training loss and test accuracy, with statistics and noise as in training, against "
            f"updates; accuracy and loss at the end, medians over seeds: {words}."
        ),
    )


def experiment(name: str = "") -> Experiment:
    """The experiment on the trial's images, or on the embedded data set with this name."""

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
        fixed=Fixed("2026-12-01", "94d1055467bb"),
        controls=(
            Control("the same noise without BN", passes=False, made_of=NOISY),
            Control("BN without noise", passes=True, made_of=NOISY, net=WITH),
        ),
        draw=draw,
        networks=NETWORKS,
        setting=SETTING,
        variants=VARIANTS,
        sizes=DIGITS if name else SIZES,
        data=name,
    )
