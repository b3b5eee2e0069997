"""BN leaves covariate shift of gradients similar or larger: VGG on images (A18, 2.2)."""

from empirical.gradient_shift import experiment
from empirical.vgg_protocol import NETWORKS, SIZES, vgg
from theory.claim import Claim, Verdict
from theory.sources import Source

CLAIM = Claim(
    id="bn_does_not_reduce_ics",
    title="In VGG batch normalisation leaves internal covariate shift similar or makes it larger.",
    sources=(
        Source("S0", "'Does BatchNorm increase this notion of stability?'"),
        Source("S1", "section 3.3"),
        Source("S2", "How does BN help optimization?"),
        Source("S4", "Expanding the scope of internal covariate shift"),
        Source("A18", "section 2.2, figure 2"),
    ),
    statement=(
        r"\begin{array}{l}"
        r"\text{Networks with BatchNorm layers often exhibit no correlation between } g_i "
        r"\text{ and } \mathfrak g_i\text{,} \\"
        r"\text{and result in an increase in internal covariate shift. [S2:] BN (maybe) doesn't} \\"
        r"\text{reduce ICS significantly.}"
        r"\end{array}"
    ),
    means=(experiment(vgg, NETWORKS, SIZES),),
    expected=Verdict.REPRODUCED,
    remark="",
)
