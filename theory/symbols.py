"""The symbols that relations may use: meaning, shape, printed form, and whether they are derived.

A symbol is *primitive*, a parameter or a number that a sampler measures from raw data, or
*derived*, an expression in primitive ones (`derived`), which is evaluated wherever it is measured.
`docs/proofs.md` says what a proof may take for granted of them.

They describe one unit of a batch-normalisation layer.  Index convention: ``m`` is the batch size;
``i, k, l`` run over the batch.  ``y`` (m) are the activations before normalisation, ``mu`` and
``sigma**2`` their biased moments, ``s = sqrt(sigma**2 + eps)``, ``yhat = (y - mu)/s``,
``z = gamma*yhat + beta``.  The loss ``L`` is a function of ``z``; ``g`` and ``H`` are its gradient
and Hessian at ``z``; ``v`` and ``K`` are the gradient and Hessian of ``y -> L(z(y))`` at ``y``.

The *name* of a SymPy symbol is what text output shows (``<g,yhat>``); its *axes* give the shape of
its measurements: ``""`` is one number per instance, ``"ki"`` an m x m array, and so on.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import sympy as sp
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter


@dataclass(frozen=True)
class SymbolInfo:
    """A symbol with its meaning, LaTeX and the axes of its measurements.

    Attributes
    ----------
    expression
        What a derived symbol is, in other symbols; None for a primitive one.
    signed
        Whether its declared sign may be used in a proof: it is that of a symbol of `theory`, which
        the samplers check, and not of one that a claim brings along.
    """

    symbol: sp.Symbol
    meaning: str
    latex: str
    axes: str = ""
    expression: sp.Expr | None = None
    signed: bool = False


_SYMBOLS: Final[dict[sp.Symbol, SymbolInfo]] = {}
SYMBOLS: Final[Mapping[sp.Symbol, SymbolInfo]] = MappingProxyType(_SYMBOLS)
AXES: Final = "kil"
_HERE: Final = Path(__file__).parent


def symbol(name: str, tex: str, meaning: str, axes: str = "", **assumptions: bool) -> sp.Symbol:
    """Create a symbol, real by default, and register it in `SYMBOLS`.

    Symbols of the layer are defined below; symbols of one subject are defined in its module, such
    as `bnproof.theory.training.sgd`.

    Raises
    ------
    ValueError
        If the symbol exists already.
    """
    created = sp.Symbol(name, **(assumptions or {"real": True}))
    _register(SymbolInfo(created, meaning, tex, axes, signed=ours(_caller())))
    return created


def derived(name: str, tex: str, meaning: str, expression: sp.Expr) -> sp.Symbol:
    """Create a symbol that stands for an expression in registered symbols.

    It has no sign of its own: what is known of it is what is known of the expression.

    Raises
    ------
    ValueError
        If the symbol exists already, or the expression has a symbol that is not registered.
    """
    strange = sorted(str(part) for part in expression.free_symbols if part not in SYMBOLS)
    if strange:
        raise ValueError(f"{name}: {', '.join(strange)}: register the symbols of its expression")
    created = sp.Symbol(name, real=True)
    used = axes_of(expression.free_symbols)
    _register(SymbolInfo(created, meaning, tex, used, expression=expression))
    return created


def _register(info: SymbolInfo) -> None:
    if info.symbol in SYMBOLS:
        known = SYMBOLS[info.symbol].meaning
        raise ValueError(f"the symbol {info.symbol} exists already: {known}")
    _SYMBOLS[info.symbol] = info


def _caller() -> str:
    """File of the function that calls the one that calls this; a module's name can be changed."""
    return sys._getframe(2).f_code.co_filename


def ours(file: str) -> bool:
    """Whether a file is one of `bnproof.theory` that is no claim."""
    path = Path(file)
    return _HERE in path.parents and _HERE / "claims" not in path.parents


def axes_of(symbols: Iterable[sp.Symbol]) -> str:
    """The union of the symbols' axes, in the order k, i, l."""
    used = "".join(SYMBOLS[symbol].axes for symbol in symbols)
    return "".join(axis for axis in AXES if axis in used)


def in_primitives(expr: sp.Basic, keep: Iterable[sp.Symbol] = ()) -> sp.Basic:
    """Replace derived symbols by what they are, except those in `keep`."""
    kept = set(keep)
    while True:
        known = {
            part: SYMBOLS[part].expression
            for part in expr.free_symbols - kept
            if part in SYMBOLS and SYMBOLS[part].expression is not None
        }
        if not known:
            return expr
        expr = expr.subs(known, simultaneous=True)


