"""The derivation and counterexample on a claim's page, computed at build time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from docutils import nodes

from bnproof.theory.claim import Claim, Settings
from bnproof.theory.proving.derivation import Step
from bnproof.verification import EXACT, carry_out
from extension.nodes import Inline, bullets, folded, formula, paragraph, section


def proofs(claim: Claim) -> list[nodes.Node]:
    """Return the results of a claim's exact checks with all steps; empty if it has none."""
    evidence = [carry_out(c, claim, Settings()) for c in claim.checks if isinstance(c, EXACT)]
    if not evidence:
        return []
    parts: list[nodes.Node] = []
    for item in evidence:
        parts.append(paragraph(item.summary))
        notes = list(_notes(item.numbers))
        if notes:
            parts.append(bullets(notes))
        steps = item.series.get("steps", ())
        if steps:
            words = f"Derivation in {len(steps)} step{'' if len(steps) == 1 else 's'}"
            parts += folded(words, _numbered(steps))
    return [section("Result", *parts)]


def _notes(numbers: Mapping[str, Any]) -> Iterator[list[Inline]]:
    """Yield the theorems of others that the derivation uses: the verdict is given these."""
    for theorem in numbers.get("rests_on", ()):
        yield [f"given: {theorem}"]


def _numbered(steps: Sequence[Step]) -> nodes.enumerated_list:
    return nodes.enumerated_list("", *map(_item, steps), enumtype="arabic", suffix=".")


def _item(step: Step) -> nodes.list_item:
    shown = [formula(step.latex)] if step.latex else []
    return nodes.list_item("", paragraph(step.caption()), *shown)
