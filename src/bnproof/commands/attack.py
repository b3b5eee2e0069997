"""The command `bnproof attack`: search for an exact counterexample to a statement."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import Parameter

from bnproof.commands.common import FIGURES, write_json
from bnproof.theory.common.errors import UserError, valid_seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bnproof.simulate.search.ascent import Attack
    from bnproof.theory.claim import Claim

RANDOM: Final = 200  # random instances per loss, for comparison


def attack(
    claim_id: Annotated[str | None, Parameter(name="ID")] = None,
    /,
    *,
    restarts: int = 400,
    steps: int = 80,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    out: Path | None = None,
    claims: Path | None = None,
) -> int:
    """Search for data that violate a claim's inequality or equation, whether or not it has a proof.

    A violation is simplified, made rational and confirmed in exact arithmetic before it is
    reported. If there is none, the tightest case of an inequality is printed, or how far the sides
    of an equation differ at most. Exit status: 0 if the outcome agrees with the claim's expected
    verdict, 1 if not, 2 for invalid input.

    Parameters
    ----------
    claim_id
        Claim to attack. Without it, the claims that can be attacked are listed.
    restarts
        Number of gradient ascents per batch size.
    steps
        Steps per ascent.
    seed
        Random seed, 0 or larger.
    device
        Device for PyTorch; auto uses a GPU if there is one.
    out
        Also write the result to a .json file, or plot the ratio of both sides to a .svg, .png or
        .pdf file.
    claims
        Folder of your own claim files. They are executed: use only trusted files.
    """
    from bnproof.catalogue import load_claim
    from bnproof.theory.common import files

    valid_seed("--seed", seed)
    if claim_id is None:
        _print_attackable(claims)
        return 0
    if out is not None:
        if out.suffix not in (".json", *FIGURES):
            raise UserError(f"--out {out}: must end in .json, .svg, .png or .pdf")
        files.probe(out)
    claim = load_claim(claim_id, claims)  # before the imports: an unknown id fails at once
    from bnproof.scheduler import resources
    from bnproof.simulate.search import ascent, tightness
    from bnproof.simulate.threads import one_thread

    resolved = resources.device(device)
    with one_thread():
        result = ascent.attack(claim, restarts=restarts, steps=steps, seed=seed, device=resolved)
        random = tightness.random_ratios(claim, RANDOM, seed, resolved)
    outcome, expected = _outcome(result), _expected(claim)
    print("\n".join(_lines(claim, result, random, outcome)))
    if outcome != expected:
        print(f"expected    {expected}: the claim's expected verdict is {claim.expected}")
    if out is not None and out.suffix == ".json":
        settings = {"restarts": restarts, "steps": steps, "seed": seed, "device": resolved}
        write_json(out, _as_dict(claim, result, random, outcome, settings))
    elif out is not None:
        _figure(out, claim, result, random)
    return 0 if outcome == expected else 1


def _print_attackable(user_claims: Path | None) -> None:
    """Print the claims that can be attacked; of the catalogue only the symbolic ones are loaded."""
    from bnproof.catalogue import entries, load_claim
    from bnproof.simulate.search.ascent import can_attack
    from bnproof.theory.listing import Entry

    listed = entries(user_claims).values()
    symbolic = [entry for entry in listed if isinstance(entry, Entry) and entry.symbolic]
    found = [entry for entry in symbolic if can_attack(load_claim(entry.id, user_claims))]
    width = max(len(entry.id) for entry in found)
    for entry in found:
        print(f"{entry.id:{width}}  {entry.title}")


def _outcome(result: "Attack") -> str:
    if result.refutation is not None:
        return "refuted"
    if not result.reached:
        return "nothing searched: the search does not reach the domain"
    return "violated, not confirmed exactly" if result.violations else "not refuted"


def _expected(claim: "Claim") -> str:
    from bnproof.theory.claim import Verdict

    fails = {Verdict.REFUTED, Verdict.UNSUPPORTED, Verdict.NOT_REPRODUCED}
    return "refuted" if claim.expected in fails else "not refuted"


def _lines(
    claim: "Claim", result: "Attack", random: "NDArray[np.float64]", outcome: str
) -> Iterator[str]:
    """Format the result as text."""
    import numpy as np

    from bnproof.theory.symbols import text

    yield f"{claim.id}: {outcome}"
    yield f"relation    {text(claim.relation)}"
    yield f"where       {text(claim.domain)}"
    yield (
        f"searched    {result.configurations:,} configurations; "
        f"{result.violations:,} of {result.ascents:,} ascents ended in a violation"
    )
    if len(random):
        low, middle, high = np.quantile(random, (0.05, 0.5, 0.95))
        yield (
            f"random      left/right side: median {middle:.3g}, "
            f"90% of instances within {low:.3g} to {high:.3g}"
        )
    if result.refutation is not None:
        yield from _wrapped("at", result.refutation.data.words)
        yield from _wrapped("exactly", result.refutation.evidence.summary)
        holds = "holds" if result.refutation.evidence.control_differs else "does not hold"
        yield f"control     {holds} there"
        yield "source"
        yield textwrap.indent(f"{result.refutation.data.source},", "    ")
    elif result.case:
        if result.equation:
            yield f"largest     difference of the sides: {result.excess:.2g} of their terms, at"
        else:
            yield f"tightest    left/right side: {result.ratio:.9g} at"
        for name, value in result.case.items():
            yield f"    {name} = {_short(value)}"
    elif result.equation:
        yield "largest     no difference: no configuration lies in the domain"
    else:
        yield "tightest    no ratio: the right side never exceeds rounding error"


def _wrapped(name: str, words: str) -> list[str]:
    return textwrap.wrap(words, 96, initial_indent=f"{name:12}", subsequent_indent=" " * 12)


def _short(value: Any) -> str:
    """Format nested lists of numbers with six significant digits."""
    if isinstance(value, list):
        return "[" + ", ".join(map(_short, value)) + "]"
    return f"{value + 0.0:.6g}"  # no minus sign before 0


def _as_dict(
    claim: "Claim",
    result: "Attack",
    random: "NDArray[np.float64]",
    outcome: str,
    settings: dict[str, Any],
) -> dict[str, Any]:
    import torch

    from bnproof.simulate.search import tightness

    refutation = result.refutation
    return {
        "id": claim.id,
        "outcome": outcome,
        "expected": str(claim.expected),
        **tightness.numbers(result, random),
        "largest difference at" if result.equation else "tightest case": result.case,
        "source": refutation.data.source if refutation else None,
        "evidence": refutation.evidence.summary if refutation else None,
        "provenance": settings | {"torch": torch.__version__},
    }


def _figure(path: Path, claim: "Claim", result: "Attack", random: "NDArray[np.float64]") -> None:
    from bnproof.report import figures
    from bnproof.simulate.search.tightness import draw

    try:
        figures.write(path, lambda figure: draw(figure, claim, random, result))
    except ValueError as error:
        raise UserError(f"--out {path}: {error}") from None
