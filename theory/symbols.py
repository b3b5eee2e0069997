"""Every letter that a relation may use: what it means, its shape and how it is printed.

One unit of one batch-normalisation layer is studied.  Index convention: ``m`` is the batch size;
``i, k, l`` run over the batch.  ``y`` (m) are the activations before normalisation, ``mu`` and
``sigma**2`` their biased moments, ``s = sqrt(sigma**2 + eps)``, ``yhat = (y - mu)/s``,
``z = gamma*yhat + beta``.  The loss ``L`` is a function of ``z``; ``g`` and ``H`` are its gradient
and Hessian at ``z``; ``v`` and ``K`` are the gradient and Hessian of ``y -> L(z(y))`` at ``y``.

A letter is a SymPy symbol whose *name* is what text output shows (``<g,yhat>``); its *axes* say
which tensor measures it: ``""`` is one number a problem, ``"ki"`` an m x m array, and so on.
"""

from dataclasses import dataclass
from typing import Any, Final

import sympy as sp
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter


@dataclass(frozen=True)
class Letter:
    """One letter: its symbol, meaning, LaTeX and the axes of the array that measures it."""

    symbol: sp.Symbol
    meaning: str
    latex: str
    axes: str = ""


LETTERS: Final[dict[sp.Symbol, Letter]] = {}


def letter(name: str, tex: str, meaning: str, axes: str = "", **assumptions: bool) -> sp.Symbol:
    """Create a symbol, real unless told otherwise, and enter it in `LETTERS`.

    Letters of the layer stand below; those of one subject stand in its module
    (`bnproof.theory.training.sgd`, say).

    Raises
    ------
    ValueError
        If the letter is there already.
    """
    symbol = sp.Symbol(name, **(assumptions or {"real": True}))
    if symbol in LETTERS:
        raise ValueError(f"the letter {name} is there already: {LETTERS[symbol].meaning}")
    LETTERS[symbol] = Letter(symbol, meaning, tex, axes)
    return symbol


# The layer.
m = letter("m", "m", "batch size", integer=True, positive=True)
gamma = letter("gamma", r"\gamma", "scale of the layer (any sign)")
mu = letter("mu", r"\mu", "batch mean of y")
sigma = letter("sigma", r"\sigma", "biased standard deviation of y", positive=True)
eps = letter("eps", r"\varepsilon", "constant under the root", nonnegative=True)
s = letter("s", "s", "sqrt(sigma^2 + eps)", positive=True)

# Gradient and Hessian of the loss, contracted to numbers.
g1 = letter("<1,g>", r"\langle \mathbf{1}, g\rangle", "sum of the gradient at z")
gy = letter("<g,yhat>", r"\langle g, \hat y\rangle", "gradient at z against yhat")
gg = letter("|g|^2", r"\|g\|^2", "squared norm of the gradient at z", nonnegative=True)
vv = letter("|v|^2", r"\|v\|^2", "squared norm of the gradient at y", nonnegative=True)
vHv = letter("v'Hv", r"v^\top H v", "Hessian at z along v")
vKv = letter("v'Kv", r"v^\top K v", "Hessian of y -> L(z(y)) along v")
vy = letter("<v,yhat>", r"\langle v, \hat y\rangle", "gradient at y against yhat")
gPv = letter("g'Pv", r"g^\top P v", "g against Pv")
vPv = letter("v'Pv", r"v^\top P v", "v against Pv")
PvHPv = letter("(Pv)'H(Pv)", r"(Pv)^\top H (Pv)", "Hessian at z along Pv")
grad_yhat = letter(
    "|grad_yhat L|",
    r"\|\nabla_{\hat y} L\|",
    "norm of the gradient with respect to yhat",
    nonnegative=True,
)

