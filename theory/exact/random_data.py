"""Random data other than layers, in rational numbers, for `bnproof.theory.exact.audit`."""

import random
from typing import Final

import sympy as sp

from bnproof.theory.exact import least_squares, normalizers, sgd
from bnproof.theory.exact.random_layers import Values, is_ideal, positive, small
from bnproof.theory.layer import minimax as mnx
from bnproof.theory.normalizers import groups
from bnproof.theory.normalizers.table import find
from bnproof.theory.training import earth_mover as em

NAMES: Final = (
    "BatchNorm, eps inside",
    "RMSNorm",
    "LayerNorm",
    "l_p BatchNorm",
    "l_p BatchNorm, printed",
)
GROUPS: Final = ((1, 2, 6), (1, 4, 5), (2, 3, 7), (1, 5, 8))  # no entry is their mean, a corner
POWERS: Final = ("1", "4/3", "2", "4")


def sums(source: random.Random, domain: sp.Basic) -> Values:
    """Symbols of `training.sgd`."""
    del domain
    count, factor = source.randint(2, 3), source.randint(1, 2)
    gradients = [[small(source), small(source)] for _ in range(count)]
    return sgd.batch(gradients, positive(source), 2 - factor // 2, factor)


def pair(source: random.Random, domain: sp.Basic) -> Values:
    """Symbols of `training.least_squares` for matrices with rational singular values."""
    del domain
    low, high, more = source.randint(1, 4), source.randint(5, 8), source.randint(9, 12)
    return least_squares.pair([[low, 0], [0, high]], [[0, more], [low, 0]])


def regression(source: random.Random, domain: sp.Basic) -> Values:
    """Symbols of `layer.minimax` for a regression without the layer."""
    del domain
    X, t = sp.Matrix(3, 2, lambda i, j: source.randint(-4, 4) + 7 * (i == j)), sp.ones(3, 1)
    t, w0 = t + sp.Matrix([0, source.randint(2, 9), 0]), sp.Matrix([source.randint(1, 5), 2])
    best = (X.T * X).inv() * X.T * t
    gap = w0 - best
    along = max(sp.Integer(0), best.dot(w0) / best.dot(best))
    return {
        mnx.star: best.dot(best),
        mnx.start: w0.dot(w0),
        mnx.inner: best.dot(w0),
        mnx.d_std: gap.dot(gap),
        mnx.d_ray: (w0 - along * best).dot(w0 - along * best),
    }


def samples(source: random.Random, domain: sp.Basic) -> Values:
    """Symbols of `training.earth_mover`."""
    del domain
    P, Q = ([small(source) for _ in range(3)] for _ in range(2))
    lengths = [abs(x - y) for x in P for y in Q]
    mean = sum(lengths) / len(lengths)
    spread = sum((one - mean) ** 2 for one in lengths) / len(lengths)
    values = em.Samples.of(P, Q).values()
    # On a line the best coupling is that in order; e is the sign of the difference of the means.
    steps = [x - y for x, y in zip(sorted(P), sorted(Q), strict=True)]
    sign = sp.sign(sum(steps))
    more = {
        em.apart: sp.Rational(mean),
        em.variance: sp.Rational(spread),
        em.along: abs(sp.Rational(sum(steps))) / len(steps),
        em.aside: sum(sp.Rational(abs(one)) - sign * one for one in steps) / len(steps),
    }
    return {**values, **more}


def group(source: random.Random, domain: sp.Basic) -> Values:
    """Symbols of `normalizers` for one group."""
    kinds = [(name, power) for name in NAMES for power in (POWERS if "l_p" in name else ("2",))]
    name, power = source.choice([kind for kind in kinds if _admits(domain, *kind)] or kinds)
    u = source.sample(source.choice(GROUPS), 3)
    eps = {} if is_ideal(domain) or "eps" not in name else {"eps": source.randint(0, 3)}
    powers = {"power": power} if "l_p" in name else {}
    return normalizers.group(name, u, [small(source) for _ in u], **eps, **powers)


def _admits(domain: sp.Basic, name: str, power: str) -> bool:
    """Whether a domain admits a normaliser with an exponent."""
    kind = find(name)
    known = {
        groups.p: sp.Rational(power),
        groups.c_n: sp.Integer(kind.centred),
        groups.c_S: sp.Integer(kind.scale_centred),
    }
    return bool(domain.subs(known) != sp.false)
