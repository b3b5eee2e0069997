"""The command line `bnproof`.

Heavy imports happen inside commands: `bnproof --help` answers at once.  Exit status: 0 when every
verdict is the expected one, 1 when one differs, 2 for usage, 3 where work is left.
"""

import io
import json as json_module
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import App, CycloptsError, Parameter

from bnproof.scheduler.options import HERE, Workers
from bnproof.scheduler.resources import limit_threads
from bnproof.theory.common.errors import UserError, valid_seed

if TYPE_CHECKING:
    from bnproof.theory.claim import Claim, Settings

REPORT: Final = Path("bnproof-report")

app = App(
    name="bnproof",
    help="Statements about batch normalisation, proved, refuted or measured by machine.",
    help_format="plaintext",
    version=lambda: _version(),
    suppress_keyboard_interrupt=False,  # `main` says that it was interrupted
)


def _version() -> str:
    import importlib.metadata

    return importlib.metadata.version("bnproof")


@app.command
def claims(*, json: bool = False, claims: Path | None = None) -> int:
    """List the claims with the verdict that each is expected to get.

    Parameters
    ----------
    json
        Print a JSON list instead of a table.
    claims
        Folder of claim files of your own, listed too. They are code and are run as such.
    """
    from bnproof.catalogue import catalogue
    from bnproof.theory.loading import LoadError

    entries = list(catalogue(claims).values())
    broken = [entry for entry in entries if isinstance(entry, LoadError)]
    whole = [entry for entry in entries if not isinstance(entry, LoadError)]
    if json:
        listed = [_summary(claim) for claim in whole]
        failed = [{"id": entry.id, "error": entry.error} for entry in broken]
        print(json_module.dumps(listed + failed, indent=1, ensure_ascii=False))
        return 1 if broken else 0
    width = max(len(entry.id) for entry in entries)
    for claim in whole:
        print(f"{claim.id:{width}}  {claim.expected:14}  {claim.title}")
    for entry in broken:
        print(f"{entry.id:{width}}  {'error':14}  {entry.error}")
    return 1 if broken else 0


@app.command
def show(claim_id: Annotated[str, Parameter(name="ID")], /, *, claims: Path | None = None) -> None:
    """Show one claim: its statement as printed, source, relation and remark.

    Parameters
    ----------
    claims
        Folder of claim files of your own. They are code and are run as such.
    """
    from bnproof.catalogue import one
    from bnproof.theory.sources import DOCUMENTS
    from bnproof.theory.symbols import text

    claim = one(claim_id, claims)
    print(f"{claim.id}: {claim.title}\n")
    for source in claim.sources:
        found = DOCUMENTS[source.document]
        where = f", {found.where}" if found.where else ""
        print(f"source      {source}\n            {found.authors}, {found.title}{where}")
    print(f"as printed  {claim.statement}")
    if claim.relation is not None:
        print(f"relation    {text(claim.relation)}")
        print(f"where       {text(claim.domain)}")
        print(f"control     {text(claim.control)}")
    print(f"means       {', '.join(type(spec).__name__ for spec in claim.checks)}")
    print(f"expected    {claim.expected}")
    if claim.corrects:
        print(f"corrects    {claim.corrects}")
    if claim.remark:
        print(f"remark      {claim.remark}")


@app.command
def derive(
    claim_id: Annotated[str, Parameter(name="ID")],
    /,
    *,
    format: Literal["text", "latex"] = "text",
    claims: Path | None = None,
) -> None:
    """Derive one claim step by step; every equation is checked by SymPy as it is printed.

    Parameters
    ----------
    format
        Equations as text or as LaTeX.
    claims
        Folder of claim files of your own. They are code and are run as such.
    """
    from bnproof.catalogue import one
    from bnproof.derive import lines

    for line in lines(one(claim_id, claims), latex=format == "latex"):
        print(line)


