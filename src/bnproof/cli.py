"""The command line `bnproof`.

Heavy imports happen inside the commands, so that `bnproof --help` is fast.  Exit status: 0 if every
verdict is as expected, 1 if one differs, 2 for invalid input, 3 if work is left unfinished.
"""

import contextlib
import io
import json as json_module
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.exceptions import UnusedCliTokensError

import bnproof
from bnproof.commands.common import convert_exactly
from bnproof.scheduler.options import DEFAULT_WORKERS, Workers
from bnproof.scheduler.resources import use_large_pages
from bnproof.theory.common import interrupts
from bnproof.theory.common.errors import UserError, not_importable, require, valid_seed

if TYPE_CHECKING:
    from bnproof.theory.claim import Settings
    from bnproof.theory.listing import Entry

# What the library says of a value that it cannot convert, and what we say.
CONVERSION: Final = re.compile(
    r'Invalid value for (\S+): unable to convert "(.*)" into (int|float)\.'
)
KINDS: Final = {"int": "must be an integer", "float": "must be a number"}
REPORT: Final = Path("bnproof-report")

app = App(
    name="bnproof",
    help="Verify statements about batch normalisation by proof, simulation and experiment.",
    help_format="markdown",
    version=lambda: bnproof.__version__,
    suppress_keyboard_interrupt=False,  # handled in `main`
    # Options without an opposite such as --no-fresh, which nobody needs.
    default_parameter=Parameter(converter=convert_exactly, negative=()),
)


@app.command
def claims(*, json: bool = False, claims: Path | None = None) -> int:
    """List the claims and their expected verdicts.

    Parameters
    ----------
    json
        Print a JSON list instead of a table.
    claims
        Folder of your own claim files, to list as well. They are executed: use only trusted files.
    """
    from bnproof.catalogue import entries
    from bnproof.theory.listing import Entry

    by_id = entries(claims)
    listed = [entry for entry in by_id.values() if isinstance(entry, Entry)]
    failed = [entry for entry in by_id.values() if not isinstance(entry, Entry)]
    if json:
        rows = [_summary(entry) for entry in listed]
        rows += [{"id": entry.id, "error": entry.error} for entry in failed]
        print(json_module.dumps(rows, indent=1, ensure_ascii=False))
        return 1 if failed else 0
    width = max(map(len, by_id))
    for entry in listed:
        print(f"{entry.id:{width}}  {entry.expected:21}  {entry.title}")
    for broken in failed:
        print(f"{broken.id:{width}}  {'error':21}  {broken.error}")
    return 1 if failed else 0


@app.command
def show(claim_id: Annotated[str, Parameter(name="ID")], /, *, claims: Path | None = None) -> None:
    """Show one claim: the sentence that it reads, as printed, its relation and remark.

    Parameters
    ----------
    claim_id
        Claim to show; `bnproof claims` lists all.
    claims
        Folder of your own claim files. They are executed: use only trusted files.
    """
    from bnproof.catalogue import entry, load_claim
    from bnproof.theory.ledger import book
    from bnproof.theory.ledger.credit import credit_of
    from bnproof.theory.sources import DOCUMENTS

    listed = entry(claim_id, claims)
    print(f"{listed.id}: {listed.title}\n")
    for source in listed.sources:
        document = DOCUMENTS[source.document]
        where = f", {document.where}" if document.where else ""
        print(f"source      {source}\n            {document.authors}, {document.title}{where}")
    sentence = book.read_by(claim_id)
    if sentence:
        apart = (
            "" if book.chapters()[sentence.document].text else " (not compared with the document)"
        )
        print(f"as printed  {' '.join(sentence.quotation.split())}{apart}")
        print(f"sentence    {sentence.id}: `bnproof sentences` says what is known of it")
    if listed.statement:
        print(f"{'how read' if sentence else 'statement':10}  {listed.statement}")
    if listed.symbolic:
        from bnproof.theory.symbols import text

        claim = load_claim(claim_id, claims)
        print(f"relation    {text(claim.relation)}")
        print(f"where       {text(claim.domain)}")
        print(f"control     {text(claim.control)}")
    known = credit_of(claim_id)
    for label, who in known.lines() if known else ():
        print(f"{label:10}  {who}")
    print(f"checks      {', '.join(listed.checks)}")
    print(f"expected    {listed.expected}")
    for corrected in book.corrected_by(claim_id):
        print(f"corrects    {corrected.id}: {corrected.slip}")
    remark = load_claim(claim_id, claims).remark if listed.remark is None else listed.remark
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
    """Print the derivation of one claim; SymPy checks every equation as it is printed.

    Parameters
    ----------
    claim_id
        Claim to derive; `bnproof claims` lists all.
    format
        Format of the equations.
    claims
        Folder of your own claim files. They are executed: use only trusted files.
    """
    from bnproof.catalogue import load_claim
    from bnproof.derive import lines

    for line in lines(load_claim(claim_id, claims), latex=format == "latex"):
        print(line)


