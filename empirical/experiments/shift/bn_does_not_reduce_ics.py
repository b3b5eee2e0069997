"""With BN covariate shift of gradients is similar or larger: VGG on images (A18, 2.2)."""

from bnproof.empirical.protocols.gradient_shift import experiment
from bnproof.empirical.protocols.vgg import NETWORKS, SETTING, SIZES, VARIANTS, vgg
from bnproof.theory.claim import Claim, Verdict

CLAIM = Claim(
    id="bn_does_not_reduce_ics",
    title="In VGG, internal covariate shift is similar or larger with batch normalisation.",
    checks=(experiment(vgg, NETWORKS, SIZES, SETTING, variants=VARIANTS),),
    expected=Verdict.SEEN,
    remark=(
        "From the source: VGG on CIFAR-10, plain SGD at 0.1 for both networks, distance and cosine "
        "between a layer's gradients before and after the update of the preceding layers, on the "
        "same batch (S1, Definition 3.1). Our choices: 'similar or larger' means a distance at "
        "least half as large, 'similar or lower' a cosine at most 0.1 higher, medians over layers "
        "2 to 11 and over training; a layer's parameters are its weights and those of its "
        "normalisation. The distance grows with the gradients, which BN makes larger; the distance "
        "relative to |G| is also shown but decides nothing. Changed after a look at one seed: the "
        "update of the negative control, from a hundredth of the step to a ten-thousandth. The "
        "distance is larger with BN with every seed, relative to |G| only with most, and the "
        "cosine is lower with most. The difference is largest before the first update, when the "
        "gradients hardly correlate with BN and almost perfectly without it."
    ),
)
