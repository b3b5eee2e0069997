"""The command line `bnproof`.

Heavy imports happen inside commands: `bnproof --help` answers at once.  Exit status: 0 when every
verdict is the expected one, 1 when one differs, 2 for usage, 3 where work is left.
"""

import contextlib
import io
import json as json_module
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import App, CycloptsError, Parameter

from bnproof.commands.common import convert_exactly
from bnproof.scheduler.options import HERE, Workers
from bnproof.theory.common import interrupts
from bnproof.theory.common.errors import UserError, not_importable, require, valid_seed

if TYPE_CHECKING:
    from bnproof.theory.claim import Settings
    from bnproof.theory.listing import Entry

REPORT: Final = Path("bnproof-report")

app = App(
    name="bnproof",
    help="Statements about batch normalisation, proved, refuted or measured by machine.",
    help_format="plaintext",
    version=lambda: _version(),
    suppress_keyboard_interrupt=False,  # `main` says that it was interrupted
    default_parameter=Parameter(converter=convert_exactly),
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
    from bnproof.catalogue import entries
    from bnproof.theory.listing import Entry

    found = entries(claims)
    listed = [entry for entry in found.values() if isinstance(entry, Entry)]
    failed = [entry for entry in found.values() if not isinstance(entry, Entry)]
    if json:
        rows = [_summary(entry) for entry in listed]
        rows += [{"id": entry.id, "error": entry.error} for entry in failed]
        print(json_module.dumps(rows, indent=1, ensure_ascii=False))
        return 1 if failed else 0
    width = max(map(len, found))
    for entry in listed:
        print(f"{entry.id:{width}}  {entry.expected:14}  {entry.title}")
    for wrong in failed:
        print(f"{wrong.id:{width}}  {'error':14}  {wrong.error}")
    return 1 if failed else 0


@app.command
def show(claim_id: Annotated[str, Parameter(name="ID")], /, *, claims: Path | None = None) -> None:
    """Show one claim: its statement as printed, source, relation and remark.

    Parameters
    ----------
    claims
        Folder of claim files of your own. They are code and are run as such.
    """
    from bnproof.catalogue import entry, one
    from bnproof.theory.sources import DOCUMENTS

    found = entry(claim_id, claims)
    print(f"{found.id}: {found.title}\n")
    for source in found.sources:
        document = DOCUMENTS[source.document]
        where = f", {document.where}" if document.where else ""
        print(f"source      {source}\n            {document.authors}, {document.title}{where}")
    print(f"as printed  {found.statement}")
    if found.symbolic:
        from bnproof.theory.symbols import text

        claim = one(claim_id, claims)
        print(f"relation    {text(claim.relation)}")
        print(f"where       {text(claim.domain)}")
        print(f"control     {text(claim.control)}")
    print(f"checks      {', '.join(found.checks)}")
    print(f"expected    {found.expected}")
    if found.corrects:
        print(f"corrects    {found.corrects}")
    remark = one(claim_id, claims).remark if found.remark is None else found.remark
    if remark:
        print(f"remark      {remark}")


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
    kernel: Literal["sympy", "coq"] = "sympy",
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
    kernel
        What checks proofs and counterexamples. sympy: the program itself. coq: then Coq as well,
        which must be installed; what it refuses is not proved.
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
    require("matplotlib")  # for the figures, which come last
    entries = select(ids, claims)
    settings = _settings(scale, workers.device(device), seed, data, memory, kernel)
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


def _summary(entry: "Entry") -> dict[str, Any]:
    return {
        "id": entry.id,
        "title": entry.title,
        "source": [str(source) for source in entry.sources],
        "statement": entry.statement,
        "expected": entry.expected,
        "checks": list(entry.checks),
    }


def _settings(
    scale: str, device: str, seed: int, data: Path | None, memory: str, kernel: str
) -> "Settings":
    """Check what the user chose."""
    from bnproof.api import settings

    valid_seed("--seed", seed)
    return settings(scale, device, seed, data, memory, kernel)


def _layers(device: str) -> list[dict[str, str]]:
    from bnproof.simulate.layer_checks.table import table

    return table(device)


def main() -> None:
    """Entry point: run a command, turn bad input into one line and exit status 2."""
    # Read by OpenMP when PyTorch is loaded, later: threads that wait for others, as in training,
    # sleep.  By default they spin, which on a busy machine takes the time of those waited for.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    _require_output()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a letter that the terminal has not is no error
            stream.reconfigure(errors="backslashreplace")
    try:
        with interrupts.kept():
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
    except SystemExit as stop:
        # Rich, which prints help, ends the program where the reader has seen enough.
        sys.exit(141 if isinstance(stop.__context__, BrokenPipeError) else stop.code)
    except OSError as error:  # a file or a disk that refuses: no fault of the program
        _drop_output()
        _fail(f"{error.filename or 'output'}: {error.strerror or error}; mend it, or name another")
    except ImportError as error:
        _fail(not_importable(error))
    except (MemoryError, RuntimeError) as error:
        from bnproof.simulate.memory import exhausted

        if not exhausted(error):
            raise
        _fail("out of memory; ask for less at once")
    except KeyboardInterrupt:
        _fail("interrupted", status=130)
    sys.exit(status or 0)


def _require_output() -> None:
    """Refuse to work for nobody: a closed standard output gets no result, and files its place."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # as long as the process
    if sys.stdout is None:
        _fail("standard output is closed; direct it to a file, or to /dev/null")


def _drop_output() -> None:
    """What cannot be written now shall not be tried again when the interpreter ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, status: int = 2) -> None:
    line = " ".join(message.split())
    with contextlib.suppress(OSError):  # the reader of standard error may be gone too
        print(f"bnproof: {line}", file=sys.stderr)
    sys.exit(status)
