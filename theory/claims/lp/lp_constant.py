"""How much any l_p normalisation can lengthen a gradient, for every p and size (derived)."""

from collections.abc import Mapping

import sympy as sp

from bnproof.theory.claim import Claim, ExactCase, Proof, RandomTest, Verdict
from bnproof.theory.exact.evaluate import n
from bnproof.theory.normalizers import longest
from bnproof.theory.normalizers.amplification import square_bound
from bnproof.theory.normalizers.groups import AfAf, S, c_n, c_S, p
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.sources import Source
from bnproof.theory.symbols import eps, m, vv

DEGREE_ONE = sp.And(sp.Ge(c_n, c_S), sp.Eq(eps, 0), sp.Gt(p, 1), sp.Ge(m, 2))
BOUND = square_bound(p) * AfAf / S**2


def prove() -> DerivationResult:
    """Bound |q||w| over all activations, and the gradient by it."""
    d = Derivation()
    return d.finish(longest.steps(d))


def one_large() -> Mapping[sp.Symbol, sp.Expr]:
    """l_4 normalisation of one entry 3n and 27n^4 entries 1 and -1 of total -3n.

    Equal entries move together: the derivative along all is their number times that along one.
    """
    values = (3 * n, sp.Integer(1), sp.Integer(-1))
    counts = (sp.Integer(1), (27 * n**4 - 3 * n) / 2, (27 * n**4 + 3 * n) / 2)
    size = sum(counts)

    def total(entries: tuple[sp.Expr, ...]) -> sp.Expr:
        return sum(k * entry for k, entry in zip(counts, entries, strict=True))

    u = sp.symbols("u1:4", real=True)
    at = dict(zip(u, values, strict=True))
    centred = [entry - total(u) / size for entry in u]
    fourth = total(tuple(entry**4 for entry in centred)) / size
    # A gradient in the plane of the activations and their centred cubes, orthogonal to the latter.
    cubes = [entry**3 - total(tuple(value**3 for value in values)) / size for entry in values]
    along = total(tuple(a * b for a, b in zip(values, cubes, strict=True)))
    length = total(tuple(cube**2 for cube in cubes))
    f = tuple(sp.factor(a - cube * along / length) for a, cube in zip(values, cubes, strict=True))
    top = sum(k * a * entry for k, a, entry in zip(counts, f, centred, strict=True))
    # The loss is top/S with S = fourth^(1/4); S times its slopes is rational in n.
    slopes = [
        sp.cancel((sp.diff(top, x) - top * sp.diff(fourth, x) / (4 * fourth)).subs(at) / k)
        for x, k in zip(u, counts, strict=True)
    ]
    root = sp.factor(fourth.subs(at))
    return {
        p: sp.Integer(4),
        c_n: sp.Integer(1),
        c_S: sp.Integer(1),
        eps: sp.Integer(0),
        m: sp.expand(size),
        S: root ** sp.Rational(1, 4),
        vv: sp.factor(total(tuple(slope**2 for slope in slopes))) / sp.sqrt(root),
        AfAf: sp.factor(total(tuple(entry**2 for entry in f))),
    }


CASE = ExactCase(
    "l_4 normalisation of m = 27n^4 + 1 activations, one 3n, the others 1 and -1, of mean 0",
    one_large,
)

CLAIM = Claim(
    id="lp_constant",
    title="l_p normalisation lengthens no gradient by more than a power of m, |1 - 2/p|/2.",
    sources=(Source("derived", "for the l_p normalisation of S0, centred scale or not"),),
    statement=(
        r"\|\nabla_u L\|^2 \le \frac{1}{S^2}\big(1 + \kappa\,(m-1)^{|1-2/p|}\big)"
        r"\,\|A\nabla_n L\|^2,\quad \kappa = \frac{(p-1)^{2-2/p}}{p^2}"
    ),
    relation=sp.Le(vv, BOUND),
    domain=DEGREE_ONE,
    control=sp.Le(vv, BOUND - AfAf / S**2),
    checks=(
        Proof(prove, attained=CASE),
        RandomTest(sizes=(2, 3, 5, 16), sampler="normalizers"),
    ),
    expected=Verdict.PROVED,
    remark=(
        "For p > 1, p = inf included, but not for a numerator without centring over a scale with "
        "it, which no constant bounds. At p = 1 the bound is that of p = inf, m. The largest "
        "factor itself, c_p(m), and its suprema with centring are in the table of normalisers. "
        "The control omits the 1."
    ),
)
