"""Start-up time and memory of the command line and the packages, and their size."""

import resource
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path


def command(*words: str) -> str:
    """Return Python code that runs a command."""
    return f"import sys; sys.argv = {['bnproof', *words]}; from bnproof.cli import main; main()"


REPORT = Path(tempfile.gettempdir()) / "bnproof-bench-start"
# Each action is run in a new process.
ACTIONS = {
    "python": "",
    "help": command("--help"),
    "claims": command("claims"),
    "experiment list": command("experiment", "list"),
    "show": command("show", "santurkar_4_1"),
    "verify": command(
        *("verify", "santurkar_4_1", "--scale", "smoke", "--device", "cpu"),
        *("--report", str(REPORT)),
    ),
    "theory": "from bnproof.theory import claims, loading; loading.load_folder(claims)",
    "torch": "import torch",
}
PACKAGE = "bnproof"
HEAVY = {"torch", "sympy", "matplotlib", "numpy", "scipy"}
# Prints peak memory and loaded modules at exit; registered before the action, because `main` exits.
AT_EXIT = """
import atexit, sys
from pathlib import Path

@atexit.register
def _():
    status = Path("/proc/self/status").read_text()
    peak = status.split("VmHWM:")[1].split()[0]
    print(peak, *sys.modules, file=sys.stderr)

"""


def run(action: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run an action in a new interpreter with the same packages."""
    return subprocess.run(
        [sys.executable, "-c", before + ACTIONS[action]], capture_output=True, text=True, check=True
    )


def spent() -> float:
    """Return the CPU seconds of finished child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Start:
    """Commands of `bnproof` and imports, compared with plain Python and PyTorch."""

    params = (list(ACTIONS),)
    param_names = ("action",)
    timer = staticmethod(spent)

    def time_start(self, action: str) -> None:
        run(action)

    def track_peak_memory(self, action: str) -> float:
        """Peak resident memory of the new process; Linux only."""
        return float(run(action, AT_EXIT).stderr.split()[0]) / 1024

    track_peak_memory.unit = "MiB"

    def track_heavy_packages(self, action: str) -> int:
        """Number of packages loaded out of PyTorch, SymPy, Matplotlib, NumPy and SciPy."""
        return len(HEAVY & set(run(action, AT_EXIT).stderr.split()))

    track_heavy_packages.unit = "packages"

    def track_modules(self, action: str) -> int:
        """Number of bnproof's modules loaded."""
        loaded = run(action, AT_EXIT).stderr.split()
        return sum(name.partition(".")[0] == PACKAGE for name in loaded)

    track_modules.unit = "modules"


class Size:
    """Size of the package on disk, including theory, simulate and empirical."""

    def track_size(self) -> int:
        """Size of all files except compiled ones."""
        package = Path(find_spec(PACKAGE).submodule_search_locations[0])
        # In a checkout some folders are symbolic links, which `rglob` does not follow.
        links = [path for path in package.iterdir() if path.is_symlink()]
        folders = [package, *(path.resolve() for path in links)]
        return sum(
            path.stat().st_size
            for folder in folders
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        )

    track_size.unit = "bytes"
