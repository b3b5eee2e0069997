"""l_1, l_2 and l_infinity normalisation train and smooth as well as BN (A18, section 3.3)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

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
from bnproof.empirical.figures.panels import Curves
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.networks.table import Norm
from bnproof.empirical.protocols.curves import extended
from bnproof.empirical.protocols.landscapes import QUANTITIES, STAGES, checkpoints
from bnproof.empirical.protocols.vgg import NETWORKS, SETTING, SIZES, VARIANTS, vgg
from bnproof.empirical.trial import Trained, Trial
from bnproof.theory.claim import Claim, Verdict

PRINTED, CENTRED = "l_p as printed", "l_p centred"
POWERS: Mapping[str, tuple[Norm, ...]] = {
    PRINTED: ("l1", "l2", "linf"),
    CENTRED: ("l1-centred", "linf-centred"),  # l_2 centred is BN
}
COMPARABLE = 0.75  # of BN's gain in accuracy
ROUGHER = 2.0  # at most twice as rough as with BN at any stage


def run(trial: Trial) -> Measured:
    """Train with every normalisation; the control replaces all l_p normalisations."""
    batch, none = vgg(trial, "batch"), vgg(trial, "none")
    again = vgg(trial, "none", seed=trial.other_seed)
    rows = {WITH: _compared([batch], batch, none), WITHOUT: _compared([none], batch, none)}
    rows |= {
        net: _compared([vgg(trial, norm) for norm in norms], batch, none)
        for net, norms in POWERS.items()
    }
    return rows | {CONTROL: _compared([again] * len(POWERS[PRINTED]), batch, none)}


def _compared(runs: Sequence[Trained], batch: Trained, none: Trained) -> Mapping[str, Any]:
    """Measurements of several networks, one row each, compared with those with and without BN."""
    first, last = (run.last("test accuracy") for run in (none, batch))
    gain = max(last - first, 1 / batch.training_config.tested)  # no smaller gain can be resolved
    logs = {q: [np.log(checkpoints(run, "landscape", q)) for run in runs] for q in QUANTITIES}
    reference = {q: np.log(checkpoints(batch, "landscape", q)) for q in QUANTITIES}
    ratios = {
        q: [[part.mean() for part in np.array_split(row - reference[q], STAGES)] for row in rows]
        for q, rows in logs.items()
    }
    count = runs[0].training_config.steps // runs[0].training_config.every + 1
    return {
        "update": np.arange(count) * runs[0].training_config.every,
        "test accuracy": [extended(run.column("test accuracy"), count) for run in runs],
        "final test accuracy": [run.last("test accuracy") for run in runs],
        "share of BN's gain": [(run.last("test accuracy") - first) / gain for run in runs],
        "effective beta": np.exp(logs["beta"]),
        **{_name(q): np.exp(rows).max(axis=1) for q, rows in ratios.items()},
    }


def _name(quantity: str) -> str:
    return f"{QUANTITIES[quantity]} over that with BN, roughest stage"


@declared
def draw(m: Medians) -> Plot:
    """Accuracy and effective beta against the update."""
    rows = {WITH: (WITH, 0), WITHOUT: (WITHOUT, 0)} | {
        norm: (net, row) for net, norms in POWERS.items() for row, norm in enumerate(norms)
    }
    accuracy, beta = (
        {label: m.series[net][name][:, row] for label, (net, row) in rows.items()}
        for name in ("test accuracy", "effective beta")
    )
    # The ranges of seven networks would hide one another: those of l_p are left out.
    for norm in (*POWERS[PRINTED], *POWERS[CENTRED]):
        for values in (accuracy, beta):
            values[norm] = np.median(values[norm], axis=0)[None]
    ends = [
        f"{label} {100 * m[net, 'final test accuracy'][row]:.0f} %"
        for label, (net, row) in rows.items()
    ]
    rough = zip(POWERS[PRINTED], m[PRINTED, _name("beta")], strict=True)
    labels = {label: label for label in rows}
    return Plot(
        panels=[
            Curves(
                x=m.series[WITH]["update"][0],
                y={label: 100 * values for label, values in accuracy.items()},
                lines=labels,
                xlabel="update",
                ylabel="test accuracy in %",
            ),
            Curves(
                x=m.series[WITH]["update"][0],
                y={label: np.clip(values, 1e-3, 1e6) for label, values in beta.items()},
                lines=labels,
                xlabel="update",
                ylabel="effective beta along the gradient",
                yscale="log",
            ),
        ],
        legend_columns=4,
        title=f"Final test accuracy: {', '.join(ends[:5])},\n{', '.join(ends[5:])}",
        text=(
            "Test accuracy and effective beta against the update, medians over seeds, with and "
            f"without BN their ranges too. Final test accuracy: {', '.join(ends)}. Effective beta "
            "relative to that with BN, at the roughest stage: "
            + ", ".join(f"{norm} {ratio:.2g}" for norm, ratio in rough)
            + "."
        ),
    )


CLAIM = Claim(
    id="santurkar_lp",
    title="Normalising by an l_1, l_2 or l_infinity scale trains and smooths as well as BN.",
    checks=(
        Experiment(
            run=run,
            criteria=(
                Criterion(
                    PRINTED,
                    "share of BN's gain",
                    "share of BN's gain in test accuracy, smallest of p = 1, 2, inf",
                    at_least=COMPARABLE,
                ),
                *(
                    Criterion(
                        PRINTED,
                        _name(quantity),
                        f"{words} relative to BN, roughest p and stage",
                        at_most=ROUGHER,
                    )
                    for quantity, words in QUANTITIES.items()
                ),
            ),
            fixed=Fixed("2026-12-01", "6234dfa0bd9c"),
            controls=(
                Control(
                    "without BN, from other initial weights and in another order of the images",
                    passes=False,
                    made_of=PRINTED,
                ),
                Control("BN itself", passes=True, made_of=PRINTED, net=WITH),
            ),
            draw=draw,
            networks=NETWORKS,
            setting=SETTING,
            variants=VARIANTS,
            sizes=SIZES,
        ),
    ),
    expected=Verdict.SEEN,
    remark=(
        "From the source: division by the average l_p norm of the batch, taken before the mean is "
        "shifted, p = 1, 2 and infinity; curves without numbers. Our choices: comparable "
        "performance means three quarters of BN's gain in test accuracy over no normalisation; "
        "comparable landscape means at most twice BN's loss variation, change of the gradient and "
        "effective beta in each third of the updates; fixed before measuring; the same with the "
        "scale of the centred batch is measured too ('l_p centred'; for p = 2 that is BN). All p "
        "reach most of BN's gain and are about as smooth as BN. The opposite had been expected: "
        "using a scale that is not that of the centred batch changes the gradient "
        "(lp_amplification), but this hardly matters here. At quick the run is far shorter than "
        "the source's."
    ),
)
