"""Plot the time per random network against their number K, the batch size m and the inputs d.

    python benchmarks/cost.py --out FILE.svg [--most K] [--memory 1G] [--device cpu]

The task is that of `benchmarks/comparisons/networks.py`: both sides of Theorems 4.1 and 4.2 of A18
after a cross-entropy, float64, one thread on a CPU.  Networks are sampled and measured in chunks
that fit the memory budget; each point is the minimum of three runs, or a single run above K = 1e5.
On a GPU, the bandwidth for the bytes that must be read is printed relative to that of a copy.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnproof.simulate import memory
from bnproof.simulate.samplers.autodiff import VECTORS, Measured
from bnproof.simulate.samplers.closed_form import BOUNDS, evaluate
from bnproof.simulate.samplers.definitions.losses import CLASSES
from bnproof.simulate.samplers.networks import INPUTS, Problems, block, draw
from bnproof.theory.common.errors import UserError

M, K = 64, 4_096
SIZES = (2, 8, 64, 512, 4096)
WIDTHS = (1, 8, 64, 512)
# Colour, marker and label of each stage.
STAGES = {
    "drawing": ("C2", "^", "drawing (CPU)"),
    "autodiff": ("C1", "s", "double backward, chunks"),
    "closed": ("C0", "o", "closed form"),
}


def autodiff(problems: Problems) -> None:
    """Compute both sides by double backward, for 100 networks at a time on a CPU."""
    size = 100 if problems.y.device.type == "cpu" else len(problems.y)
    for start in range(0, len(problems.y), size):
        measured = Measured(problems.take(slice(start, start + size)))
        for symbol in BOUNDS:
            measured.value(symbol)


def costs(count: int, m: int, width: int, device: str) -> dict[str, float]:
    """Return the seconds per network of each stage, computed in chunks."""
    total = dict.fromkeys(STAGES, 0.0)
    chunk, start = memory.chunk(8 * m * (VECTORS + width), block(m)), 0
    while start < count:
        size = min(chunk, count - start)
        begin = time.perf_counter()
        problems = draw(size, m, "cross-entropy", 41, start=start, width=width, device=device)
        total["drawing"] += time.perf_counter() - begin
        total["autodiff"] += seconds(partial(autodiff, problems), device)
        total["closed"] += seconds(partial(evaluate, problems), device)
        start += size
    return {stage: value / count for stage, value in total.items()}


def seconds(step: Callable[[], object], device: str) -> float:
    """Return the wall-clock time of one call, including work on the device."""
    begin = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def least(count: int, m: int, width: int, device: str) -> dict[str, float]:
    """Return the minimum over several runs for each stage."""
    runs = [costs(count, m, width, device) for _ in range(1 if count > 1e5 else 3)]
    return {stage: min(run[stage] for run in runs) for stage in STAGES}


def panel(axes: Axes, label: str, times: dict[int, dict[str, float]]) -> None:
    """Plot microseconds per network against K, m or d."""
    for stage, (colour, marker, name) in STAGES.items():
        values = [1e6 * row[stage] for row in times.values()]
        axes.plot(list(times), values, f"{marker}-", color=colour, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(label)
    axes.grid(alpha=0.3)


def speed(count: int, device: str) -> tuple[float, float]:
    """Return networks per second, and the bandwidth for what must be read relative to a copy."""
    problems = draw(count, M, "cross-entropy", 42, device=device)
    read = 8 * M * (CLASSES + 2) * count  # other logits, labels and y
    size = 2**27 if device == "cuda" else 2**22  # larger than caches
    source = torch.empty(size, dtype=torch.float64, device=device)
    evaluate(problems)
    ours = min(seconds(partial(evaluate, problems), device) for _ in range(5))
    copy = min(seconds(source.clone, device) for _ in range(5))
    share = (read / ours) / (2 * source.numel() * 8 / copy)
    return count / ours, share


def main() -> None:
    """Measure, print and plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="figure to write (SVG, PNG or PDF)")
    parser.add_argument("--most", type=float, default=1e6, help="largest K (default 1e6)")
    parser.add_argument("--memory", default="1G", help="memory per chunk (default 1G)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    if options.most < 1000:
        parser.error(f"--most {options.most:g}: must be at least 1000")
    torch.set_num_threads(1)
    matplotlib.rcParams["svg.hashsalt"] = "bnproof"
    counts = [n for n in (1_000, 10_000, 100_000, 1_000_000) if n <= options.most]
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3, sharey=True)
    try:
        budget = memory.parse(options.memory)
    except UserError as error:
        parser.error(str(error))
    with memory.limited(budget):
        costs(1_000, M, INPUTS, options.device)  # warm-up
        sweeps = (
            (left, f"networks K (m = {M}, d = {INPUTS})", [(n, M, INPUTS) for n in counts], 0),
            (middle, f"batch size m (d = {INPUTS})", [(K * 8 // m, m, INPUTS) for m in SIZES], 1),
            (right, f"inputs d (m = {M})", [(K, M, d) for d in WIDTHS], 2),
        )
        for axes, label, points, index in sweeps:
            times = {point[index]: least(*point, options.device) for point in points}
            panel(axes, label, times)
            for x, row in times.items():
                stages = ", ".join(f"{s} {1e6 * t:.2f}" for s, t in row.items())
                print(f"{label.split('(')[0]:14}{x:>9,}: microseconds per network: {stages}")
        if options.device == "cuda":
            each, share = speed(100_000, options.device)
            print(f"{each:,.0f} networks per second, {share:.0%} of the bandwidth of a copy")
    left.set_ylabel("time per network, microseconds")
    left.legend(fontsize="small")
    figure.suptitle("Cost of one random network: both sides of Theorems 4.1 and 4.2, float64")
    figure.savefig(options.out, metadata={"Date": None} if options.out.suffix == ".svg" else None)
    print(options.out)


if __name__ == "__main__":
    main()