# The layer.
m = symbol("m", "m", "batch size", integer=True, positive=True)
gamma = symbol("gamma", r"\gamma", "scale of the layer (any sign)")
mu = symbol("mu", r"\mu", "batch mean of y")
sigma = symbol(
    "sigma", r"\sigma", "biased standard deviation of y, which is not constant", positive=True
)
eps = symbol("eps", r"\varepsilon", "constant under the root", nonnegative=True)
s = symbol("s", "s", "sqrt(sigma^2 + eps)", positive=True)
IDEAL: Final = sp.Eq(eps, 0)  # the hypothesis of A18's theorems
REGULAR: Final = sp.Gt(eps, 0)  # what every framework computes

# Gradient and Hessian of the loss, contracted to numbers.
g1 = symbol("<1,g>", r"\langle \mathbf{1}, g\rangle", "sum of the gradient at z")
gy = symbol("<g,yhat>", r"\langle g, \hat y\rangle", "gradient at z against yhat")
gg = symbol("|g|^2", r"\|g\|^2", "squared norm of the gradient at z", nonnegative=True)
vv = symbol("|v|^2", r"\|v\|^2", "squared norm of the gradient at y", nonnegative=True)
vHv = symbol("v'Hv", r"v^\top H v", "Hessian at z along v")
vKv = symbol("v'Kv", r"v^\top K v", "Hessian of y -> L(z(y)) along v")
vy = symbol("<v,yhat>", r"\langle v, \hat y\rangle", "gradient at y against yhat")
gPv = symbol("g'Pv", r"g^\top P v", "g against Pv")
vPv = symbol("v'Pv", r"v^\top P v", "v against Pv")
PvHPv = symbol("(Pv)'H(Pv)", r"(Pv)^\top H (Pv)", "Hessian at z along Pv")
grad_yhat = symbol(
    "|grad_yhat L|",
    r"\|\nabla_{\hat y} L\|",
    "norm of the gradient with respect to yhat",
    nonnegative=True,
)

# Entries.
J_ki = symbol("J_ki", r"\frac{\partial \hat y_k}{\partial y_i}", "Jacobian of yhat", "ki")
T_kil = symbol(
    "T_kil",
    r"\frac{\partial^2 \hat y_k}{\partial y_i\,\partial y_l}",
    "second derivative of yhat",
    "kil",
)
yhat_k = symbol("yhat_k", r"\hat y_k", "entry k of yhat", "k")
yhat_i = symbol("yhat_i", r"\hat y_i", "entry i of yhat", "i")
yhat_l = symbol("yhat_l", r"\hat y_l", "entry l of yhat", "l")
delta_ki = symbol("delta_ki", r"\delta_{ki}", "1 if k = i, else 0", "ki")
delta_kl = symbol("delta_kl", r"\delta_{kl}", "1 if k = l, else 0", "kl")
delta_il = symbol("delta_il", r"\delta_{il}", "1 if i = l, else 0", "il")

# Directions h, k of a derivation, known by their inner products; where they are measured they are
# the inputs X e_k and X e_i over the batch.
h1 = symbol("<1,h>", r"\langle \mathbf{1}, h\rangle", "sum of h", "k")
hy = symbol("<h,yhat>", r"\langle h, \hat y\rangle", "h against yhat", "k")
hh = symbol("|h|^2", r"\|h\|^2", "squared norm of h", "k", nonnegative=True)
k1 = symbol("<1,k>", r"\langle \mathbf{1}, k\rangle", "sum of k", "i")
ky = symbol("<k,yhat>", r"\langle k, \hat y\rangle", "k against yhat", "i")
kk = symbol("|k|^2", r"\|k\|^2", "squared norm of k", "i", nonnegative=True)
hk = symbol("<h,k>", r"\langle h, k\rangle", "h against k", "ki")
gh = symbol("<g,h>", r"\langle g, h\rangle", "g against h", "k")
gk = symbol("<g,k>", r"\langle g, k\rangle", "g against k", "i")


def form(a: str, b: str, axes: str = "") -> sp.Symbol:
    """The Hessian at z between two vectors, as a symbol of its own."""
    tex = {"yhat": r"\hat y", "1": r"\mathbf{1}"}
    left, right = tex.get(a, a), tex.get(b, b)
    return symbol(
        f"H({a},{b})", f"{left}^\\top H {right}", f"Hessian at z between {a} and {b}", axes
    )


