"""TEMPLATE: copy to empirical/experiments/SUBJECT/ID.py, set `id` to ID, and replace what is here.

The example measures, at initialisation, how much of the positive gradient one class receives.
"""

import torch

from bnproof.empirical.experiment import (
    CONTROL,
    SECOND,
    WITH,
    WITHOUT,
    Control,
    Criterion,
    Experiment,
    Measured,
)
from bnproof.empirical.figures.panels import SeedMarks
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.metrics.table import logit_gradients, row_agreement, shuffled_rows
from bnproof.empirical.setting import Setting
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Claim, Verdict
from bnproof.theory.sources import Source

SHARE = "top share"


def run(trial: Trial) -> Measured:
    """Measure one seed: for each network, the controls included, quantities by name."""
    gradients = {
        WITH: logit_gradients(trial.network("batch"), trial.inputs, trial.labels),
        WITHOUT: logit_gradients(trial.network("none"), trial.inputs, trial.labels),
    }
    # Controls, chosen before measuring and whatever the answer will be.  In a negative one the
    # effect is destroyed and nothing else is changed; a positive one has it by construction.
    gradients[CONTROL] = shuffled_rows(gradients[WITHOUT], trial.stream("rows"))
    gradients[SECOND] = torch.eye(gradients[WITHOUT].shape[1])[:1].expand_as(gradients[WITHOUT])
    return {net: {SHARE: row_agreement(rows).top_share} for net, rows in gradients.items()}


@declared
def draw(m: Medians) -> Plot:
    """Declare the figure; `m` has medians over seeds, and ``m.series`` the measurements."""
    share = {net: f"{m[net, SHARE]:.0%}" for net in (WITH, WITHOUT, CONTROL)}
    return Plot(
        panels=[
            SeedMarks(
                y=SHARE, names={net: net for net in share}, ylabel="share of positive gradient"
            )
        ],
        title=f"What the figure shows, as a sentence: {share[WITHOUT]}",
        text=f"A mark for each seed: {', '.join(f'{net} {x}' for net, x in share.items())}.",
    )


CLAIM = Claim(
    id="TEMPLATE",
    title="One plain sentence that says what is stated.",
    sources=(Source("derived", "template of an experiment"),),
    checks=(
        Experiment(
            run=run,
            # Thresholds on medians over seeds, fixed before anything is measured; at five seeds
            # or more a criterion can be decided with a confidence of 95 %.
            criteria=(Criterion(WITHOUT, SHARE, "share without BN", at_least=0.8),),
            controls=(
                Control(
                    "without BN, the classes of every row permuted independently", passes=False
                ),
                Control("every row 1 at the same class", passes=True, net=SECOND),
            ),
            draw=draw,
            # The source's own setting, and what differs from it; see `Setting`.
            setting=Setting(deviations=("the source describes no experiment",)),
        ),
    ),
    expected=Verdict.REPRODUCED,
    remark="From the source: which parts of the protocol. Our choices: the others.",
)
