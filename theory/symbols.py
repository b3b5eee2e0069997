"""Every symbol that a relation may use: what it means, its shape and how it is printed.

One unit of one batch-normalisation layer is studied.  Index convention: ``m`` is the batch size;
``i, k, l`` run over the batch.  ``y`` (m) are the activations before normalisation, ``mu`` and
``sigma**2`` their biased moments, ``s = sqrt(sigma**2 + eps)``, ``yhat = (y - mu)/s``,
``z = gamma*yhat + beta``.  The loss ``L`` is a function of ``z``; ``g`` and ``H`` are its gradient
and Hessian at ``z``; ``v`` and ``K`` are the gradient and Hessian of ``y -> L(z(y))`` at ``y``.

A symbol is a SymPy symbol whose *name* is what text output shows (``<g,yhat>``); its *axes* say
which tensor measures it: ``""`` is one number a problem, ``"ki"`` an m x m array, and so on.
"""

from dataclasses import dataclass
from typing import Any, Final

import sympy as sp
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter


@dataclass(frozen=True)
class SymbolInfo:
    """One symbol: its symbol, meaning, LaTeX and the axes of the array that measures it."""

    symbol: sp.Symbol
    meaning: str
    latex: str
    axes: str = ""


SYMBOLS: Final[dict[sp.Symbol, SymbolInfo]] = {}


def symbol(name: str, tex: str, meaning: str, axes: str = "", **assumptions: bool) -> sp.Symbol:
    """Create a symbol, real unless told otherwise, and enter it in `SYMBOLS`.

    Symbols of the layer stand below; those of one subject stand in its module
    (`bnproof.theory.training.sgd`, say).

    Raises
    ------
    ValueError
        If the symbol is there already.
    """
    symbol = sp.Symbol(name, **(assumptions or {"real": True}))
    if symbol in SYMBOLS:
        raise ValueError(f"the symbol {name} is there already: {SYMBOLS[symbol].meaning}")
    SYMBOLS[symbol] = SymbolInfo(symbol, meaning, tex, axes)
    return symbol


# The layer.
m = symbol("m", "m", "batch size", integer=True, positive=True)
gamma = symbol("gamma", r"\gamma", "scale of the layer (any sign)")
mu = symbol("mu", r"\mu", "batch mean of y")
sigma = symbol("sigma", r"\sigma", "biased standard deviation of y", positive=True)
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

# Directions h, k of a derivation, known by their inner products.
h1 = symbol("<1,h>", r"\langle \mathbf{1}, h\rangle", "sum of h")
hy = symbol("<h,yhat>", r"\langle h, \hat y\rangle", "h against yhat")
hh = symbol("|h|^2", r"\|h\|^2", "squared norm of h", nonnegative=True)
k1 = symbol("<1,k>", r"\langle \mathbf{1}, k\rangle", "sum of k")
ky = symbol("<k,yhat>", r"\langle k, \hat y\rangle", "k against yhat")
kk = symbol("|k|^2", r"\|k\|^2", "squared norm of k", nonnegative=True)
hk = symbol("<h,k>", r"\langle h, k\rangle", "h against k")
gh = symbol("<g,h>", r"\langle g, h\rangle", "g against h")

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
    """LaTeX of a SymPy object, every symbol printed as `SYMBOLS` says."""
    names = {symbol: symbol.latex for symbol, symbol in SYMBOLS.items()}
    return str(_Tex({"symbol_names": names}).doprint(expr))


def text(expr: Any) -> str:
    """One-line plain text of a SymPy object."""
    return str(_Text().doprint(expr))
