"""A counterexample as a Coq theorem: the relation does not hold for all data that it is said of.

Where the counterexample is raw data of a layer and every symbol has a definition in
`bnproof.theory.kernel.definitions`, the theorem is about layers, and Coq computes the symbols
itself.  Elsewhere the data are the symbols' exact values, as they were measured.
"""

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final

import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.claim import Counterexample
from bnproof.theory.exact.evaluate import FIRST, Indices
from bnproof.theory.kernel import definitions
from bnproof.theory.kernel.export import Script, Theorem, ordered, parts, signs
from bnproof.theory.kernel.terms import CALL, NotExportedError, Printer, identifiers
from bnproof.theory.symbols import in_primitives

HEAD: Final = """\
From Coq Require Import Reals Lra Lia List.
From BNProof Require Import Tactics Sums Gradient Layer Derivative Curvature Symbols Counterexample.
Import ListNotations.
Local Open Scope R_scope.
"""
# The counterexample in Coq, and what the hypotheses of a theorem about layers say of it.
DATA: Final = """\
Notation m0 := {size}%nat.
Notation eps0 := {eps}.
Notation gamma0 := {gamma}.
Notation beta0 := {beta}.
Notation y0 := (array {y}).
Notation A0 := (matrix {A}).
Notation b0 := (array {b}).
Notation L0 := (quadratic m0 A0 b0).
Notation g0 := (quadratic_gradient m0 A0 b0 (z m0 eps0 gamma0 beta0 y0)).
Notation v0 := (pulled m0 eps0 y0 gamma0 g0).
Notation H0 := (quadratic_hessian A0).
Notation K0 := (layer_hessian m0 eps0 gamma0 beta0 y0 (quadratic_gradient m0 A0 b0) H0).
Notation q0 := (fun i => gamma0 * g0 i).
Notation f0 := (quadratic_gradient m0 A0 b0 y0).
Notation k0 := {k}%nat.
Notation i0 := {i}%nat.
Notation J0 := (jacobian m0 eps0 y0 k0).
"""
FACTS: Final = """\
  assert (ok : defined m0 eps0 y0) by (split; [lia | lra]).
  pose proof (gradient_quadratic m0 A0 b0 (z m0 eps0 gamma0 beta0 y0)) as loss.
  pose proof (gradient_loss m0 eps0 y0 ok gamma0 beta0 L0 g0 loss) as back.
  pose proof (hessian_quadratic m0 A0 b0 (z m0 eps0 gamma0 beta0 y0)) as second.
  pose proof (hessian_quadratic_layer m0 eps0 gamma0 beta0 y0 A0 b0 ok) as third.
  pose proof (gradient_scaled m0 eps0 y0 gamma0 beta0 L0 g0 loss) as scaled.
  pose proof (gradient_quadratic m0 A0 b0 y0) as without.
  pose proof (gradient_yhat m0 eps0 y0 ok k0 ltac:(lia)) as row."""
Values = Mapping[sp.Symbol, sp.Expr]


def from_symbols(name: str, relation: sp.Basic, domain: sp.Basic, values: Values) -> Theorem:
    """Refute a relation by exact values of its symbols.

    Raises
    ------
    NotExportedError
        If a value or the relation is not exported, or a symbol has no value.
    """
    relation, domain = (in_primitives(part, values) for part in (relation, domain))
    symbols = ordered(relation.free_symbols | domain.free_symbols)
    numbers = _numbers(symbols, values)
    printer = Printer(identifiers(symbols))
    binder = f"forall {' '.join(printer.names.values())} : R"
    script = Script()
    script.add(HEAD)
    _state(script, name, [f"{binder},", *signs(printer)], relation, domain, printer)
    script.add(f"  specialize (claim {' '.join(numbers.values())}).")
    _conclude(script, name, printer, values)
    return script.theorem(name, "Counterexample", "from exact values of its symbols")