# Entries.
J_ki = letter("J_ki", r"\frac{\partial \hat y_k}{\partial y_i}", "Jacobian of yhat", "ki")
T_kil = letter(
    "T_kil",
    r"\frac{\partial^2 \hat y_k}{\partial y_i\,\partial y_l}",
    "second derivative of yhat",
    "kil",
)
yhat_k = letter("yhat_k", r"\hat y_k", "entry k of yhat", "k")
yhat_i = letter("yhat_i", r"\hat y_i", "entry i of yhat", "i")
yhat_l = letter("yhat_l", r"\hat y_l", "entry l of yhat", "l")
delta_ki = letter("delta_ki", r"\delta_{ki}", "1 if k = i, else 0", "ki")
delta_kl = letter("delta_kl", r"\delta_{kl}", "1 if k = l, else 0", "kl")
delta_il = letter("delta_il", r"\delta_{il}", "1 if i = l, else 0", "il")

# Directions h, k of a derivation, known by their inner products.
h1 = letter("<1,h>", r"\langle \mathbf{1}, h\rangle", "sum of h")
hy = letter("<h,yhat>", r"\langle h, \hat y\rangle", "h against yhat")
hh = letter("|h|^2", r"\|h\|^2", "squared norm of h", nonnegative=True)
k1 = letter("<1,k>", r"\langle \mathbf{1}, k\rangle", "sum of k")
ky = letter("<k,yhat>", r"\langle k, \hat y\rangle", "k against yhat")
kk = letter("|k|^2", r"\|k\|^2", "squared norm of k", nonnegative=True)
hk = letter("<h,k>", r"\langle h, k\rangle", "h against k")
gh = letter("<g,h>", r"\langle g, h\rangle", "g against h")

# Definition of the layer.
beta = letter("beta", r"\beta", "shift of the layer")
y_k = letter("y_k", "y_k", "entry k of y", "k")
z_k = letter("z_k", "z_k", "entry k of z", "k")
yy = letter("|y|^2", r"\|y\|^2", "squared norm of y", nonnegative=True)
centred_norm = letter(
    "|y - mu 1|", r"\|y - \mu\mathbf{1}\|", "norm of y less its mean", nonnegative=True
)
hat_mean = letter("mean(yhat)", r"\mathrm{mean}(\hat y)", "batch mean of yhat")
hat_std = letter(
    "std(yhat)", r"\mathrm{std}(\hat y)", "biased standard deviation of yhat", nonnegative=True
)
hat_norm = letter("|yhat|", r"\|\hat y\|", "norm of yhat", nonnegative=True)
hat_gap = letter(
    "|yhat_S - yhat|",
    r"\|\hat y_S - \hat y\|",
    "distance of yhat from yhat_S = (y - mu 1)/(sigma + eps)",
    nonnegative=True,
)
# The gradient of the same loss at y, where the network has no layer and z = y.
ll = letter("|l|^2", r"\|\ell\|^2", "squared norm of the gradient l of L at y", nonnegative=True)
l1 = letter("<1,l>", r"\langle \mathbf{1}, \ell\rangle", "sum of the gradient l of L at y")
ly = letter("<l,yhat>", r"\langle \ell, \hat y\rangle", "gradient l of L at y against yhat")

# Random matrices: X = X_1 ... X_M, entries of variance 1/N.
M = letter("M", "M", "number of factors", integer=True, positive=True)
phi = letter("phi", r"\varphi", "parameter of the density, in (0, pi/(M+1))", positive=True)
x = letter("x", "x", "point of the support", positive=True)
rho = letter("rho", r"\rho_M(x)", "limiting density at x", nonnegative=True)
law_second = letter(
    "int x^2 rho", r"\int x^2\rho_M(x)\,dx", "second moment of density (5)", nonnegative=True
)
law_first = letter(
    "int x rho", r"\int x\,\rho_M(x)\,dx", "first moment of density (5)", nonnegative=True
)
sv_second = letter(
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
    """LaTeX of a SymPy object, every letter printed as `LETTERS` says."""
    names = {symbol: letter.latex for symbol, letter in LETTERS.items()}
    return str(_Tex({"symbol_names": names}).doprint(expr))


def text(expr: Any) -> str:
    """One-line plain text of a SymPy object."""
    return str(_Text().doprint(expr))
