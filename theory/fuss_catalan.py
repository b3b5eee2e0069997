"""The law of the squared singular values of a product of M Gaussian matrices.

``X = X_1 ... X_M`` with independent N x N factors whose entries are independent N(0, 1/N).  As N
grows, the spectrum of ``X'X`` tends to the Fuss-Catalan law on ``(0, (M+1)**(M+1)/M**M)``, which
equation (5) of S3 parametrises by ``phi`` in ``(0, pi/(M+1))``.

Two halves.  Derivation steps for symbolic M, used by the claims: a sine of an integer multiple of
``phi`` is a rational function of ``q = e^(i phi)`` and ``Q = q**M``, so that each step is an
identity of rational functions.  And reference values to any precision with mpmath, by two paths:
through ``phi`` (`pdf`, `cdf`, `sf`), and through the algebraic equation of the moment generating
function, which knows nothing of ``phi`` (`generating_function`, `pdf_algebraic`).

Sources: D. Voiculescu, J. Operator Theory 18 (1987) 223 and Invent. Math. 104 (1991) 201;
K. A. Penson and K. Zyczkowski, Phys. Rev. E 83 (2011) 061118.
"""

from math import comb
from typing import Any, Final

import sympy as sp
from mpmath import mp

from theory.proof import Derivation
from theory.symbols import M, latex, law_first, law_second, phi, rho, text, x

FREENESS: Final = (
    "D. Voiculescu (1991): independent Gaussian matrices are asymptotically free; (1987): the "
    "S-transform of a product of free variables is the product of their S-transforms"
)
MARCHENKO_PASTUR: Final = (
    "V. A. Marchenko and L. A. Pastur (1967): the law of X_i'X_i for square X_i, whose "
    "S-transform is 1/(1+z)"
)
RESIDUES: Final = "A. L. Cauchy (1825): the residue theorem"

# The sines of (5), and the point x that belongs to phi.
_SIN, _SIN_M, _SIN_M1 = sp.sin(phi), sp.sin(M * phi), sp.sin((M + 1) * phi)
POINT: Final[sp.Expr] = _SIN_M1 ** (M + 1) / (_SIN * _SIN_M**M)
DENSITY: Final[sp.Expr] = _SIN_M1 * _SIN / (sp.pi * x * _SIN_M)
CDF: Final[sp.Expr] = 1 - ((M + 1) * phi - M * _SIN_M1 * _SIN / _SIN_M) / sp.pi
DOMAIN: Final[sp.Basic] = sp.And(phi < sp.pi / (M + 1), sp.Eq(x, POINT))

_q, _Q, _B = sp.symbols("q Q B")
# The root of B = 1 + B**(M+1)/x in the upper half-plane, for x on the support.
ROOT: Final[sp.Expr] = sp.exp(sp.I * phi) * _SIN_M1 / _SIN_M


def rational(expr: sp.Expr) -> sp.Expr:
    """Rewrite sines and exponentials of phi, M phi, (M+1) phi as a rational function of q and Q.

    Two expressions are equal for every phi and M if their forms are: q = e^(i phi) and
    Q = e^(i M phi) are taken as independent.
    """
    powers = expr.rewrite(sp.exp).replace(
        lambda part: isinstance(part, sp.exp), lambda part: _monomial(part.args[0])
    )
    return sp.cancel(sp.together(powers))


def _monomial(exponent: sp.Expr) -> sp.Expr:
    """e^(i(a + bM)phi) as q**a Q**b."""
    linear = sp.Poly(sp.expand(exponent / (sp.I * phi)), M)
    a, b = linear.coeff_monomial(1), linear.coeff_monomial(M)
    if linear.degree() > 1 or not (a.is_Integer and b.is_Integer):
        raise ValueError(f"exponent {exponent} is not i(a + bM)phi with integers a, b")
    return _q**a * _Q**b


def _same(d: Derivation, words: str, name: tuple[str, str], left: sp.Expr, right: sp.Expr) -> None:
    d.equal(words, name, rational(left), rational(right), right)


