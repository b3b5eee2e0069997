"""The letters of one layer as Coq terms of raw data: the batch y, the loss L and its gradients.

A theorem about letters becomes one about layers when each letter is replaced by its definition;
`Letters.v` proves, for every batch size, what the theorem asks of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import sympy as sp

from bnproof.theory import symbols as sym


@dataclass(frozen=True)
class Datum:
    """Something that letters are measured on besides the batch: its variables, what is said of it.

    `needs` names the data that its hypotheses mention.
    """

    variables: str
    hypotheses: tuple[str, ...]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definition:
    """A letter as a Coq term, and the data that it is measured on."""

    term: str
    on: tuple[str, ...] = ()


DATA: Final[Mapping[str, Datum]] = {
    "L": Datum("(L : (nat -> R) -> R)", ()),
    "g": Datum("(g : nat -> R)", ("gradient m L (z m eps gamma beta y) g",), ("L",)),
    "v": Datum(
        "(v : nat -> R)", ("gradient m (fun w => L (z m eps gamma beta w)) y v",), ("L", "g")
    ),
    "l": Datum("(l : nat -> R)", ("gradient m L y l",), ("L",)),
    "q": Datum(
        "(q : nat -> R)",
        ("gradient m (fun u => L (fun i => gamma * u i + beta)) (yhat m eps y) q",),
        ("L",),
    ),
    "k": Datum("(k : nat)", ("(k < m)%nat",)),
    "i": Datum("(i : nat)", ("(i < m)%nat",)),
    "J": Datum("(J : nat -> R)", ("gradient m (fun w => yhat m eps w k) y J",), ("k",)),
}
HAT: Final = "(yhat m eps y)"
GAP: Final = f"(minus (slides_yhat m eps y) {HAT})"
DEFINITIONS: Final[Mapping[sp.Symbol, Definition]] = {
    sym.m: Definition("(INR m)"),
    sym.gamma: Definition("gamma"),
    sym.beta: Definition("beta"),
    sym.eps: Definition("eps"),
    sym.mu: Definition("(mean m y)"),
    sym.sigma: Definition("(sigma m y)"),
    sym.s: Definition("(s m eps y)"),
    sym.g1: Definition("(sum m g)", ("g",)),
    sym.gy: Definition(f"(dot m g {HAT})", ("g",)),
    sym.gg: Definition("(dot m g g)", ("g",)),
    sym.vv: Definition("(dot m v v)", ("v",)),
    sym.vy: Definition(f"(dot m v {HAT})", ("v",)),
    sym.l1: Definition("(sum m l)", ("l",)),
    sym.ly: Definition(f"(dot m l {HAT})", ("l",)),
    sym.ll: Definition("(dot m l l)", ("l",)),
    sym.grad_yhat: Definition("(sqrt (dot m q q))", ("q",)),
    sym.yy: Definition("(dot m y y)"),
    sym.centred_norm: Definition("(sqrt (dot m (centred m y) (centred m y)))"),
    sym.hat_mean: Definition(f"(mean m {HAT})"),
    sym.hat_std: Definition(f"(sigma m {HAT})"),
    sym.hat_norm: Definition(f"(sqrt (dot m {HAT} {HAT}))"),
    sym.hat_gap: Definition(f"(sqrt (dot m {GAP} {GAP}))"),
    sym.y_k: Definition("(y k)", ("k",)),
    sym.z_k: Definition("(z m eps gamma beta y k)", ("k",)),
    sym.yhat_k: Definition("(yhat m eps y k)", ("k",)),
    sym.yhat_i: Definition("(yhat m eps y i)", ("i",)),
    sym.delta_ki: Definition("(delta k i)", ("k", "i")),
    sym.J_ki: Definition("(J i)", ("i", "J")),
}


def defined(letters: Iterable[sp.Symbol]) -> bool:
    """Whether every letter is one of a layer with a definition here."""
    return all(letter in DEFINITIONS for letter in letters)


def data(letters: Iterable[sp.Symbol]) -> list[str]:
    """Names of the data that `letters` are measured on, each after those that it needs."""
    wanted = {name for letter in letters for name in DEFINITIONS[letter].on}
    wanted |= {name for one in wanted for name in DATA[one].needs}
    return [name for name in DATA if name in wanted]


def names(letters: Iterable[sp.Symbol]) -> dict[sp.Symbol, str]:
    """Each letter's term, for a printer."""
    return {letter: DEFINITIONS[letter].term for letter in letters}


def binder(letters: Iterable[sp.Symbol]) -> str:
    """The variables of a theorem about a layer that has these letters."""
    more = " ".join(DATA[name].variables for name in data(letters))
    return f"forall (m : nat) (eps gamma beta : R) (y : nat -> R) {more}".rstrip()


def hypotheses(letters: Iterable[sp.Symbol]) -> list[str]:
    """What is assumed of the layer and its loss, as Coq propositions.

    The layer is defined and eps is not negative; y is not constant where sigma, which is declared
    positive, is among the letters.
    """
    letters = set(letters)
    assumed = ["defined m eps y", "0 <= eps"]
    assumed += ["0 < sigma m y"] if sym.sigma in letters else []
    return assumed + [said for name in data(letters) for said in DATA[name].hypotheses]
