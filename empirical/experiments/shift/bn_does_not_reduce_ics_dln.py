"""With BN covariate shift of gradients is similar or larger: deep linear network (A18, 2.2)."""

from bnproof.empirical.protocols.dln import DATA, NETWORKS, SETTING, SIZES, deep_linear
from bnproof.empirical.protocols.gradient_shift import experiment
from bnproof.theory.claim import Claim, Verdict

CLAIM = Claim(
    id="bn_does_not_reduce_ics_dln",
    title=(
        "In a deep linear network, internal covariate shift is similar or larger with batch "
        "normalisation."
    ),
    checks=(experiment(deep_linear, NETWORKS, SIZES, SETTING, data=DATA.name),),
    expected=Verdict.UNDECIDED,
    remark=(
        "From the source: 25 linear layers, full batch, rate 1e-6, distance and cosine between a "
        "layer's gradients before and after the update of the preceding layers (S1, Definition "
        "3.1). Our choices: width 10, 1,000 samples, and the loss summed over them; with the "
        "average, 10,000 steps at that rate would get as far as ten of these; criteria and measure "
        "are those of bn_does_not_reduce_ics, over layers 2 to 25 (the negative control's update "
        "was shortened in the same way). The distance relative to |G| is also shown but decides "
        "nothing. The cosine is almost the same with and without BN: soon after the start most "
        "runs of both are at or above the edge of stability (santurkar_dln_landscape), where a "
        "step reverses the gradient. A stark difference, with gradients that hardly change without "
        "BN, exists only before the first updates, and not with every seed. The distance with BN "
        "is somewhat smaller with most seeds and far smaller with some, so that nothing is "
        "concluded."
    ),
)