@app.command
def verify(
    *ids: Annotated[str, Parameter(name="ID")],
    data: Path | None = None,
    scale: Literal["smoke", "quick", "paper"] = "quick",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    seed: int = 0,
    memory: str = "1G",
    json: Path | None = None,
    report: Path = REPORT,
    claims: Path | None = None,
    fresh: bool = False,
    workers: Workers = HERE,
) -> int:
    """Verify the claims named, or all, and write the report.

    What is done is kept in the report's folder, and the same command goes on where it was stopped.

    Parameters
    ----------
    ids
        Claims to verify; all when none is named.
    data
        Folder with CIFAR-10 (Parquet files or the official binary archive); embedded data if
        not given.
    scale
        smoke: seconds. quick: minutes on two cores. paper: the source's own setting.
    device
        Where PyTorch computes; auto takes a GPU if there is one.
    seed
        Seed of everything random, 0 or larger.
    memory
        What a batch of random networks may take, in bytes or with a suffix K, M, G or T. Which
        networks are drawn does not depend on it. A batch that runs out of memory is halved.
    json
        Also write the evidence, one object a claim, to this file.
    report
        Folder of the report; it holds index.html, evidence.json and the figures.
    claims
        Folder of claim files of your own; without ID, just these are verified. They are code and
        are run as such.
    fresh
        Verify again what is done already.
    """
    from bnproof.catalogue import select

    workers.check()
    limit_threads(1)
    entries = select(ids, claims)
    settings = _settings(scale, workers.device(device), seed, data, memory)
    from bnproof.commands.verify import verify as run

    return run(
        entries,
        settings,
        report,
        workers,
        outside=claims,
        json=json,
        fresh=fresh,
        layers=not ids and not claims,
    )


@app.command
def report(folder: Path = REPORT) -> None:
    """Build the report page again from the evidence saved in a folder.

    Parameters
    ----------
    folder
        Folder that `bnproof verify` wrote: evidence.json and figures.
    """
    from bnproof.commands.common import alone
    from bnproof.report import document, page
    from bnproof.theory.common import files

    document.load(folder / document.NAME)  # a folder without evidence gets no lock
    files.probe(folder / page.PAGE)
    with alone(folder):
        content = document.load(folder / document.NAME)  # as the last `verify` left it
        print(page.write(content, folder).resolve())


for _module, _name, _help in (
    ("attack", "attack", "Attack one inequality: search for data that violate it."),
    ("check_layer", "check-layer", "Check a normalisation layer of your own."),
    ("spectrum", "spectrum", "Singular values of products of random or given matrices."),
    ("sweep", "sweep", "Every combination of a grid of training runs or experiments."),
    ("tensorboard", "tensorboard", "Training runs as event files for TensorBoard."),
):
    app.command(f"bnproof.commands.{_module}:{_module}", name=_name, help=_help)
app.command(
    "bnproof.commands.experiment:app",
    name="experiment",
    help="Experiments on images: list, show, run, resume, status.",
)


def _summary(claim: "Claim") -> dict[str, Any]:
    return {
        "id": claim.id,
        "title": claim.title,
        "source": [str(source) for source in claim.sources],
        "statement": claim.statement,
        "expected": str(claim.expected),
        "checks": [type(spec).__name__ for spec in claim.checks],
    }


def _settings(scale: str, device: str, seed: int, data: Path | None, memory: str) -> "Settings":
    """Check what the user chose; the data are opened once so that a bad folder fails at once."""
    from bnproof.empirical.data.load import load
    from bnproof.empirical.trial import POOL
    from bnproof.simulate.memory import asked
    from bnproof.theory.claim import Scale, Settings

    valid_seed("--seed", seed)
    if data is not None:
        load(data, limit=POOL)
    budget = asked(memory)
    return Settings(scale=Scale(scale), device=device, seed=seed, data=data, memory=budget)


def _layers(device: str) -> list[dict[str, str]]:
    from bnproof.simulate.layer_checks.table import table

    return table(device)


def main() -> None:
    """Entry point: run a command, turn bad input into one line and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a letter that the terminal has not is no error
            stream.reconfigure(errors="backslashreplace")
    try:
        status = app(
            sys.argv[1:], print_error=False, exit_on_error=False, result_action="return_value"
        )
        sys.stdout.flush()  # here a full disk is still one line
    except CycloptsError as error:
        _fail(str(error))
    except UserError as error:
        _fail(str(error))
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        _drop_output()
        sys.exit(141)
    except OSError as error:  # a file or a disk that refuses: no fault of the program
        _drop_output()
        _fail(f"{error.filename or 'output'}: {error.strerror or error}; mend it, or name another")
    except MemoryError:
        _fail("out of memory; give --memory less, or ask for less at once")
    except KeyboardInterrupt:
        print("bnproof: interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(status or 0)


def _drop_output() -> None:
    """What cannot be written now shall not be tried again when the interpreter ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str) -> None:
    line = " ".join(message.split())
    print(f"bnproof: {line}", file=sys.stderr)
    sys.exit(2)
