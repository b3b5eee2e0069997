"""What a random product takes, against what it takes when it is drawn."""

import os
import re
import subprocess
import sys

import pytest

from bnproof.simulate import memory
from bnproof.simulate.random_matrices.spectra import cost
from bnproof.simulate.random_matrices.spectra.cost import bytes_needed, check_fits
from bnproof.simulate.random_matrices.spectra.sampling import Field
from bnproof.theory.common.errors import UserError

CASES: dict[str, tuple[tuple[int, ...], int, Field]] = {
    "triangular": ((1200,) * 3, 1, "real"),
    "graded": ((300,) * 21, 1, "complex"),
    "many": ((10, 10), 10_000, "real"),
}
# Each case is drawn in a process of its own, a fork of one that has loaded everything.  It first
# maps the code by small cases, and its peak begins with what it holds then; `ru_maxrss` would begin
# with the peak of its parent.
DRAWN = """
import os, sys
from pathlib import Path
from bnproof.simulate.random_matrices.spectra.spectrum import sampled
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
def small():
    sampled((8, 8, 8), 1), sampled((8,) * 40, 1), sampled((8,) * 40, 1, kind="complex")
small()
for name, (widths, repeats, kind) in eval(sys.argv[1]).items():
    child = os.fork()
    if not child:
        small()
        before = peak()
        sampled(widths, repeats, kind=kind)
        print(name, 1024 * (peak() - before), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def taken() -> dict[str, int]:
    """Bytes that each case took."""
    run = subprocess.run(
        [sys.executable, "-c", DRAWN, repr(CASES)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # threads do not survive a fork
    )
    return {name: int(size) for name, size in map(str.split, run.stdout.splitlines())}


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux tells the peak")
@pytest.mark.parametrize("name", CASES)
def test_what_is_needed_is_about_what_is_taken(name: str, taken: dict[str, int]) -> None:
    needed = bytes_needed(*CASES[name])
    assert needed / 4 < taken[name] < 1.5 * needed


@pytest.fixture
def one_gibibyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free", lambda device: 1 << 30)


@pytest.mark.parametrize(
    ("widths", "repeats", "kind"),
    [((40_000,) * 3, 1, "real"), ((3_000,) * 101, 2, "complex"), ((10**30,) * 4, 3, "real")],
)
@pytest.mark.usefixtures("one_gibibyte")
def test_the_size_that_is_named_is_the_largest_that_fits(
    widths: tuple[int, ...], repeats: int, kind: str
) -> None:
    with pytest.raises(UserError, match=f"--size {widths[0]}: takes .* 1 GiB are free") as caught:
        check_fits(widths, repeats, kind)  # type: ignore[arg-type]
    (largest,) = map(int, re.findall(r"give (\d+) or less", str(caught.value)))
    assert 100 < largest < widths[0]
    check_fits([largest] * len(widths), 1, kind)  # type: ignore[arg-type]
    with pytest.raises(UserError):
        check_fits([largest + 1] * len(widths), 1, kind)  # type: ignore[arg-type]


@pytest.mark.usefixtures("one_gibibyte")
def test_too_many_products() -> None:
    with pytest.raises(UserError, match=r"--repeats 99999999: memory") as caught:
        check_fits([10] * 3, 99_999_999, "real")
    (most,) = map(int, re.findall(r"give (\d+) or less", str(caught.value)))
    check_fits([10] * 3, most, "real")
    with pytest.raises(UserError):
        check_fits([10] * 3, most + 1, "real")


@pytest.mark.usefixtures("one_gibibyte")
def test_one_factor_needs_little_memory_and_much_time() -> None:
    check_fits([cost.WIDEST] * 2, 1, "real")
    check_fits([100 * cost.WIDEST, 2], 1, "real")
    with pytest.raises(UserError, match=f"takes hours; give {cost.WIDEST} or less"):
        check_fits([cost.WIDEST + 1] * 2, 1, "real")
