"""TEMPLATE: copy to empirical/experiments/SUBJECT/ID.py, set `id` to ID, and replace what is here.

The example measures, at initialisation, how much of the positive gradient one class receives.
"""

import numpy as np
from matplotlib.figure import Figure

from bnproof.empirical.experiment import (
    CONTROL,
    WITH,
    WITHOUT,
    Criterion,
    Experiment,
    Measured,
)
from bnproof.empirical.metrics.table import logit_gradients, row_agreement, shuffled_rows
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Claim, Evidence, Verdict
from bnproof.theory.sources import Source

SHARE = "top share"


def run(trial: Trial) -> Measured:
    """Measure one seed: for each network, quantities by name; one network is the control."""
    gradients = {
        WITH: logit_gradients(trial.network("batch"), trial.inputs, trial.labels),
        WITHOUT: logit_gradients(trial.network("none"), trial.inputs, trial.labels),
    }
    # The control: the effect is destroyed and nothing else is changed.
    gradients[CONTROL] = shuffled_rows(gradients[WITHOUT], trial.stream("rows"))
    return {net: {SHARE: row_agreement(rows).top_share} for net, rows in gradients.items()}


def draw(figure: Figure, evidence: Evidence) -> str:
    """Draw the evidence; return what the figure shows in words."""
    medians = {net: float(np.median(rows[SHARE])) for net, rows in evidence.series.items()}
    axes = figure.subplots()
    axes.bar(list(medians), list(medians.values()))
    axes.set_ylabel("share of the positive gradient")
    axes.set_title("What the figure shows, as a sentence")
    return f"Bars: {', '.join(f'{net} {share:.0%}' for net, share in medians.items())}."


CLAIM = Claim(
    id="TEMPLATE",
    title="One plain sentence that says what is stated.",
    sources=(Source("derived", "template of an experiment"),),
    statement=r"\text{The sentence as printed}",
    checks=(
        Experiment(
            run=run,
            # Thresholds on medians over seeds, fixed before anything is measured.
            criteria=(
                Criterion(net=WITHOUT, quantity=SHARE, at_least=0.8, words="share without BN"),
            ),
            control="without BN, the classes of every row permuted independently",
            draw=draw,
        ),
    ),
    expected=Verdict.REPRODUCED,
    remark="Found: what of the protocol is the source's. Ours: what is not.",
)