def equation_steps(d: Derivation) -> None:
    """From free probability to the equation B = 1 + w B**(M+1) of the generating function."""
    z = sp.Symbol("z", positive=True)
    psi = sp.Symbol("psi", positive=True)
    d.cite("The factors are asymptotically free, and S-transforms multiply", FREENESS)
    d.cite("One factor", MARCHENKO_PASTUR, r"S_1(z) = \frac{1}{1+z}")
    transform = (1 + z) ** (-M)
    d.equal("M factors", ("S(z)", "S(z)"), (1 / (1 + z)) ** M, transform)
    d.given(
        "psi(w) = B(w) - 1 = sum of w^k times moment k is inverse to w(z) = z S(z)/(1+z)",
        r"w(\psi) = \frac{\psi}{1+\psi}\,S(\psi)",
        "w(psi) = psi/(1+psi) S(psi)",
    )
    w = psi / (1 + psi) * transform.subs(z, psi)
    d.equal("So B = 1 + psi solves", ("B - w B^{M+1}", "B - w B^(M+1)"),
            1 + psi - w * (1 + psi) ** (M + 1), sp.Integer(1))  # fmt: skip


def parametrisation_steps(d: Derivation) -> None:
    """What x and density (5) are in terms of u, a complex root of u = 1 + u**(M+1)/x."""
    d.given(
        "Take u as below, 0 < phi < pi/(M+1): both sines are positive, so 0 < arg u < pi",
        r"u = e^{i\varphi}\,\frac{\sin((M+1)\varphi)}{\sin(M\varphi)}",
        "u = e^(i phi) sin((M+1)phi)/sin(M phi)",
    )
    shifted = sp.exp(sp.I * (M + 1) * phi) * _SIN / _SIN_M
    _same(d, "Then", ("u - 1", "u - 1"), ROOT - 1, shifted)
    d.given(
        "u = 1 + u^(M+1)/x defines x, which turns out real",
        r"x = \frac{u^{M+1}}{u-1}",
        "x = u^(M+1)/(u-1)",
    )
    d.value(x, "The phases cancel", sp.powsimp(ROOT ** (M + 1) / shifted), POINT)
    _same(
        d,
        "x falls from the right end to 0 as phi grows: (d/dphi) log x is minus a sum of squares "
        "over a positive number",
        (r"\frac{d}{d\varphi}\log x", "d log x/d phi"),
        sp.diff(sp.log(_SIN_M1) * (M + 1) - sp.log(_SIN) - M * sp.log(_SIN_M), phi),
        -((sp.cot(phi) - M * sp.cot(M * phi)) ** 2 + (M + 1) ** 2)
        * _SIN * _SIN_M / _SIN_M1,
    )  # fmt: skip
    conjugate = ROOT.subs(sp.exp(sp.I * phi), sp.exp(-sp.I * phi))
    _same(
        d,
        "and (5) is",
        (r"\frac{\mathrm{Im}\,u}{\pi x}", "Im u/(pi x)"),
        (ROOT - conjugate) / (2 * sp.pi * sp.I * x),
        DENSITY,
    )


def density_steps(d: Derivation) -> None:
    """Which root the generating function takes on the support, and the density it gives."""
    parametrisation_steps(d)
    d.equal(
        "Two roots of B = 1 + B^(M+1)/x meet where dx/dB = 0",
        (r"\frac{d\log x}{dB}", "d log x/dB"),
        sp.diff((M + 1) * sp.log(_B) - sp.log(_B - 1), _B),
        (M * _B - M - 1) / (_B * (_B - 1)),
    )
    d.given(
        "that is at x = 0 and at the right end, B = (M+1)/M, only.  Above the right end B is the "
        "root between 1 and (M+1)/M; there it meets u (phi = 0), so that on the support B is u or "
        "its conjugate.  G = B/x maps the upper half-plane to the lower: B(x+i0) is the conjugate "
        "of u, and the density -Im G/pi is positive; it is (5)",
        r"\rho_M(x) = -\tfrac1\pi\,\mathrm{Im}\,G(x+i0) = \frac{\mathrm{Im}\,u}{\pi x}",
        "rho = -Im G(x+i0)/pi = Im u/(pi x)",
    )
    d.values[rho] = DENSITY.subs(x, POINT)


