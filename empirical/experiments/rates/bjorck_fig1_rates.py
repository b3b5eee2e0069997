"""With BN larger rates give higher test accuracy (S3, figure 1)."""

from typing import Any, Final

from bnproof.empirical.experiment import (
    CONTROL,
    SECOND,
    WITH,
    Control,
    Criterion,
    Experiment,
    Fixed,
    Measured,
)
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.figures.style import MIDDLE, SMALL
from bnproof.empirical.protocols.matched_rates import (
    PROVENANCE,
    SETTING,
    SIZES,
    curve,
    curves,
    panels,
    train,
)
from bnproof.empirical.protocols.rates import CHANCE, GUESSING
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Claim, Verdict

GAIN: Final = "gain over BN at rate 0.003"
LOSS: Final = "loss against BN at rate 0.003"
CLEAR: Final = 0.01


def run(trial: Trial) -> Measured:
    """Train the networks of the figure; the control has shuffled labels at the largest rate."""
    rows: dict[str, dict[str, Any]] = {net: dict(row) for net, row in curves(trial).items()}
    shuffled = trial.images.shuffled(trial.seed)
    rows[CONTROL] = dict(curve(train(trial, WITH, data=shuffled)))
    final = "final test accuracy"
    rows[SECOND] = {**rows[WITH], final: 1.0}
    rows[GUESSING] = {**rows[SMALL], final: CHANCE}
    middle = rows[MIDDLE][final]
    return {
        net: {**row, GAIN: row[final] - middle, LOSS: middle - row[final]}
        for net, row in rows.items()
    }


@declared
def draw(m: Medians) -> Plot:
    """Both accuracies through training."""
    final = {net: f"{100 * m[net, 'final test accuracy']:.0f} %" for net in m.series}
    words = f"{final[SMALL]} at 0.0001, {final[MIDDLE]} at 0.003, {final[WITH]} at 0.1"
    return Plot(
        panels=panels(m, "with BN, rate 0.1, shuffled labels"),
        sharey=True,
        title=f"Test accuracy with BN: {words}",
        text=(
            "Training and test accuracy against the share of the training. Final test accuracy "
            f"with BN: {words}; with shuffled labels {final[CONTROL]}; medians over seeds."
        ),
    )


CLAIM = Claim(
    id="bjorck_fig1_rates",
    title="With batch normalisation a larger learning rate gives a higher test accuracy.",
    checks=(
        Experiment(
            run=run,
            criteria=(
                Criterion(
                    WITH,
                    GAIN,
                    "test accuracy with BN at rate 0.1 minus that at 0.003",
                    at_least=CLEAR,
                ),
                Criterion(
                    SMALL,
                    LOSS,
                    "test accuracy with BN at rate 0.003 minus that at 0.0001",
                    at_least=CLEAR,
                ),
            ),
            fixed=Fixed("2026-12-01", "6234dfa0bd9c"),
            controls=(
                Control(
                    "training labels shuffled, with BN at rate 0.1", passes=False, made_of=WITH
                ),
                Control(
                    "a network that is always right, one as trained, and one that guesses",
                    passes=True,
                    made_of=WITH,
                    net=SECOND,
                    also={SMALL: GUESSING},
                ),
            ),
            draw=draw,
            networks=PROVENANCE,
            setting=SETTING,
            sizes=SIZES,
        ),
    ),
    expected=Verdict.UNDECIDED,
    remark=(
        "Protocol as in bjorck_fig1. From the source: 8 and 15 times as many epochs at 0.003 and "
        "0.0001. Our choices: a difference must be at least one point of test accuracy, fixed "
        "before measuring; at quick all rates have equally many updates, so that training at "
        "0.0001 is far from finished."
    ),
)
