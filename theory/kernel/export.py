"""A certificate as a Coq theorem with its proof.

The theorem says: for all real symbols with their declared signs, on the domain, if each symbol
that has a rule equals its rule, then every denominator is not 0, every argument of a root is not
negative, **and** the relation holds.  Where all symbols are those of one layer, a second theorem
says the same of the layer itself, and nothing is assumed of the symbols any more.

The proofs are scripts: Coq decides whether they are proofs, so that only statements need be read.
All that is read of a certificate is `relation`, `domain`, `rules`, and the `expr` and the lemma of
each term of `slack`; all that is read of a symbol is its name, its assumptions and, if it is
derived, its expression.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import sympy as sp

from bnproof.theory.kernel import definitions
from bnproof.theory.kernel.terms import (
    CALL,
    POWER,
    SUM,
    Condition,
    NotExportedError,
    Printer,
    identifiers,
)
from bnproof.theory.proving.certificate import Certificate, Term, implies_eps_zero
from bnproof.theory.proving.lemmas import LEMMAS, Positive
from bnproof.theory.symbols import SYMBOLS, eps, s, sigma, text

HEAD: Final = """\
From Coq Require Import Reals Lra.
From BNProof Require Import {library}.
Local Open Scope R_scope.
"""
ALGEBRA: Final = "Tactics"
LAYER: Final = "Tactics Sums Gradient Layer Derivative Curvature Symbols"
# By the sign of a condition: what it says, what shows it, and the lemma that carries it over an
# equation.
SAID: Final = {"<>": "is not 0", "<": "is positive", "<=": "is not negative"}
TACTICS: Final = {"<>": "nonzero", "<": "pos", "<=": "nonneg"}
EQUAL: Final = {"<>": "nonzero_equal", "<": "pos_equal", "<=": "nonneg_equal"}


@dataclass(frozen=True)
class Theorem:
    """A Coq file that states and proves a theorem.

    Attributes
    ----------
    name
        The theorem's name, and the file's.
    source
        The file's text.
    aims
        What a line of the file shows, by its number, in words.
    library
        The last of the project's own Coq files that it uses.
    scope
        What the theorem starts from, in words.
    """

    name: str
    source: str
    aims: Mapping[int, str]
    library: str
    scope: str


@dataclass
class Script:
    """The lines of a Coq file under construction, with what each shows."""

    lines: list[str] = field(default_factory=list)
    aims: dict[int, str] = field(default_factory=dict)

    def add(self, text: str, aim: str = "") -> None:
        """Add a line, or several; the last has the aim."""
        self.lines += text.split("\n")
        if aim:
            self.aims[len(self.lines)] = aim

    def show(self, label: str, what: str, tactic: str, aim: str) -> None:
        """Add an assertion with its proof."""
        self.add(f"  assert ({label} : {what}) by ({tactic}).", aim)

    def theorem(self, name: str, library: str, scope: str) -> Theorem:
        """The finished file."""
        return Theorem(name, "\n".join(self.lines) + "\n", self.aims, library, scope)


def theorem(name: str, certificate: Certificate) -> Theorem:
    """State a certificate as the Coq theorem `name`, and write down its proof.

    Raises
    ------
    NotExportedError
        If it is not rational in its symbols, roots, absolute values and logarithms.
    """
    relation = certificate.relation
    if not isinstance(relation, sp.Eq | sp.LessThan):
        raise NotExportedError(f"a proof is for = or <=, not {type(relation).__name__}")
    proved = positives(certificate)
    certificate = spelled(certificate)
    symbols = ordered(_symbols(certificate))
    printer = Printer(identifiers(symbols))
    hypotheses = [*signs(printer), *parts(certificate.domain, printer)]
    hypotheses += [f"0 < {printer.names[one.symbol]}" for one in proved]
    for symbol, value in certificate.rules.items():
        hypotheses.append(f"{printer.names[symbol]} = {printer.term(value)}")
    claim = printer.relation(relation)
    slack = [printer.term(term.expr, SUM) for term in certificate.slack]
    conditions = list(printer.conditions)

    layered = definitions.defined(symbols)
    script = Script()
    script.add(HEAD.format(library=LAYER if layered else ALGEBRA))
    script.add(f"Theorem {name} :\n  forall {' '.join(printer.names.values())} : R,")
    _state(script, hypotheses, map(printer.condition, conditions), claim)
    script.add("Proof.\n  intros.")
    _prove(script, certificate, printer, conditions, slack)
    script.add(f"  repeat split; assumption.\nQed.\nPrint Assumptions {name}.")
    if not layered:
        return script.theorem(name, "Tactics", "from its rules")
    _add_from_definition(script, name, certificate, symbols, conditions)
    return script.theorem(name, "Symbols", "from the definition of the layer")


def spelled(certificate: Certificate) -> Certificate:
    """The certificate with a rule for each derived symbol, and a symbol for each lemma.

    That a lemma's symbol is not negative is assumed, that it is the lemma's expression is its rule.
    """
    rules, slack = dict(certificate.rules), []
    for index, term in enumerate(certificate.slack):
        expr = term.expr
        if term.lemma:
            lemma = sp.Symbol(f"lemma {index}", nonnegative=True)
            rules[lemma] = LEMMAS[term.lemma].expression
            expr = expr * lemma
        slack.append(Term(expr, term.reason))
    plain = replace(certificate, rules=rules, slack=tuple(slack))
    for symbol in ordered(plain.symbols()):
        if symbol in SYMBOLS and SYMBOLS[symbol].expression is not None:
            rules.setdefault(symbol, SYMBOLS[symbol].expression)
    return replace(plain, rules=rules)


def positives(certificate: Certificate) -> list[Positive]:
    """Signs that the theorem of a certificate assumes; `theorem` states each from its own."""
    return [one for one in certificate.positives() if one.certificate != certificate]


def ordered(symbols: Iterable[sp.Symbol]) -> list[sp.Symbol]:
    """Symbols in the order in which a theorem lists them."""
    return sorted(symbols, key=lambda one: (str(one), sp.srepr(one)))


def signs(printer: Printer) -> Iterator[str]:
    """Hypotheses on the symbols: their declared signs, and what s is."""
    for symbol, name in printer.names.items():
        if symbol.is_integer and symbol.is_positive:
            yield f"1 <= {name}"
        elif symbol.is_positive:
            yield f"0 < {name}"
        elif symbol.is_nonnegative:
            yield f"0 <= {name}"
    if {s, sigma, eps} <= printer.names.keys():
        yield printer.relation(sp.Eq(s**2, sigma**2 + eps, evaluate=False))


def parts(domain: sp.Basic, printer: Printer) -> Iterator[str]:
    """The hypotheses that a domain joins by "and"."""
    for part in sorted(sp.And.make_args(domain), key=sp.default_sort_key):
        if part != sp.true:
            yield printer.relation(part)


def _symbols(certificate: Certificate) -> set[sp.Symbol]:
    """Every symbol, and those of the definition of s where it is needed."""
    exprs = [certificate.relation, certificate.domain, *certificate.rules.values()]
    exprs += [term.expr for term in certificate.slack]
    symbols = set(certificate.rules).union(*(expr.free_symbols for expr in exprs))
    return symbols | {eps} if {s, sigma} <= symbols else symbols


def _state(
    script: Script, hypotheses: Iterable[str], conditions: Iterable[str], claim: str
) -> None:
    for line in hypotheses:
        script.add(f"  {line} ->")
    for condition in conditions:
        script.add(f"  ({condition}) /\\")
    script.add(f"  ({claim}).")


def _prove(
    script: Script,
    certificate: Certificate,
    printer: Printer,
    conditions: Sequence[Condition],
    slack: Sequence[str],
) -> None:
    """Show the conditions, the signs of the slack, and last the relation, one line each."""
    relation = certificate.relation
    known = _known(script, certificate, printer)
    rules = "".join(f"subst {printer.names[symbol]}; " for symbol in certificate.rules)
    for index, one in enumerate(conditions):
        ruled = rules if one.expr.free_symbols & certificate.rules.keys() else ""
        proof = _sign(printer, one, known, ruled)
        aim = f"{text(one.expr)} {SAID[one.sign]}"
        script.show(f"D{index}", printer.condition(one), proof, aim)
    for index, (term, words) in enumerate(zip(certificate.slack, slack, strict=True)):
        proof = _sign(printer, Condition(term.expr, "<="), known, "")
        aim = f"the slack {text(term.expr)} is not negative"
        script.show(f"S{index}", f"0 <= {words}", proof, aim)
    equation = f"{rules}{known.words}{_equation(script, printer)}"
    claim = printer.relation(relation)
    if isinstance(relation, sp.Eq):
        script.show("C", claim, equation, "the two sides are equal")
        return
    left, right = printer.term(relation.lhs, SUM), printer.term(relation.rhs)
    total = " + ".join(slack) or "0"
    script.show("R", f"{right} - {left} = {total}", equation, "the two sides differ by the slack")
    script.show("C", claim, "apply (of_slack _ _ _ R); summed", "the slack is not negative")


@dataclass(frozen=True)
class Known:
    """Symbols that the hypotheses fix: their values, and the tactics that substitute them."""

    values: Mapping[sp.Symbol, sp.Expr]
    words: str


def _known(script: Script, certificate: Certificate, printer: Printer) -> Known:
    names = printer.names
    values = {}
    for part in sorted(sp.And.make_args(certificate.domain), key=sp.default_sort_key):
        if isinstance(part, sp.Eq) and part.lhs.is_Symbol:
            values[part.lhs] = part.rhs
    if {s, sigma} <= names.keys():
        if implies_eps_zero(certificate.domain):
            proof = f"apply (s_is_sigma _ _ {names[eps]}); lra"
            script.show("E", f"{names[s]} = {names[sigma]}", proof, "s is sigma")
            values[s] = sigma
        else:
            what = f"{names[eps]} = {names[s]} ^ 2 - {names[sigma]} ^ 2"
            script.show("E", what, "lra", "eps is s^2 - sigma^2")
            values[eps] = s**2 - sigma**2
    return Known(values, "".join(f"subst {names[symbol]}; " for symbol in values))


def _sign(printer: Printer, one: Condition, known: Known, rules: str) -> str:
    """Tactic that proves a sign: of the expression itself, of an equal product, or by its rule."""
    tactic = TACTICS[one.sign]
    ways = [tactic]
    product = sp.factor(sp.together(one.expr.subs(known.values)))
    if product != one.expr:
        equal = f"apply ({EQUAL[one.sign]} _ {printer.term(product, CALL)})"
        ways.append(f"{equal}; [{known.words}rational | {tactic}]")
    if rules:
        ways.append(f"{rules}{tactic}")
    return f"first [{' | '.join(ways)}]" if len(ways) > 1 else tactic


def _equation(script: Script, printer: Printer) -> str:
    """Tactic that proves an equation, once the squares of roots and absolute values are known."""
    labels: list[str] = []
    for atom in list(printer.atoms):
        label = f"Q{len(labels)}"
        term, argument = printer.term(atom), atom.args[0]
        if isinstance(atom, sp.Abs):
            what, proof = f"({term}) ^ 2 = {printer.term(argument, POWER)} ^ 2", "apply pow2_abs"
        elif argument == sigma**2 + eps and s in printer.names:
            what, proof = f"{term} = {printer.names[s]}", "apply sqrt_of_square; [nonneg | lra]"
        else:
            what, proof = f"({term}) ^ 2 = {printer.term(argument)}", "apply pow2_sqrt; nonneg"
        script.show(label, what, proof, f"{text(argument)} is not negative")
        labels.append(label)
    return f"field [{' '.join(labels)}]; repeat split; nonzero" if labels else "rational"


def _add_from_definition(
    script: Script,
    name: str,
    certificate: Certificate,
    symbols: Iterable[sp.Symbol],
    conditions: Iterable[Condition],
) -> None:
    """Add the same statement about the layer itself: every symbol replaced by its definition."""
    printer = Printer(definitions.names(symbols))
    hypotheses = [*definitions.hypotheses(symbols), *parts(certificate.domain, printer)]
    claim = printer.relation(certificate.relation)
    script.add(f"\nTheorem {name}_from_definition :\n  {definitions.binder(symbols)},")
    _state(script, hypotheses, map(printer.condition, conditions), claim)
    terms = " ".join(f"({term})" for term in printer.names.values())
    aim = "the rules follow from the definition of the layer"
    script.add(f"Proof.\n  intros.\n  apply ({name} {terms}); layer.", aim)
    script.add(f"Qed.\nPrint Assumptions {name}_from_definition.")
