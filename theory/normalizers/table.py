"""The one table of normalisers: which entries form a group, centring, exponent, where eps goes.

Everything else is derived from these or reads them here: the algebra of
`bnproof.theory.normalizers.groups`, the samplers, the layer checks and the networks.  Every scale
in use is ``S = G(R)``, where ``R = (mean |x_i|^p)^(1/p)`` and x is u, or u centred.

``python -m bnproof.theory.normalizers.table`` prints what is derived for each normaliser.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

import sympy as sp

from bnproof.theory.common.errors import one_of
from bnproof.theory.normalizers import amplification
from bnproof.theory.normalizers.groups import p
from bnproof.theory.symbols import eps, m, symbol, text

R = symbol("R", "R", "power mean (mean |x_i|^p)^(1/p)", positive=True)
SQUARE: Final = sp.Integer(2)


class Axis(StrEnum):
    """Which entries form a group; the algebra is the same for all of them."""

    UNIT = "one unit over the batch"
    FEATURES = "one sample over its features"
    CHANNELS = "one sample over a group of channels"
    SPACE = "one channel of one sample over space"
    WEIGHTS = "the incoming weights of one unit"


@dataclass(frozen=True)
class Normalizer:
    """A normaliser: its definition and nothing else.

    Attributes
    ----------
    name
        What it is called.
    axis
        Which entries form a group.
    centred, scale_centred
        Whether the numerator, and the argument x of the scale, have their mean subtracted.
    power
        The exponent p: a number, infinity, or the symbol p.
    eps_at
        Where eps goes: ``"inside"`` the root, ``"outside"`` it, or nowhere (``""``).
    total
        Whether S is the norm of x instead of its power mean: ``m^(1/p)`` times as much.
    option
        Its name on command lines (``bnproof check-layer --as``); ``""`` if it has none.
    """

    name: str
    axis: Axis
    centred: bool = True
    scale_centred: bool = True
    power: sp.Expr = SQUARE
    eps_at: Literal["", "inside", "outside"] = ""
    total: bool = False
    option: str = ""

    def outer(self, mean: sp.Expr) -> sp.Expr:
        """The function G in ``S = G(R)``."""
        if self.total:
            return m ** (1 / self.power) * mean
        if self.eps_at == "inside":
            return sp.sqrt(mean**2 + eps)
        return mean + eps if self.eps_at == "outside" else mean

    @property
    def omega(self) -> sp.Expr:
        """``w_i = (omega/m)(a_i - c_S mean(a))``: here omega as a function of R."""
        scale = self.outer(R)
        # Where p = inf, S = R: the power of S/R = 1 does not matter.
        power = p if self.power == sp.oo else self.power
        return sp.simplify(sp.diff(scale, R) * (scale / R) ** (power - 1))

    @property
    def theta(self) -> sp.Expr:
        """``1 - <w,u>/S``: R has degree 1, so <w,u> = G'(R) R by Euler's theorem."""
        scale = self.outer(R)
        return sp.simplify(1 - sp.diff(scale, R) * R / scale)

    @property
    def one_centring(self) -> bool:
        """Whether numerator and scale are of the same vector: then x = Au = S n."""
        return self.centred == self.scale_centred


def gain_bound(power: sp.Expr, centred: bool) -> sp.Expr:
    """Most that ``S Dn`` lengthens for l_p normalisation: an upper bound for every u.

    Without centring of the scale it is c_p(m) of `bnproof.theory.normalizers.amplification` where
    that has a closed form.  With centring it is the supremum for p = 1 and inf and even m.
    """
    if centred and power in (1, sp.oo):
        return sp.sqrt(m / 2) if power == 1 else sp.sqrt(m - 1)
    exact = amplification.square(power)
    return sp.sqrt(amplification.square_bound(power) if exact is None else exact)


def gain(kind: Normalizer) -> str:
    """The largest ``|S Dn|`` over activations, in words; derived in `normalizers.amplification`."""
    if kind.power == 2:
        return "1"
    exact = amplification.square(kind.power)
    if exact is None:
        constant = "c(m)**2 = 1 + max_s (sinh(t*(s + log(m - 1))/2)/cosh(s/2))**2, t = |1 - 2/p|"
    else:
        constant = f"c(m) = {text(sp.sqrt(exact))}"
    if kind.power in (1, sp.oo):
        most = gain_bound(kind.power, kind.scale_centred)
        size = "" if kind.power == 1 and not kind.scale_centred else EVEN[kind.scale_centred]
        return f"{text(most)}{size} (supremum), {constant}"
    low = "c(floor(m/2))" if kind.scale_centred else "c(m)*sqrt(1 - 1/(m*(m - 1)))"
    return f"{low} to c(m), {constant}"


_lp: dict[str, sp.Expr] = {"1": sp.S.One, "4/3": sp.Rational(4, 3), "2": SQUARE}
_lp |= {"4": sp.Integer(4), "inf": sp.oo, "p": p}


# Centred activations at the corners of the scale need as many of one sign as of the other; the
# printed layer at p = inf needs one more of the sign of the largest.
EVEN: Final = {True: " for even m", False: " for odd m"}


NORMALIZERS: Final = (
    Normalizer("BatchNorm, eps inside", Axis.UNIT, eps_at="inside", option="batch"),
    Normalizer("BatchNorm, eps outside", Axis.UNIT, eps_at="outside"),
    *(Normalizer(f"l_{q} BatchNorm", Axis.UNIT, power=power) for q, power in _lp.items()),
    *(
        Normalizer(f"l_{q} BatchNorm, printed", Axis.UNIT, scale_centred=False, power=power)
        for q, power in _lp.items()
    ),
    Normalizer("LayerNorm", Axis.FEATURES, eps_at="inside", option="layer"),
    Normalizer("RMSNorm", Axis.FEATURES, False, False, eps_at="inside", option="rms"),
    Normalizer("GroupNorm", Axis.CHANNELS, eps_at="inside", option="group"),
    Normalizer("InstanceNorm", Axis.SPACE, eps_at="inside", option="instance"),
    Normalizer("WeightNorm", Axis.WEIGHTS, False, False, total=True),
)


def find(name: str) -> Normalizer:
    """The normaliser of that name.

    Raises
    ------
    UserError
        If there is none.
    """
    one_of("normaliser", name, [entry.name for entry in NORMALIZERS])
    return next(entry for entry in NORMALIZERS if entry.name == name)


def facts(kind: Normalizer) -> dict[str, str]:
    """What is derived for one normaliser, a row of the table."""
    square = kind.power == 2
    exact = kind.theta == 0  # S is of degree 1 in u
    null = ["1"] if kind.centred and kind.scale_centred else []
    null += ["u" if exact else "u at eps = 0"]
    shape = ("orthogonal" if square else "oblique") if kind.one_centring else "no"
    scale = "R, uncentred" if kind.centred and not kind.scale_centred else "R"
    slope = sp.simplify(kind.omega * (1 + kind.theta))  # at p = 2: m times the last coefficient
    if square:
        # w = (omega/m) x/S: b = Aw - |w|^2 n/2 is a multiple of n, non-negative as theta <= 1.
        first_bound = f"identity, last factor {text(sp.simplify(slope / m))}"
        first_bound += "" if exact else "; with 1/m a bound"
        second_bound = "identity" if exact else "identity at eps = 0, fails for eps > 0"
        if not kind.one_centring:
            second_bound = "identity, with Av for v in the first term"
        elif kind.omega == m:
            second_bound += ", 1 for 1/m"
    else:
        first_bound = "fails; |v| <= (longest) |Af|/S"
        second_bound = "fails" + ("; -2<w,v>|v|^2/S besides" if kind.one_centring else "")
        second_bound += "; no term in W" if kind.power in (1, sp.oo) else ""
    return {
        "normaliser": kind.name,
        "one group is": kind.axis,
        "numerator": "centred" if kind.centred else "as is",
        "S": text(kind.outer(sp.Symbol(scale))),
        "p": text(kind.power),
        "null directions": ", ".join(null),
        "scale invariant": "yes" if exact else "at eps = 0",
        "S Dn is a projector": shape if exact or shape == "no" else f"{shape} at eps = 0",
        "longest |S Dn|": gain(kind),
        "Theorem 4.1": first_bound,
        "Theorem 4.2": second_bound,
    }


def table() -> str:
    """The comparison of all normalisers as plain text, one block a normaliser."""
    blocks = []
    for kind in NORMALIZERS:
        name, *rest = facts(kind).items()
        blocks.append("\n".join([name[1], *(f"  {key}: {value}" for key, value in rest)]))
    return "\n\n".join(blocks)


if __name__ == "__main__":
    print(table())
