"""What a proof assumes, on random rational data: here an error of any size is seen.

`bnproof.simulate.audit` evaluates the same on thousands of instances, to twelve digits.  Here
values, lemmas and signs are evaluated exactly, on a few instances whose seed is the certificate
itself: an author cannot choose a value to fit them.
"""

import importlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Final

import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.common.checksum import canonical, digest
from bnproof.theory.proving.certificate import Certificate
from bnproof.theory.symbols import text

INSTANCES: Final = 1  # of each kind, at random: an identity that fails does so almost everywhere
DRAWS: Final = 12  # at most, as some lie outside the domain
DIGITS: Final = 50
# What draws the data of each kind, in the order of preference; imported on first use.
DRAWN: Final = (
    "random_layers.layer",
    "random_layers.curved",
    "random_layers.unit",
    "random_data.sums",
    "random_data.pair",
    "random_data.regression",
    "random_data.samples",
    "random_data.group",
)
Values = Mapping[sp.Symbol, sp.Expr]


@dataclass(frozen=True)
class Kind:
    """Data of one kind: how they are drawn, and the symbols that they give."""

    draw: Callable[..., Values]
    symbols: frozenset[sp.Symbol]


def reason(certificate: Certificate) -> str:
    """Which assumption fails on exact data, in words; empty if none does."""
    source = random.Random(seed_of(certificate))
    drawn: dict[Kind | None, list[Values]] = {}
    for words, relation in certificate.assumptions().items():
        kind = _kind(relation, certificate.domain)
        if kind not in drawn:
            drawn[kind] = list(islice(_inside(kind, certificate.domain, source), INSTANCES))
        for values in drawn[kind]:
            used = sorted(sym.in_primitives(relation, values).free_symbols, key=str)
            # Away from eps = 0 some symbols of scaled weights are not rational, and left out.
            if values.keys() >= set(used) and _fails(relation, values):
                data = ", ".join(f"{text(part)} = {text(values[part])}" for part in used)
                return f"the proof assumes {words[:200]}, which fails where {data[:300]}"
    return ""


def seed_of(certificate: Certificate) -> str:
    """The seed of the data: whoever changes a value changes them as well."""
    return digest(canonical(certificate.to_json()).encode())


def _fails(relation: sp.Basic, values: Values) -> bool:
    plain = sym.in_primitives(relation, values)
    difference = sp.sympify((plain.lhs - plain.rhs).xreplace(values))
    if not difference.is_Rational:  # with roots: to many more digits than a measurement has
        difference = sp.N(difference, DIGITS)
        difference = 0 if abs(difference) < sp.Float(10) ** (10 - DIGITS) else difference
    return bool(difference > 0 if isinstance(relation, sp.Le) else difference != 0)


def _inside(kind: Kind | None, domain: sp.Basic, source: random.Random) -> Iterator[Values]:
    """Instances in the domain, if there are data of a kind that has the symbols."""
    if kind is None:
        return
    for _ in range(DRAWS):
        values = kind.draw(source, domain)
        if sym.in_primitives(domain, values).xreplace(values) == sp.true:
            yield values


def _kind(*parts: sp.Basic) -> Kind | None:
    """The first kind of data that has all symbols."""
    for name in DRAWN:
        kind = kind_of(name)
        needed = [sym.in_primitives(part, kind.symbols).free_symbols for part in parts]
        if set().union(*needed) <= kind.symbols:
            return kind
    return None


@cache
def kind_of(name: str) -> Kind:
    """A kind of data by its entry in `DRAWN`."""
    module, function = name.split(".")
    draw = getattr(importlib.import_module(f"bnproof.theory.exact.{module}"), function)
    return Kind(draw, frozenset(draw(random.Random(0), sym.IDEAL)))