def mass_steps(d: Derivation) -> None:
    """Check that (5) is the derivative of a distribution function that runs from 0 to 1."""
    slope = sp.diff(sp.log(_SIN_M1) * (M + 1) - sp.log(_SIN) - M * sp.log(_SIN_M), phi)
    d.given("Distribution function", f"F = {latex(CDF)}", f"F = {text(CDF)}")
    _same(
        d,
        "dF/dphi = rho dx/dphi",
        (r"\frac{dF}{d\varphi}", "dF/dphi"),
        sp.diff(CDF, phi),
        DENSITY * x * slope,
    )
    d.equal("At x = 0", (r"F(0)", "F(0)"), CDF.subs(phi, sp.pi / (M + 1)), sp.Integer(0))
    d.equal("At the right end", (r"F(x_{\max})", "F(x_max)"), sp.limit(CDF, phi, 0), sp.Integer(1))


def moment_steps(d: Derivation) -> None:
    """First and second moment of (5) for symbolic M, by residues; see `parametrisation_steps`."""
    d.given(
        "Integrate x^k rho = x^(k-1) Im u/pi by parts along u(phi), with x = u^(M+1)/(u-1); with "
        "its mirror image the path is a closed loop around u = 1",
        r"\int x^k\rho\,dx = \frac1k\,\mathrm{Res}_{u=1}\frac{u^{(M+1)k}}{(u-1)^k}"
        r" = \frac{1}{k!}\,\frac{d^{k-1}}{du^{k-1}}u^{(M+1)k}\Big|_{u=1}",
        "int x^k rho dx = (1/k!) (d/du)^(k-1) u^((M+1)k) at u = 1",
    )
    d.cite("Where the loop integral is 2 pi i times the residue", RESIDUES)
    for letter, order, value in ((law_first, 1, sp.Integer(1)), (law_second, 2, M + 1)):
        derived = sp.diff(_B ** ((M + 1) * order), _B, order - 1).subs(_B, 1)
        d.value(letter, f"k = {order}", derived / sp.factorial(order), value)


def moment(order: int, factors: int) -> int:
    """Moment of integer order >= 0: the Fuss-Catalan number binom((M+1)k, k)/(Mk+1), exact."""
    return comb((factors + 1) * order, order) // (factors * order + 1)


def support(factors: int, dps: int = 50) -> Any:
    """Right end (M+1)**(M+1)/M**M of the support as an mpf of `dps` digits; the left end is 0."""
    with mp.workdps(dps):
        return mp.mpf((factors + 1) ** (factors + 1)) / mp.mpf(factors**factors)


def pdf(point: Any, factors: int, dps: int = 30) -> Any:
    """Density at `point` to about `dps` digits, through phi.

    Here and below `point` is a number strictly inside the support; otherwise ValueError.
    """
    with mp.workdps(_digits(point, factors, dps)):
        s, s_m, s_m1 = _sines(_angle(point, factors), factors)
        return s_m1 * s / (mp.pi * mp.mpf(point) * s_m)


def cdf(point: Any, factors: int, dps: int = 30) -> Any:
    """Mass below `point` to about `dps` digits, through phi."""
    with mp.workdps(_digits(point, factors, dps)):
        return 1 - _above(point, factors)


def sf(point: Any, factors: int, dps: int = 30) -> Any:
    """Mass above `point` to about `dps` digits, through phi."""
    with mp.workdps(_digits(point, factors, dps)):
        return _above(point, factors)


def _above(point: Any, factors: int) -> Any:
    angle = _angle(point, factors)
    s, s_m, s_m1 = _sines(angle, factors)
    return ((factors + 1) * angle - factors * s_m1 * s / s_m) / mp.pi