@app.command
def verify(
    *ids: Annotated[str, Parameter(name="ID")],
    data: str | None = None,
    scale: Literal["smoke", "quick", "long", "paper"] = "quick",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    seed: int = 0,
    memory: str = "1G",
    kernel: Literal["sympy", "coq"] = "sympy",
    json: Path | None = None,
    report: Path = REPORT,
    claims: Path | None = None,
    fresh: bool = False,
    workers: Workers = DEFAULT_WORKERS,
) -> int:
    """Verify claims and write a report.

    Finished claims are saved in the report folder; repeat an interrupted command to resume it.

    Parameters
    ----------
    ids
        Claims to verify; all by default.
    data
        Images: photos or digits (embedded), cifar10 (downloaded once), or a folder with CIFAR-10
        (Parquet files or the official binary archive). By default the embedded data are used.
    scale
        smoke takes seconds, quick takes minutes on two cores, long trains smaller networks for as
        long as the source, paper uses the source's own settings.
    device
        Device for PyTorch; auto uses a GPU if there is one.
    seed
        Random seed, 0 or larger.
    memory
        Memory limit for a batch of random networks, in bytes or with a suffix K, M, G or T. It
        does not affect which networks are drawn. A batch that runs out of memory is halved.
    kernel
        Proof checker. coq checks proofs and counterexamples with Coq as well, which must be
        installed; a proof that Coq rejects does not count.
    json
        Also write the evidence to this file, one object per claim.
    report
        Report folder, for index.html, evidence.json and the figures.
    claims
        Folder of your own claim files; without ID, only these are verified. They are executed: use
        only trusted files.
    fresh
        Discard saved results and verify everything again.
    """
    from bnproof.catalogue import select

    workers.check()
    require("matplotlib")  # needed only at the end, for the figures
    entries = select(ids, claims)
    settings = _settings(scale, workers.device(device), seed, data, memory, kernel)
    from bnproof.commands.verify import verify as run

    return run(
        entries,
        settings,
        report,
        workers,
        user_claims=claims,
        json=json,
        fresh=fresh,
        layers=not ids and not claims,
    )


@app.command
def report(folder: Path = REPORT) -> None:
    """Rebuild the report page from saved evidence.

    Parameters
    ----------
    folder
        Folder written by `bnproof verify`, with evidence.json and the figures.
    """
    from bnproof.commands.common import lock_report
    from bnproof.report import document, page
    from bnproof.theory.common import files

    document.load(folder / document.NAME)  # checked first: a folder without evidence is not locked
    files.probe(folder / page.PAGE)
    with lock_report(folder):
        content = document.load(folder / document.NAME)  # `verify` may have replaced it meanwhile
        print(page.write(content, folder).resolve())


