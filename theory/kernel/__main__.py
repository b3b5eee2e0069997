"""Check everything with Coq: ``python -m bnproof.theory.kernel``, or ``make kernel``.

First the project's own Coq files, up to Theorem 4.1 from the definition of batch normalisation;
then every certificate of the catalogue and every refutation by data.  Nothing is recalled from an
earlier run of Coq.  Exit status: 0 if Coq confirms all that is exported, 1 if it refuses
something, 2 if there is no Coq that can be used.
"""

import sys
import time
from collections.abc import Iterator

from bnproof.theory import claims, prove
from bnproof.theory.claim import Claim, Counterexample, ExactCase, Proof, Settings
from bnproof.theory.common.errors import UserError
from bnproof.theory.kernel.confirm import refutation_theorem, sign_theorem, theorem_of
from bnproof.theory.kernel.coq import Checker, Outcome, find
from bnproof.theory.kernel.export import Theorem
from bnproof.theory.kernel.terms import NotExportedError
from bnproof.theory.loading import load_folder
from bnproof.theory.proving.lemmas import POSITIVE

WIDTH = 40  # of a theorem's name


def main() -> int:
    """Check everything, one line each."""
    start = time.perf_counter()
    try:
        coq = find()
    except UserError as error:
        print(f"bnproof: {error}", file=sys.stderr)
        return 2
    found = [
        (claim, what, _stated(claim, what))
        for claim in load_folder(claims)
        if isinstance(claim, Claim)
        for what in _kinds(claim)
    ]
    theorems = [sign_theorem(one) for one in POSITIVE.values()]
    theorems += [one for _, _, one in found if isinstance(one, Theorem)]
    outcomes: list[Outcome] = []
    print(f"{coq}: the layer from its definition, then {len(theorems)} theorems", flush=True)
    with Checker(coq) as checker:
        for outcome in checker.library():
            _say(f"{outcome.name}.v", outcome, "")
            outcomes.append(outcome)
        for stated, outcome in zip(theorems, checker.check_all(theorems), strict=True):
            _say(stated.name, outcome, stated.scope)
            outcomes.append(outcome)
    for claim, what, reason in found:
        if not isinstance(reason, Theorem):
            print(f"{claim.id:{WIDTH}} {what} not exported: {reason}")
    refused = sum(not outcome.checked for outcome in outcomes)
    seconds = time.perf_counter() - start
    print(f"{len(outcomes) - refused} of {len(outcomes)} checked in {seconds:.0f} s")
    return 1 if refused else 0


def _kinds(claim: Claim) -> Iterator[str]:
    if claim.check_of(Proof):
        yield "proof"
    if claim.check_of(Counterexample) or claim.check_of(ExactCase):
        yield "counterexample"


def _stated(claim: Claim, what: str) -> Theorem | str:
    """The theorem, or why it cannot be stated."""
    try:
        if what == "proof":
            return theorem_of(claim, prove.check(claim, Settings()))
        return refutation_theorem(claim)
    except NotExportedError as reason:
        return str(reason)


def _say(name: str, outcome: Outcome, scope: str) -> None:
    result = f"checked {scope}".strip() if outcome.checked else f"REFUSED: {outcome.reason}"
    print(f"{name:{WIDTH}} {result}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