def _sines(angle: Any, factors: int) -> tuple[Any, Any, Any]:
    return mp.sin(angle), mp.sin(factors * angle), mp.sin((factors + 1) * angle)


def _digits(point: Any, factors: int, dps: int) -> int:
    """Working digits: `dps`, what cancels near either end (at the right up to thrice), a margin.

    Raises
    ------
    ValueError
        Unless `point` lies inside the support.
    """
    with mp.workdps(2 * dps + 50):
        share = mp.mpf(point) / support(factors, 2 * dps + 50)
        if not 0 < share < 1:
            raise ValueError(f"x = {point} lies outside the support of the law for M = {factors}")
        return dps + int(-mp.log10(share) - 3 * mp.log10(1 - share)) + 20


def _angle(point: Any, factors: int) -> Any:
    """Solve x(phi) = point in the working precision: Newton's method inside a bracket.

    log x(phi) decreases; its derivative is the sum of squares of `density_steps`.
    """
    target, end = mp.log(mp.mpf(point)), mp.pi / (factors + 1)
    low, high, angle = mp.mpf(0), end, end / 2
    for _ in range(20 * mp.prec):
        s, s_m, s_m1 = _sines(angle, factors)
        excess = (factors + 1) * mp.log(s_m1) - mp.log(s) - factors * mp.log(s_m) - target
        low, high = (angle, high) if excess > 0 else (low, angle)
        square = (mp.cot(angle) - factors * mp.cot(factors * angle)) ** 2
        step = excess * s_m1 / (s * s_m * (square + (factors + 1) ** 2))
        if abs(step) <= mp.eps**0.6 * min(angle, end - angle):
            return angle + step  # quadratic convergence: the error is the square of the step
        inside = low < angle + step < high
        angle = angle + step if inside else (low + high) / 2
    raise ArithmeticError(f"no angle found for x = {point}, M = {factors}")


def generating_function(point: Any, factors: int, dps: int = 30) -> Any:
    """B(1/(x + i0)) at x = `point`: the physical root of B = 1 + B**(M+1)/x.

    The root is followed by Newton's method from B near 1 at a far point of the imaginary axis,
    down the axis to abs(z) = x and along the circle to z = x: a path in the upper half-plane,
    where the generating function is analytic.  Neither phi nor any closed form enters.
    """
    with mp.workdps(_digits(point, factors, dps)):
        edge, size = support(factors, mp.dps), mp.log(mp.mpf(point))
        here = mp.mpc(mp.log(1000 * edge), mp.pi / 2)
        # The right end is a branch point: towards it the angle is halved again and again.
        halvings = 4 + int(-mp.log(1 - mp.mpf(point) / edge, 2))
        angles = [mp.pi / 2 ** (number + 1) for number in range(halvings)]
        root = mp.mpc(1)
        for there in [mp.mpc(size, angle) for angle in [*angles, 0]]:
            root = _follow(root, here, there, factors)
            here = there
        return root


def _follow(root: Any, start: Any, end: Any, factors: int) -> Any:
    """Carry the root from z = e^start to z = e^end along a straight line in log z."""
    steps = 4 + int(4 * abs(end - start))
    for number in range(1, steps + 1):
        root = _newton(root, mp.exp(start + (end - start) * number / steps), factors)
    return root


def _newton(root: Any, z: Any, factors: int) -> Any:
    """Newton's method for B**(M+1) - z(B-1) = 0 in the working precision."""
    for _ in range(50):
        power = root**factors
        step = (root * power - z * (root - 1)) / ((factors + 1) * power - z)
        root -= step
        if abs(step) <= mp.eps**0.6 * abs(root):
            return root
    raise ArithmeticError(f"Newton's method does not settle at z = {z}, M = {factors}")


def pdf_algebraic(point: Any, factors: int, dps: int = 30) -> Any:
    """Density at `point` to about `dps` digits: -Im B(1/(x+i0))/(pi x), without phi."""
    root = generating_function(point, factors, dps)
    with mp.workdps(dps + 5):
        return -root.imag / (mp.pi * mp.mpf(point))