def from_data(
    name: str,
    relation: sp.Basic,
    domain: sp.Basic,
    case: Counterexample,
    values: Values,
    at: Indices = FIRST,
) -> Theorem:
    """Refute a relation of the symbols of a layer by a batch, a quadratic loss and parameters.

    `values` are what the symbols are expected to be at the samples `at`; Coq computes them from the
    data.

    Raises
    ------
    NotExportedError
        If a symbol has no definition as a Coq term, or the relation is not exported.
    """
    symbols = ordered(relation.free_symbols | domain.free_symbols)
    strange = [str(symbol) for symbol in symbols if not definitions.computable(symbol)]
    if strange:
        raise NotExportedError(f"{', '.join(strange)} cannot be computed in Coq")
    printer = Printer(definitions.names(symbols))
    script = Script()
    script.add(HEAD + _data(case, at))
    opening = [f"{definitions.binder(symbols)},", *definitions.hypotheses(symbols)]
    _state(script, name, opening, relation, domain, printer)
    root = _numbers([sym.s], values)[sym.s]
    script.show("spread", f"variance m0 y0 + eps0 = {root} ^ 2", "computed", "sigma^2 + eps")
    script.show("root", f"s m0 eps0 y0 = {root}", "apply sqrt_of_square; lra", "s")
    script.add(FACTS)
    chosen = " ".join(f"{one}0" for one in definitions.data(symbols))
    script.add(f"  specialize (claim m0 eps0 gamma0 beta0 y0 {chosen}).")
    numbers = _numbers(symbols, values)
    terms = {symbol: _at_data(definitions.DEFINITIONS[symbol].term) for symbol in symbols}
    # Long terms first: others are parts of them.
    for index, (symbol, term) in enumerate(sorted(terms.items(), key=lambda one: -len(one[1]))):
        number = numbers[symbol]
        if not re.fullmatch(r"\w+", term):  # a parameter of the layer is a number already
            script.show(f"V{index}", f"{term} = {number}", "valued", f"{symbol} = {values[symbol]}")
            script.add(f"  rewrite ?V{index} in claim.")
    _conclude(script, name, printer, values)
    return script.theorem(name, "Counterexample", "from raw data")


def _state(
    script: Script,
    name: str,
    opening: Iterable[str],
    relation: sp.Basic,
    domain: sp.Basic,
    printer: Printer,
) -> None:
    """State that the relation does not hold wherever its hypotheses do and it is defined."""
    claim = printer.relation(relation)
    binder, *assumed = opening
    script.add(f"Theorem {name} : ~ (\n  {binder}")
    conditions = map(printer.condition, list(printer.conditions))
    for line in [*assumed, *parts(domain, printer), *conditions]:
        script.add(f"  {line} ->")
    script.add(f"  {claim}).\nProof.\n  intros claim.")


def _conclude(script: Script, name: str, printer: Printer, values: Values) -> None:
    """See that the data satisfy the hypotheses, and that the relation fails there."""
    at = Printer(_numbers(printer.names, values))
    for index, atom in enumerate(printer.atoms):
        value = sp.simplify(atom.subs(values))
        if value.is_Rational:
            script.show(f"W{index}", f"{at.term(atom)} = {at.term(value)}", "atomic", str(atom))
            script.add(f"  rewrite ?W{index} in claim.")
    script.add("  discharge claim.", "the data lie in the domain")
    script.add("  fails claim.", "the relation fails at the data")
    script.add(f"Qed.\nPrint Assumptions {name}.")


def _numbers(symbols: Iterable[sp.Symbol], values: Values) -> dict[sp.Symbol, str]:
    """The value of each symbol as a Coq term.

    Raises
    ------
    NotExportedError
        If there is none, or it is neither rational nor made of square roots.
    """
    missing = [str(symbol) for symbol in symbols if symbol not in values]
    if missing:
        raise NotExportedError(f"no value of {', '.join(missing)} is known")
    return {symbol: Printer({}).term(sp.sympify(values[symbol]), CALL) for symbol in symbols}


def _data(case: Counterexample, at: Indices) -> str:
    return DATA.format(
        k=at[0],
        i=at[1],
        size=len(case.y),
        eps=_number(case.eps),
        gamma=_number(case.gamma),
        beta=_number(case.beta),
        y=_list(case.y),
        A="[" + "; ".join(map(_list, case.A)) + "]",
        b=_list(case.b),
    )


def _list(numbers: Iterable[Fraction]) -> str:
    return "[" + "; ".join(map(_number, numbers)) + "]"


def _number(value: Fraction) -> str:
    return Printer({}).term(sp.Rational(value), CALL)


def _at_data(term: str) -> str:
    """A definition with the data put in: every variable is followed by a 0."""
    return re.sub(r"\b(m|eps|gamma|beta|y|k|i|L|g|v|H|K|q|f|J)\b", r"\g<1>0", term)
