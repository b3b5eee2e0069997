"""The symbols of one layer as Coq terms of raw data: the batch y, the loss L and its gradients.

A theorem about symbols becomes one about layers when each symbol is replaced by its definition;
`Symbols.v` proves, for every batch size, what the theorem asks of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.layer import batchnorm, curvature


@dataclass(frozen=True)
class Datum:
    """Something that symbols are measured on besides the batch.

    Attributes
    ----------
    variable
        Its variable, with the type.
    hypothesis
        What is assumed of it, or empty.
    needs
        The data that are assumed beside it.
    """

    variable: str
    hypothesis: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definition:
    """A symbol as a Coq term, and the data that it is measured on."""

    term: str
    on: tuple[str, ...] = ()


SPAN: Final = {"1": "one", "yhat": "(yhat m eps y)", "g": "g"}
AT_Z: Final = "(z m eps gamma beta y)"
LAYERED: Final = "(fun w => L (z m eps gamma beta w))"
DATA: Final[Mapping[str, Datum]] = {
    "L": Datum("(L : (nat -> R) -> R)", ""),
    "g": Datum("(g : nat -> R)", f"gradient m L {AT_Z} g", ("L",)),
    "v": Datum("(v : nat -> R)", f"gradient m {LAYERED} y v", ("L", "g")),
    "H": Datum("(H : nat -> nat -> R)", f"hessian m L {AT_Z} H", ("L",)),
    "K": Datum("(K : nat -> nat -> R)", f"hessian m {LAYERED} y K", ("L", "g", "v", "H")),
    "q": Datum(
        "(q : nat -> R)",
        "gradient m (fun u => L (fun i => gamma * u i + beta)) (yhat m eps y) q",
        ("L",),
    ),
    "f": Datum("(f : nat -> R)", "gradient m L y f", ("L",)),
    "k": Datum("(k : nat)", "(k < m)%nat"),
    "i": Datum("(i : nat)", "(i < m)%nat"),
    "l": Datum("(l : nat)", "(l < m)%nat"),
    "J": Datum("(J : nat -> R)", "gradient m (fun w => yhat m eps w k) y J", ("k",)),
    "T": Datum("(T : nat -> nat -> R)", "hessian m (fun w => yhat m eps w k) y T", ("k",)),
}
HAT: Final = "(yhat m eps y)"
GAP: Final = f"(minus (slides_yhat m eps y) {HAT})"
PROJECTED: Final = "(project m eps y v)"
DEFINITIONS: Final[Mapping[sp.Symbol, Definition]] = {
    sym.m: Definition("INR m"),
    sym.gamma: Definition("gamma"),
    sym.beta: Definition("beta"),
    sym.eps: Definition("eps"),
    sym.mu: Definition("mean m y"),
    sym.sigma: Definition("sigma m y"),
    sym.s: Definition("s m eps y"),
    # Gradient and Hessian of the loss.
    sym.g1: Definition("sum m g", ("g",)),
    sym.gy: Definition(f"dot m g {HAT}", ("g",)),
    sym.gg: Definition("dot m g g", ("g",)),
    sym.vv: Definition("dot m v v", ("v",)),
    sym.vy: Definition(f"dot m v {HAT}", ("v",)),
    sym.gPv: Definition(f"dot m g {PROJECTED}", ("v",)),
    sym.vPv: Definition(f"dot m v {PROJECTED}", ("v",)),
    sym.vHv: Definition("form m H v v", ("v", "H")),
    sym.PvHPv: Definition(f"form m H {PROJECTED} {PROJECTED}", ("v", "H")),
    sym.vKv: Definition("form m K v v", ("K",)),
    sym.grad_yhat: Definition("sqrt (dot m q q)", ("q",)),
    curvature.gHg: Definition("form m H g g", ("g", "H")),
    curvature.ordered: Definition("(form m H g g - form m H v v)", ("v", "H")),
    curvature.relative: Definition(
        "(dot m v v * form m H g g - dot m g g * form m H v v)", ("v", "H")
    ),
    curvature.gz: Definition(f"(gamma * dot m g {HAT})", ("g",)),
    curvature.shrink: Definition("(sigma m y ^ 2 - gamma ^ 2)"),
    **{
        value: Definition(f"symmetric m H {SPAN[a]} {SPAN[b]}", ("g", "H"))
        for (a, b), value in batchnorm.LOSS.form.items()
        if str(value) == f"H({a},{b})"  # there under (b, a) as well
    },
    # The same loss without the layer.
    sym.l1: Definition("sum m f", ("f",)),
    sym.ly: Definition(f"dot m f {HAT}", ("f",)),
    sym.ll: Definition("dot m f f", ("f",)),
    # The layer itself.
    sym.yy: Definition("dot m y y"),
    sym.centred_norm: Definition("sqrt (dot m (centred m y) (centred m y))"),
    sym.hat_mean: Definition(f"mean m {HAT}"),
    sym.hat_std: Definition(f"sigma m {HAT}"),
    sym.hat_norm: Definition(f"sqrt (dot m {HAT} {HAT})"),
    sym.hat_gap: Definition(f"sqrt (dot m {GAP} {GAP})"),
    # Entries.
    sym.y_k: Definition("y k", ("k",)),
    sym.z_k: Definition("z m eps gamma beta y k", ("k",)),
    sym.yhat_k: Definition("yhat m eps y k", ("k",)),
    sym.yhat_i: Definition("yhat m eps y i", ("i",)),
    sym.yhat_l: Definition("yhat m eps y l", ("l",)),
    sym.delta_ki: Definition("delta k i", ("k", "i")),
    sym.delta_kl: Definition("delta k l", ("k", "l")),
    sym.delta_il: Definition("delta i l", ("i", "l")),
    sym.J_ki: Definition("J i", ("i", "J")),
    sym.T_kil: Definition("T i l", ("i", "l", "T")),
}


def defined(symbols: Iterable[sp.Symbol]) -> bool:
    """Whether every symbol is one of a layer with a definition here."""
    return all(symbol in DEFINITIONS for symbol in symbols)


def computable(symbol: sp.Symbol) -> bool:
    """Whether Coq can compute the symbol at given data, entries of second derivatives apart."""
    return symbol in DEFINITIONS and not {"l", "T"} & set(DEFINITIONS[symbol].on)


def data(symbols: Iterable[sp.Symbol]) -> list[str]:
    """Names of the data that `symbols` are measured on, each after those that it needs."""
    wanted = {name for symbol in symbols for name in DEFINITIONS[symbol].on}
    wanted.update(name for one in tuple(wanted) for name in DATA[one].needs)
    return [name for name in DATA if name in wanted]


def names(symbols: Iterable[sp.Symbol]) -> dict[sp.Symbol, str]:
    """Each symbol's term, for a printer."""
    return {symbol: DEFINITIONS[symbol].term for symbol in symbols}


def binder(symbols: Iterable[sp.Symbol]) -> str:
    """The variables of a theorem about a layer that has these symbols."""
    more = " ".join(DATA[name].variable for name in data(symbols))
    return f"forall (m : nat) (eps gamma beta : R) (y : nat -> R) {more}".rstrip()


def hypotheses(symbols: Iterable[sp.Symbol]) -> list[str]:
    """What is assumed of the layer and its loss, as Coq propositions.

    The layer is defined and eps is not negative; y is not constant where sigma, which is declared
    positive, is among the symbols.
    """
    symbols = set(symbols)
    assumed = ["defined m eps y", "0 <= eps"]
    assumed += ["0 < sigma m y"] if sym.sigma in symbols else []
    return assumed + [DATA[name].hypothesis for name in data(symbols) if DATA[name].hypothesis]
