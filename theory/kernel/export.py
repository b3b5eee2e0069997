"""A certificate as a Coq theorem with its proof.

The theorem says: for all real letters with their declared signs, on the domain, if each letter
that has a rule equals its rule, then every denominator is not 0, every argument of a root is not
negative, **and** the relation holds.  Its proof is a script: Coq decides whether it is one, so
that only the statement need be read.

All that is read of a certificate is `relation`, `domain`, `rules` and the `expr` of each term of
`slack`; all that is read of a letter is its name and its assumptions.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import sympy as sp

from bnproof.theory.kernel import definitions
from bnproof.theory.kernel.terms import CALL, POWER, SUM, Condition, Printer, Unsupported, identifiers
from bnproof.theory.proving.certificate import Certificate, implies_eps_zero
from bnproof.theory.symbols import eps, s, sigma, text

HEAD: Final = """\
From Coq Require Import Reals Lra.
From BNProof Require Import Tactics Sums Gradient Layer Derivative Letters.
Local Open Scope R_scope.
"""
# By the sign of a condition: what shows it, and the lemma that carries it over an equation.
TACTICS: Final = {"<>": "nonzero", "<": "pos", "<=": "nonneg"}
EQUAL: Final = {"<>": "nonzero_equal", "<": "pos_equal", "<=": "nonneg_equal"}


@dataclass(frozen=True)
class Theorem:
    """A Coq file that states and proves one theorem.

    Attributes
    ----------
    name
        The theorem's name.
    source
        The file's text.
    aims
        What a line of the file shows, by its number, in words.
    from_definition
        Whether it is also stated of the layer itself, with nothing assumed of its letters.
    """

    name: str
    source: str
    aims: Mapping[int, str]
    from_definition: bool = False


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

    def theorem(self, name: str, *, from_definition: bool = False) -> Theorem:
        """The finished file."""
        return Theorem(name, "\n".join(self.lines) + "\n", self.aims, from_definition)


def theorem(name: str, certificate: Certificate) -> Theorem:
    """State a certificate as the Coq theorem `name`, and write down its proof.

    Raises
    ------
    Unsupported
        If it is not rational in its letters, roots, absolute values and logarithms.
    """
    relation = certificate.relation
    if not isinstance(relation, sp.Eq | sp.LessThan):
        raise Unsupported(f"a proof is for = or <=, not {type(relation).__name__}")
    letters = ordered(_letters(certificate))
    printer = Printer(identifiers(letters))
    hypotheses = [*signs(printer), *parts(certificate.domain, printer)]
    for letter, value in certificate.rules.items():
        hypotheses.append(f"{printer.names[letter]} = {printer.term(value)}")
    claim = printer.relation(relation)
    left, right = printer.term(relation.lhs), printer.term(relation.rhs)
    slack = [printer.term(term.expr, SUM) for term in certificate.slack]
    conditions = [(one, printer.condition(one)) for one in list(printer.conditions)]

    script = Script()
    script.add(HEAD)
    script.add(f"Theorem {name} :\n  forall {' '.join(printer.names.values())} : R,")
    for line in hypotheses:
        script.add(f"  {line} ->")
    script.add("".join(f"  ({words}) /\\\n" for _, words in conditions) + f"  ({claim}).")
    script.add("Proof.\n  intros.")
    known = _known(script, certificate, printer)
    rules = "".join(f"subst {printer.names[one]}; " for one in certificate.rules)
    for index, (one, words) in enumerate(conditions):
        proof = _sign(printer, one, known, rules if one.expr.free_symbols & certificate.rules.keys() else "")
        script.show(f"D{index}", words, proof, f"{text(one.expr)} {one.sign}")
    for index, (term, words) in enumerate(zip(certificate.slack, slack, strict=True)):
        proof = _sign(printer, Condition(term.expr, "<="), known, "")
        script.show(f"S{index}", f"0 <= {words}", proof, f"slack {text(term.expr)}")
    equation = _equation(script, printer)
    if isinstance(relation, sp.Eq):
        script.show("C", claim, f"{rules}{known.words}{equation}", "equation")
    else:
        total = " + ".join(slack) or "0"
        what = f"({right}) - ({left}) = {total}"
        script.show("R", what, f"{rules}{known.words}{equation}", "right - left = slack")
        script.show("C", claim, "apply (of_slack _ _ _ R); summed", "the slack is not negative")
    script.add(f"  repeat split; assumption.\nQed.\nPrint Assumptions {name}.")
    if definitions.defined(letters):
        _from_definition(script, name, certificate, letters, [one for one, _ in conditions])
    return script.theorem(name, from_definition=definitions.defined(letters))


def _from_definition(
    script: Script,
    name: str,
    certificate: Certificate,
    letters: Iterable[sp.Symbol],
    conditions: Iterable[Condition],
) -> None:
    """Add the same statement about the layer itself: every letter replaced by its definition."""
    printer = Printer(definitions.names(letters))
    script.add(f"\nTheorem {name}_from_definition :\n  {definitions.binder(letters)},")
    for part in [*definitions.hypotheses(letters), *parts(certificate.domain, printer)]:
        script.add(f"  {part} ->")
    script.add("".join(f"  ({printer.condition(one)}) /\\\n" for one in conditions))
    script.lines[-1] = f"  ({printer.relation(certificate.relation)})."
    terms = " ".join(printer.names.values())
    aim = "the rules, from the definition of the layer"
    script.add(f"Proof.\n  intros.\n  apply ({name} {terms}); layer.", aim)
    script.add(f"Qed.\nPrint Assumptions {name}_from_definition.")


def ordered(letters: Iterable[sp.Symbol]) -> list[sp.Symbol]:
    """Letters in the order in which a theorem lists them."""
    return sorted(letters, key=lambda one: (str(one), sp.srepr(one)))


def _letters(certificate: Certificate) -> set[sp.Symbol]:
    """Every letter, and those of the definition of s where it is needed."""
    parts = [certificate.relation, certificate.domain, *certificate.rules.values()]
    parts += [term.expr for term in certificate.slack]
    letters = set(certificate.rules).union(*(part.free_symbols for part in parts))
    return letters | {eps} if {s, sigma} <= letters else letters


def signs(printer: Printer) -> Iterator[str]:
    """What is known of the letters themselves: their declared signs, and what s is."""
    for letter, name in printer.names.items():
        if letter.is_integer and letter.is_positive:
            yield f"1 <= {name}"
        elif letter.is_positive:
            yield f"0 < {name}"
        elif letter.is_nonnegative:
            yield f"0 <= {name}"
    if {s, sigma, eps} <= printer.names.keys():
        yield printer.relation(sp.Eq(s**2, sigma**2 + eps, evaluate=False))


def parts(domain: sp.Basic, printer: Printer) -> Iterator[str]:
    """The hypotheses that a domain joins by "and"."""
    for part in sp.And.make_args(domain):
        if part != sp.true:
            yield printer.relation(part)


@dataclass(frozen=True)
class Known:
    """Letters that the hypotheses fix: their values, and the Coq words that put them in."""

    values: Mapping[sp.Symbol, sp.Expr]
    words: str


def _known(script: Script, certificate: Certificate, printer: Printer) -> Known:
    names, layered = printer.names, {s, sigma} <= printer.names.keys()
    values = {}
    for part in sp.And.make_args(certificate.domain):
        if isinstance(part, sp.Eq) and part.lhs.is_Symbol:
            values[part.lhs] = part.rhs
    if layered and implies_eps_zero(certificate.domain):
        script.show("E", f"{names[s]} = {names[sigma]}", f"apply (s_is_sigma _ _ {names[eps]}); lra", "s")
        values[s] = sigma
    elif layered:
        script.show("E", f"{names[eps]} = {names[s]} ^ 2 - {names[sigma]} ^ 2", "lra", "eps")
        values[eps] = s**2 - sigma**2
    return Known(values, "".join(f"subst {names[letter]}; " for letter in values))


def _sign(printer: Printer, one: Condition, known: Known, rules: str) -> str:
    """How to see a sign: of the expression as it stands, or of an equal product."""
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
    """How to see an equation, after the squares of roots and absolute values are known."""
    labels = []
    for atom in printer.atoms:
        label = f"Q{len(labels)}"
        words = printer.term(atom)
        if isinstance(atom, sp.Abs):
            what, proof = f"({words}) ^ 2 = {printer.term(atom.args[0], POWER)} ^ 2", "apply pow2_abs"
        elif atom.args[0] == sigma**2 + eps and s in printer.names:
            what, proof = f"{words} = {printer.names[s]}", "apply sqrt_of_square; [nonneg | lra]"
        else:
            what, proof = f"({words}) ^ 2 = {printer.term(atom.args[0])}", "apply pow2_sqrt; nonneg"
        script.show(label, what, proof, f"square of {text(atom)}")
        labels.append(label)
    return f"field [{' '.join(labels)}]; repeat split; nonzero" if labels else "rational"