for _module, _name, _help in (
    ("attack", "attack", "Search for data that violate a statement."),
    ("check_layer", "check-layer", "Check your own normalisation layer."),
    ("sentences", "sentences", "List the sentences of the sources, or check the quotations."),
    ("spectrum", "spectrum", "Compute singular values of products of random or given matrices."),
    ("sweep", "sweep", "Run a grid of training runs or experiments."),
    ("tensorboard", "tensorboard", "Export training runs to TensorBoard."),
):
    app.command(f"bnproof.commands.{_module}:{_module}", name=_name, help=_help)
app.command(
    "bnproof.commands.experiment:app",
    name="experiment",
    help="List, show, run and resume experiments on images.",
)


def _summary(entry: "Entry") -> dict[str, Any]:
    from bnproof.theory.ledger import book

    sentence = book.read_by(entry.id)
    return {
        "id": entry.id,
        "title": entry.title,
        "source": [str(source) for source in entry.sources],
        "reads": sentence.id if sentence else None,
        "quotation": sentence.quotation.strip() if sentence else None,
        "statement": entry.statement,
        "expected": entry.expected,
        "checks": list(entry.checks),
    }


def _settings(
    scale: str, device: str, seed: int, data: str | None, memory: str, kernel: str
) -> "Settings":
    """Check the options of `verify`."""
    from bnproof.api import settings

    valid_seed("--seed", seed)
    return settings(scale, device, seed, data, memory, kernel)


def main() -> None:
    """Entry point: run a command; invalid input gives a one-line message and exit status 2."""
    # OpenMP reads this when PyTorch is loaded: waiting threads sleep.  By default they spin, which
    # on a busy machine takes processor time from the threads that they wait for.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    use_large_pages()
    _require_output()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # characters that it cannot encode
    if "" in sys.argv[1:]:
        _fail("an argument is empty; give it a value or leave it out")
    try:
        with interrupts.kept():
            status = app(
                sys.argv[1:], print_error=False, exit_on_error=False, result_action="return_value"
            )
        sys.stdout.flush()  # so that a full disk is reported by the handlers below
    except UnusedCliTokensError as error:
        command = " ".join(["bnproof", *(error.command_chain or ())])
        extra = " ".join(error.unused_tokens or ())
        _fail(f"unexpected argument: {extra}; `{command} --help` shows the usage")
    except CycloptsError as error:
        _fail(CONVERSION.sub(lambda found: f"{found[1]} {found[2]}: {KINDS[found[3]]}", str(error)))
    except UserError as error:
        _fail(str(error))
    except BrokenPipeError:  # the reader, for example `head`, has closed the pipe
        _drop_output()
        sys.exit(141)
    except SystemExit as stop:
        # Rich, which prints the help, turns a broken pipe into SystemExit.
        sys.exit(141 if isinstance(stop.__context__, BrokenPipeError) else stop.code)
    except OSError as error:  # caused by the file system, not by a bug
        _drop_output()
        reason = error.strerror or error
        if error.filename is None:
            _fail(f"cannot write the output: {reason}; write it to another disk")
        _fail(f"{error.filename}: {reason}; choose another path")
    except ImportError as error:
        _fail(not_importable(error))
    except (MemoryError, RuntimeError) as error:
        from bnproof.simulate.memory import exhausted

        if not exhausted(error):
            raise
        _fail("out of memory; reduce --memory, --jobs or the problem size")
    except KeyboardInterrupt:
        _fail("interrupted", status=130)
    sys.exit(status or 0)


def _require_output() -> None:
    """Exit if standard output is closed: the next file to be opened would take its descriptor."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # never closed
    if sys.stdout is None:
        _fail("standard output is closed; redirect it to a file or to /dev/null")


def _drop_output() -> None:
    """Discard unwritable output, so that the interpreter does not try to flush it at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, status: int = 2) -> None:
    line = " ".join(message.split())
    with contextlib.suppress(OSError):  # standard error may be closed too
        print(f"bnproof: {line}", file=sys.stderr)
    sys.exit(status)
