"""Run Coq on exported theorems: a theorem counts as checked only if Coq says so to the end.

`find` looks for ``coqc``; `Checker` compiles the project's own Coq files once and then any number
of theorems, each by a process of its own in a temporary folder.  What a killed or failing process
leaves behind goes away with that folder.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Final

from bnproof.theory.common.errors import UserError
from bnproof.theory.kernel.export import Theorem

OLDEST: Final = (8, 16)
NEWEST: Final = (8, 20)
INSTALL: Final = "on Debian or Ubuntu: apt-get install coq"
LIMIT: Final = 300  # seconds for one file; most take one
WORKERS: Final = 2
# The project's own files, each after those that it needs.
LIBRARY: Final = (
    "Tactics",
    "Sums",
    "Gradient",
    "Layer",
    "Derivative",
    "Quadratic",
    "Theorem41",
)
# What Coq's real numbers rest on: nothing else may be assumed.
AXIOMS: Final = frozenset(
    {
        "ClassicalDedekindReals.sig_not_dec",
        "ClassicalDedekindReals.sig_forall_dec",
        "FunctionalExtensionality.functional_extensionality_dep",
        "Classical_Prop.classic",
    }
)


@dataclass(frozen=True)
class Coq:
    """A Coq that was found, and its version, such as 8.16.1."""

    path: str
    version: str


@dataclass(frozen=True)
class Outcome:
    """What Coq said of one theorem.

    Attributes
    ----------
    name
        The theorem.
    checked
        Whether Coq accepted the proof, to the end and with no axiom beyond `AXIOMS`.
    reason
        Why not, in one line.
    """

    name: str
    checked: bool
    reason: str = ""


def find() -> Coq:
    """Look for Coq.

    Raises
    ------
    UserError
        If there is none, or it is of a version that the files are not written for.
    """
    path = shutil.which("coqc")
    if path is None:
        raise UserError(f"Coq is not installed (no coqc found); {INSTALL}")
    try:
        answer = subprocess.run(
            [path, "--print-version"], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"{path} does not run ({type(error).__name__}); {INSTALL}") from None
    found = re.match(r"(\d+)\.(\d+)\S*", answer.stdout)
    if found is None or not OLDEST <= (int(found[1]), int(found[2])) <= NEWEST:
        said = found[0] if found else answer.stdout.strip()[:40] or "nothing"
        low, high = (".".join(map(str, version)) for version in (OLDEST, NEWEST))
        raise UserError(f"{path} is of version {said}; versions {low} to {high} will do")
    return Coq(path, found[0])


class Checker:
    """Compiles the project's own Coq files, then checks theorems; a context manager.

    Parameters
    ----------
    coq
        From `find`.
    limit
        Seconds after which a process is ended; its theorem is then not checked.
    """

    def __init__(self, coq: Coq, limit: float = LIMIT) -> None:
        self.coq = coq
        self.limit = limit

    def __enter__(self) -> "Checker":
        self._folder = tempfile.TemporaryDirectory(prefix="bnproof-coq-")
        self._compiled: dict[str, Outcome] = {}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def library(self, last: str = LIBRARY[-1]) -> Iterator[Outcome]:
        """Compile the project's own files in order, up to `last`; those done are not done again."""
        for name in LIBRARY[: LIBRARY.index(last) + 1]:
            if name not in self._compiled:
                self._compiled[name] = self.check(Theorem(name, source(name), {}))
            yield self._compiled[name]

    def all(self, theorems: Iterable[Theorem], workers: int = WORKERS) -> Iterator[Outcome]:
        """Check theorems, several at a time; outcomes come in the order of the theorems."""
        with ThreadPoolExecutor(workers) as pool:
            yield from pool.map(self.check, theorems)

    def check(self, theorem: Theorem) -> Outcome:
        """Check one theorem; the library files that it uses must be compiled."""
        path = Path(self._folder.name, f"{theorem.name}.v")
        path.write_text(theorem.source, encoding="utf-8")
        command = [self.coq.path, "-q", "-Q", self._folder.name, "BNProof", str(path)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=self.limit
            )
        except subprocess.TimeoutExpired:
            return Outcome(theorem.name, False, f"Coq was ended after {self.limit:g} s")
        except OSError as error:
            return Outcome(theorem.name, False, f"Coq does not run: {error.strerror}")
        reason = _refusal(theorem, done)
        return Outcome(theorem.name, not reason, reason)


def source(name: str) -> str:
    """The text of one of the project's own Coq files."""
    return (resources.files("bnproof.theory.kernel") / "coq" / f"{name}.v").read_text("utf-8")


def _refusal(theorem: Theorem, done: "subprocess.CompletedProcess[str]") -> str:
    """Why the answer of a process is no confirmation; empty if it is one."""
    if done.returncode < 0:
        return f"Coq was killed by signal {-done.returncode}"
    if done.returncode > 0:
        where = re.search(r"line (\d+), characters", done.stderr)
        aim = theorem.aims.get(int(where[1])) if where else None
        if aim:
            return f"Coq does not see: {aim}"
        said = re.search(r"Error:\s*(\S.*)", done.stderr)
        line = f" at line {where[1]}" if where else ""
        return f"Coq refuses it{line}: {said[1] if said else f'exit status {done.returncode}'}"
    asked = theorem.source.count("Print Assumptions ")
    answers = re.findall(r"^(?:Axioms:|Closed under the global context)$", done.stdout, re.M)
    if not asked or len(answers) != asked:
        return "Coq did not say to the end what the theorem rests on"
    foreign = sorted(set(axioms(done.stdout)) - AXIOMS)
    return f"it rests on the axiom {', '.join(foreign)}" if foreign else ""


def axioms(answer: str) -> Sequence[str]:
    """The names that ``Print Assumptions`` listed."""
    named, listing = [], False
    for line in answer.splitlines():
        if line in ("Axioms:", "Closed under the global context"):
            listing = line == "Axioms:"
        elif listing and line and not line[0].isspace():
            named.append(line.split(":")[0].strip())
    return named
