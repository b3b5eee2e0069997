"""The command `bnproof attack`: search for a violation of one inequality, and make it exact."""

import json as json_module
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import Parameter

from bnproof.theory.common.errors import UserError, valid_seed

if TYPE_CHECKING:
    import numpy as np

    from bnproof.simulate.search.ascent import Attack
    from bnproof.theory.claim import Claim

FIGURES: Final = (".svg", ".png", ".pdf")
RANDOM: Final = 200  # random instances for each loss, to compare with


def attack(
    claim_id: Annotated[str, Parameter(name="ID")],
    /,
    *,
    restarts: int = 400,
    steps: int = 80,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    out: Path | None = None,
    claims: Path | None = None,
) -> int:
    """Attack one inequality: search for data that violate it, whatever its proof says.

    A violation is made simple and rational, and reported once exact arithmetic confirms it. If
    there is none, the tightest case found is printed. Exit status: 0 when the outcome is the
    claim's expected verdict, 1 when it differs, 2 for usage.

    Parameters
    ----------
    restarts
        Ascents at each batch size.
    steps
        Steps of each ascent.
    seed
        Seed of everything random, 0 or larger.
    device
        Where PyTorch computes; auto takes a GPU if there is one.
    out
        Also write the result: .json, or a figure of the ratio of both sides: .svg, .png or .pdf.
    claims
        Folder of claim files of your own. They are code and are run as such.
    """
    from bnproof.catalogue import one
    from bnproof.scheduler import resources
    from bnproof.simulate.search import ascent as adversary
    from bnproof.simulate.search import tightness
    from bnproof.simulate.threads import one_thread
    from bnproof.theory.common import files

    valid_seed("--seed", seed)
    if out is not None:
        if out.suffix not in (".json", *FIGURES):
            raise UserError(f"--out {out}: end the name in .json, .svg, .png or .pdf")
        files.probe(out)
    claim = one(claim_id, claims)
    place = resources.device(device)
    with one_thread():
        found = adversary.attack(claim, restarts=restarts, steps=steps, seed=seed, device=place)
        random = tightness.random_ratios(claim, RANDOM, seed, place)
    outcome, expected = _outcome(found), _expected(claim)
    print("\n".join(_lines(claim, found, random, outcome)))
    if outcome != expected:
        print(f"expected    {expected}: the claim says {claim.expected}")
    if out is not None and out.suffix == ".json":
        settings = {"restarts": restarts, "steps": steps, "seed": seed, "device": place}
        files.write_text(out, _json(claim, found, random, outcome, settings))
    elif out is not None:
        _figure(out, claim, found, random)
    return 0 if outcome == expected else 1


def _outcome(found: "Attack") -> str:
    if found.refutation is not None:
        return "refuted"
    if not found.reached:
        return "nothing searched: the search does not reach the domain"
    return "violated, not confirmed exactly" if found.violations else "not refuted"


def _expected(claim: "Claim") -> str:
    from bnproof.theory.claim import Verdict

    fails = {Verdict.REFUTED, Verdict.UNSUPPORTED, Verdict.NOT_REPRODUCED}
    return "refuted" if claim.expected in fails else "not refuted"


def _lines(
    claim: "Claim", found: "Attack", random: "np.ndarray[Any, Any]", outcome: str
) -> Iterator[str]:
    """The result for a reader."""
    import numpy as np

    from bnproof.theory.symbols import text

    yield f"{claim.id}: {outcome}"
    yield f"relation    {text(claim.relation)}"
    yield f"where       {text(claim.domain)}"
    yield (
        f"searched    {found.configurations:,} configurations; "
        f"{found.violations:,} of {found.ascents:,} ascents ended in a violation"
    )
    if len(random):
        low, middle, high = np.quantile(random, (0.05, 0.5, 0.95))
        yield (
            f"random      left/right side {middle:.3g} on the median instance, "
            f"{low:.3g} to {high:.3g} on 90%"
        )
    if found.refutation is not None:
        said = found.refutation.data.words
        yield from _wrapped("at", said)
        yield from _wrapped("exactly", found.refutation.evidence.summary)
        kept = "holds" if found.refutation.evidence.control_differs else "does not hold"
        yield f"control     {kept} there"
        yield "source"
        yield textwrap.indent(f"{found.refutation.data.source},", "    ")
    elif found.case:
        yield f"tightest    left/right side {found.ratio:.9g} at"
        for name, value in found.case.items():
            yield f"    {name} = {_short(value)}"
    else:
        yield "tightest    no ratio: the right side is nowhere above rounding"


def _wrapped(name: str, words: str) -> list[str]:
    return textwrap.wrap(words, 96, initial_indent=f"{name:12}", subsequent_indent=" " * 12)


def _short(value: Any) -> str:
    """Nested lists of numbers to six digits."""
    if isinstance(value, list):
        return "[" + ", ".join(map(_short, value)) + "]"
    return f"{value + 0.0:.6g}"  # no minus sign before 0


def _json(
    claim: "Claim",
    found: "Attack",
    random: "np.ndarray[Any, Any]",
    outcome: str,
    settings: dict[str, Any],
) -> str:
    import torch

    from bnproof.simulate.search import tightness

    refutation = found.refutation
    content = {
        "id": claim.id,
        "outcome": outcome,
        "expected": str(claim.expected),
        **tightness.numbers(found, random),
        "tightest case": found.case,
        "source": refutation.data.source if refutation else None,
        "evidence": refutation.evidence.summary if refutation else None,
        "provenance": settings | {"torch": torch.__version__},
    }
    return json_module.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _figure(path: Path, claim: "Claim", found: "Attack", random: "np.ndarray[Any, Any]") -> None:
    from bnproof.report import figures
    from bnproof.simulate.search.tightness import draw

    try:
        figures.write(path, lambda figure: draw(figure, claim, random, found))
    except ValueError as error:
        raise UserError(f"--out {path}: {error}") from None
