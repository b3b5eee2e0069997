"""Run Coq on theorems: one counts as checked only if Coq says so to the end.

`find` looks for ``coqc``.  `Checker` compiles the project's own Coq files, as far as they are
needed, and then theorems, each by a process of its own in a temporary folder: what a process that
failed or was killed leaves behind goes away with it.
"""

import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final, Self

from bnproof.theory.common.checksum import (
    canonical,
    checksum_matches,
    digest,
    parse,
    with_checksum,
)
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.files import write_text
from bnproof.theory.kernel.export import Theorem

OLDEST: Final = (8, 16)
NEWEST: Final = (8, 20)
INSTALL: Final = "on Debian or Ubuntu: apt-get install coq"
LIMIT: Final = 300  # seconds of processor time for one file; most take one
WORKERS: Final = 2
# The project's own files, each after those that it needs.
LIBRARY: Final = (
    "Tactics",
    "Sums",
    "Gradient",
    "Layer",
    "Derivative",
    "Theorem41",
    "Curvature",
    "Symbols",
    "Counterexample",
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

    def __str__(self) -> str:
        return f"Coq {self.version}"


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
        answer = subprocess.run([path, "--print-version"], capture_output=True, text=True)
    except OSError as error:
        raise UserError(f"{path} does not run: {error.strerror}; {INSTALL}") from None
    found = re.match(r"(\d+)\.(\d+)\S*", answer.stdout)
    if found is None or not OLDEST <= (int(found[1]), int(found[2])) <= NEWEST:
        printed = found[0] if found else repr(answer.stdout.strip()[:40])
        low, high = (".".join(map(str, version)) for version in (OLDEST, NEWEST))
        raise UserError(f"{path} says version {printed}; Coq {low} to {high} is needed; {INSTALL}")
    return Coq(path, found[0])


class Checker:
    """Checks theorems with Coq; close it, or use it in ``with``, to remove its folder.

    Parameters
    ----------
    coq
        From `find`.
    cache
        Folder that remembers which theorems were checked, by version of Coq and text, or None.
    limit
        Seconds of processor time after which a process is ended; its theorem is not checked.
    """

    def __init__(self, coq: Coq, cache: Path | None = None, limit: int = LIMIT) -> None:
        self.coq = coq
        self.cache = cache
        self.limit = limit
        self._folder = tempfile.TemporaryDirectory(prefix="bnproof-coq-")
        self._compiled: dict[str, Outcome] = {}
        self._compiling = threading.Lock()

    def close(self) -> None:
        """Remove the folder with all that Coq wrote."""
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def library(self, last: str = LIBRARY[-1]) -> Iterator[Outcome]:
        """Compile the project's own files up to `last`, those that are not compiled already."""
        with self._compiling:
            for name in LIBRARY[: LIBRARY.index(last) + 1]:
                if name not in self._compiled:
                    self._compiled[name] = self._run(Theorem(name, source(name), {}, name, ""))
                yield self._compiled[name]

    def check_all(self, theorems: Iterable[Theorem]) -> Iterator[Outcome]:
        """Check theorems, `WORKERS` at a time; outcomes come in the order of the theorems."""
        with ThreadPoolExecutor(WORKERS) as pool:
            yield from pool.map(self.check, theorems)

    def check(self, theorem: Theorem) -> Outcome:
        """Check one theorem, or recall that it was checked."""
        if self._remembered(theorem):
            return Outcome(theorem.name, True)
        for part in self.library(theorem.library):
            if not part.checked:
                return Outcome(theorem.name, False, f"{part.name}.v: {part.reason}")
        outcome = self._run(theorem)
        if outcome.checked and self.cache is not None:
            self._remember(theorem, self.cache)
        return outcome

    def _run(self, theorem: Theorem) -> Outcome:
        folder = self._folder.name
        path = Path(folder, f"{theorem.name}.v")
        path.write_text(theorem.source, encoding="utf-8")
        # The shell sets the limit: of processor time, so that a busy machine refuses no proof.
        shell = ["sh", "-c", 'ulimit -t "$0"; exec "$@"', str(self.limit)]
        command = [*shell, self.coq.path, "-q", "-Q", folder, "BNProof", str(path)]
        done = subprocess.run(  # in the folder: Coq's tactics leave caches where they run
            command, capture_output=True, text=True, errors="replace", cwd=folder
        )
        reason = _refusal(theorem, done)
        return Outcome(theorem.name, not reason, reason)

    def _entry(self, theorem: Theorem, cache: Path) -> Path:
        parts = [self.coq.version, *map(source, LIBRARY), theorem.source]
        return cache / f"coq-{digest(chr(0).join(parts).encode())}.json"

    def _remembered(self, theorem: Theorem) -> bool:
        if self.cache is None:
            return False
        try:
            return checksum_matches(parse(self._entry(theorem, self.cache).read_text("utf-8")))
        except (OSError, ValueError):
            return False

    def _remember(self, theorem: Theorem, cache: Path) -> None:
        content = with_checksum({"theorem": theorem.name, "checked by": str(self.coq)})
        try:
            write_text(self._entry(theorem, cache), canonical(content))
        except UserError:  # a cache that cannot be written costs time only
            return


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
            return f"Coq does not see that {aim}"
        message = re.search(r"Error:\s*(\S.*)", done.stderr)
        line = f" at line {where[1]}" if where else ""
        return (
            f"Coq refuses it{line}: {message[1] if message else f'exit status {done.returncode}'}"
        )
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
