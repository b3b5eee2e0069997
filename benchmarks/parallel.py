"""Time `bnproof verify` in one process and in several, idle and beside busy loops.

    python benchmarks/parallel.py [ID ...] [--scale quick] [--jobs 2] [--rounds 1]

Every run verifies the same claims from nothing, with saved proofs, in a folder of its own: in one
process, in `--jobs` processes, and in `--jobs` processes while as many endless loops run, which
take their share of the cores but must not make the work itself longer.  Without IDs, claims of
every kind are chosen that take some minutes of one core.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

CHOSEN = (
    *("bjorck_fig2", "bjorck_table1", "bjorck_fig5", "bjorck_fig6", "daneshmand_rank"),
    *("santurkar_4_1", "santurkar_4_2", "bn_hessian", "lp_constant", "liu_density", "lyapunov"),
)
LOOP = "while True: pass"


def verify(ids: Sequence[str], scale: str, jobs: int) -> tuple[float, float]:
    """Return wall time and processor time of one run, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bnproof", "verify", *ids, "--device", "cpu"]
        command += ["--scale", scale, "--jobs", str(jobs), "--report", folder]
        begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        ended = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if ended.returncode not in (0, 1):  # an unexpected verdict does not matter here
            sys.exit(f"{' '.join(command)}: exit status {ended.returncode}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return time.monotonic() - begun, used


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Run so many endless loops."""
    loops = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def main() -> None:
    """Measure in turn and print the ratios of the least times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ids", nargs="*", default=CHOSEN)
    parser.add_argument("--scale", default="quick")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    verify(options.ids, "smoke", options.jobs)  # proofs are derived once and saved
    times: dict[str, list[tuple[float, float]]] = {"one": [], "several": [], "busy": []}
    for _ in range(options.rounds):
        times["one"].append(verify(options.ids, options.scale, 1))
        times["several"].append(verify(options.ids, options.scale, options.jobs))
        with busy(options.jobs):
            times["busy"].append(verify(options.ids, options.scale, options.jobs))
    one, several, beside = (min(row) for row in times.values())
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    jobs = options.jobs
    print(f"{len(options.ids)} claims, scale {options.scale}: wall time, processor time")
    for words, (wall, used) in {
        "1 process": one,
        f"{jobs} processes": several,
        f"{jobs} processes beside {jobs} busy loops": beside,
    }.items():
        print(f"{words:32}{wall:7.1f} s{used:8.1f} s")
    print(f"{jobs} processes are {one[0] / several[0]:.2f} times as fast as one")
    print(f"busy loops cost {beside[1] / several[1]:.2f} times the processor time")
    print(f"the largest process takes {memory:.2f} GiB")


if __name__ == "__main__":
    main()