# The Hessian at z between 1, yhat and g, and along the directions h and k.
FORM: Final = {
    (a, b): form(a, b, axes)
    for a, b, axes in (
        ("1", "1", ""),
        ("1", "yhat", ""),
        ("1", "g", ""),
        ("yhat", "yhat", ""),
        ("yhat", "g", ""),
        ("g", "g", ""),
        ("1", "h", "k"),
        ("1", "k", "i"),
        ("yhat", "h", "k"),
        ("yhat", "k", "i"),
        ("h", "h", "k"),
        ("h", "k", "ki"),
        ("k", "k", "i"),
    )
}

# Definition of the layer.
beta = symbol("beta", r"\beta", "shift of the layer")
y_k = symbol("y_k", "y_k", "entry k of y", "k")
z_k = symbol("z_k", "z_k", "entry k of z", "k")
yy = symbol("|y|^2", r"\|y\|^2", "squared norm of y", nonnegative=True)
centred_norm = symbol(
    "|y - mu 1|", r"\|y - \mu\mathbf{1}\|", "norm of y less its mean", nonnegative=True
)
hat_mean = symbol("mean(yhat)", r"\mathrm{mean}(\hat y)", "batch mean of yhat")
hat_std = symbol(
    "std(yhat)", r"\mathrm{std}(\hat y)", "biased standard deviation of yhat", nonnegative=True
)
hat_norm = symbol("|yhat|", r"\|\hat y\|", "norm of yhat", nonnegative=True)
hat_gap = symbol(
    "|yhat_S - yhat|",
    r"\|\hat y_S - \hat y\|",
    "distance of yhat from yhat_S = (y - mu 1)/(sigma + eps)",
    nonnegative=True,
)
# The gradient of the same loss at y, where the network has no layer and z = y.
ll = symbol("|l|^2", r"\|\ell\|^2", "squared norm of the gradient l of L at y", nonnegative=True)
l1 = symbol("<1,l>", r"\langle \mathbf{1}, \ell\rangle", "sum of the gradient l of L at y")
ly = symbol("<l,yhat>", r"\langle \ell, \hat y\rangle", "gradient l of L at y against yhat")

# Random matrices: X = X_1 ... X_M, entries of variance 1/N.
M = symbol("M", "M", "number of factors", integer=True, positive=True)
phi = symbol("phi", r"\varphi", "parameter of the density, in (0, pi/(M+1))", positive=True)
x = symbol("x", "x", "point of the support", positive=True)
rho = symbol("rho", r"\rho_M(x)", "limiting density at x", nonnegative=True)
law_second = symbol(
    "int x^2 rho", r"\int x^2\rho_M(x)\,dx", "second moment of density (5)", nonnegative=True
)
law_first = symbol(
    "int x rho", r"\int x\,\rho_M(x)\,dx", "first moment of density (5)", nonnegative=True
)
sv_second = symbol(
    "E tr(X'X)/N",
    r"\tfrac1N\mathbb{E}\,\mathrm{tr}(X^\top X)",
    "mean squared singular value of X",
    nonnegative=True,
)


def projector(row: sp.Symbol, col: sp.Symbol, delta: sp.Symbol) -> sp.Expr:
    """Entry of ``P = I - 11'/m - yhat yhat'/m`` in terms of entries of yhat and delta."""
    return delta - 1 / m - row * col / m


class _Tex(LatexPrinter):
    """LaTeX with the positive terms of a sum first."""

    def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:
        return _positive_first(super()._as_ordered_terms(expr, order=order))


class _Text(StrPrinter):
    """Plain text with the positive terms of a sum first."""

    def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:
        return _positive_first(super()._as_ordered_terms(expr, order=order))


def _positive_first(terms: list[Any]) -> list[Any]:
    return sorted(terms, key=lambda term: bool(term.could_extract_minus_sign()))


def latex(expr: Any) -> str:
    """LaTeX of a SymPy object, with symbols printed as registered in `SYMBOLS`."""
    names = {symbol: info.latex for symbol, info in SYMBOLS.items()}
    return str(_Tex({"symbol_names": names}).doprint(expr))


def text(expr: Any) -> str:
    """One-line plain text of a SymPy object."""
    return str(_Text().doprint(expr))
