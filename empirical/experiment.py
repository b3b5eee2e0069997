"""The form of an experiment at initialisation, and how it becomes evidence.

An experiment measures three networks: with BN, without BN, and a control, which is one of the
two (mostly that without BN) after what the statement is about was destroyed.  Its criteria are
thresholds on those measurements that are read off the printed statement; where one was changed
after measuring, the claim's remark says so.  The statement holds if all are satisfied; the
control, put in the place of the network that it was made of, must get the opposite answer.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from empirical.data import Images, batch, load
from empirical.images import stream
from empirical.models import Initialisation, Norm, ResNet, Shortcut, resnet
from theory.claim import Claim, Evidence, Kind, Scale, Settings

WITH, WITHOUT, CONTROL = "with BN", "without BN", "control"
NETS = (WITH, WITHOUT, CONTROL)

DEPTH = 110  # S3, section 1.2
SHORTCUT: Shortcut = "projection"  # ours; the paper does not say
LAYOUT = torch.channels_last  # ResNet-110 on two cores: 1.4 to 1.7 times as fast as the default
RESNET: Mapping[str, str] = {
    "architecture": f"ResNet-{DEPTH} at initialisation, batch statistics",
    "shortcut": SHORTCUT,
    "initialisation": "convolutions Xavier uniform, linear layer PyTorch's default",
}
POOL = 5_000  # images that batches are drawn from: 10 batches of 128 hardly overlap

# Measured: network -> quantity -> one number or a row of numbers.
Measured = Mapping[str, Mapping[str, Any]]
Medians = Mapping[str, Mapping[str, NDArray[np.float64]]]


@dataclass(frozen=True)
class Size:
    """What a scale means: images in a batch, number of seeds, step sizes in a decade of a path."""

    batch: int
    seeds: int
    steps: int


SIZES: Mapping[Scale, Size] = {
    Scale.SMOKE: Size(batch=16, seeds=3, steps=1),
    Scale.QUICK: Size(batch=128, seeds=5, steps=2),
    Scale.PAPER: Size(batch=128, seeds=10, steps=8),
}


@dataclass(frozen=True)
class Trial:
    """One seed: standardised images (b, 3, 32, 32) and labels (b,) on `device`, and networks.

    `steps` is how many step sizes a decade a path along the gradient has.
    """

    inputs: Tensor
    labels: Tensor
    seed: int
    device: str = "cpu"
    depth: int = DEPTH
    steps: int = 1

    def network(self, norm: Norm, init: Initialisation = "xavier") -> ResNet:
        """Build a network; for one seed and `init` the kernels are the same for every `norm`."""
        generator = self.stream("network")
        net = resnet(self.depth, generator=generator, norm=norm, shortcut=SHORTCUT, init=init)
        net.to(device=self.device)
        net.to(memory_format=LAYOUT)  # type: ignore[call-overload]  # missing in PyTorch's stubs
        return net

    def stream(self, purpose: str) -> torch.Generator:
        """Return a generator that depends on the seed and on `purpose`."""
        return stream(self.seed, purpose)


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """A threshold on the median over seeds of one quantity of one network.

    Where the quantity is a row (a number for each layer), every number must satisfy it.

    Raises
    ------
    ValueError
        Unless exactly one of `at_least` and `at_most` is given.
    """

    net: str
    quantity: str
    words: str
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"{self.words}: give one of at_least and at_most")

    def value(self, medians: Medians) -> float:
        """Return the number that is furthest to the wrong side."""
        row = medians[self.net][self.quantity]
        return float(np.min(row) if self.at_least is not None else np.max(row))

    def satisfied(self, value: float) -> bool:
        """Return whether `value` is on the right side of the threshold; NaN never is."""
        if self.at_least is not None:
            return value >= self.at_least
        return self.at_most is not None and value <= self.at_most

    @property
    def asked(self) -> str:
        """The threshold in words."""
        if self.at_least is not None:
            return f"at least {self.at_least:.3g}"
        return f"at most {self.at_most:.3g}"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Means: measure networks at initialisation on images; a member of `Claim.means`.

    Attributes
    ----------
    run
        Measures one `Trial`: for each of `NETS`, quantities by name.
    criteria
        What the printed statement requires of the numbers.
    control
        In words, how the control was made.  The control of a statement that is true must fail the
        criteria; that of a statement that is false must satisfy them.
    draw
        Draws the evidence on a figure and returns its text alternative.
    printed
        What the source prints, in the shape of `run`'s answer, to stand beside it.
    positions
        What the entries of a row belong to, such as ``{"layer": (18, 54, 90)}``.
    pictures
        Quantities that serve the figure only and are left out of `Evidence.numbers`.
    made_of
        The network that the control was made of, and in whose place it is put.
    networks
        Provenance of the networks.
    """

    run: Callable[[Trial], Measured]
    criteria: tuple[Criterion, ...]
    control: str
    draw: Callable[[Figure, Evidence], str]
    printed: Measured = field(default_factory=dict)
    positions: Mapping[str, Sequence[int]] = field(default_factory=dict)
    pictures: frozenset[str] = frozenset()
    made_of: str = WITHOUT
    networks: Mapping[str, str] = field(default_factory=lambda: RESNET)


def check(claim: Claim, settings: Settings) -> Evidence:
    """Carry out the experiment of `claim`.

    Returns
    -------
    Evidence
        `holds` tells whether every criterion is satisfied (None where a number is not finite),
        `control_differs` whether the control got the opposite answer.  `series` holds every
        quantity of every network as an array whose first axis is the seed.

    Raises
    ------
    ValueError
        If the claim has no experiment.
    DataError
        If `settings.data` holds no readable CIFAR-10.
    """
    experiment = _experiment(claim)
    size = SIZES[settings.scale]
    images = load(settings.data, limit=POOL)
    seeds = [settings.seed + number for number in range(size.seeds)]
    # On a GPU: the same float32 arithmetic as on a CPU, not the shorter one of tensor cores.
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        measured = [
            experiment.run(_trial(images, size, seed, settings.device))
            for seed in tqdm(seeds, desc=claim.id, unit="seed", leave=False, disable=None)
        ]
    series = {net: _stacked([trial[net] for trial in measured]) for net in NETS}
    return judge(
        experiment,
        series,
        where=f"{images.name}, {size.seeds} seeds, batches of {size.batch}",
        provenance={
            "data set": images.name,
            "images drawn from": len(images.train),
            "batch": size.batch,
            "seeds": seeds,
            "scale": settings.scale.value,
            "device": settings.device,
            "torch": torch.__version__,
            **experiment.networks,
            "control": experiment.control,
        },
    )


def judge(
    experiment: Experiment,
    series: Medians,
    *,
    where: str,
    provenance: Mapping[str, Any] | None = None,
) -> Evidence:
    """Turn measurements, seed along the first axis, into evidence."""
    medians = {
        net: {name: np.median(values, axis=0) for name, values in quantities.items()}
        for net, quantities in series.items()
    }
    in_control = medians | {experiment.made_of: medians[CONTROL]}
    rows: list[dict[str, Any]] = []
    for criterion in experiment.criteria:
        value, control = criterion.value(medians), criterion.value(in_control)
        rows.append(
            {
                "words": criterion.words,
                "asked": criterion.asked,
                "value": value,
                "satisfied": criterion.satisfied(value),
                "control value": control,
                "control satisfied": criterion.satisfied(control),
            }
        )
    finite = all(math.isfinite(row[name]) for row in rows for name in ("value", "control value"))
    holds = all(row["satisfied"] for row in rows) if finite else None
    failing = next((row for row in rows if not row["control satisfied"]), None)
    found = "; ".join(f"{row['words']} {row['value']:.3g} (asked: {row['asked']})" for row in rows)
    answer = "passes"
    if failing is not None:
        answer = f"does not pass: {failing['words']} {failing['control value']:.3g}"
    return Evidence(
        kind=Kind.EXPERIMENT,
        holds=holds,
        control_differs=holds is not None and holds == (failing is not None),
        summary=f"On {where}: {found}; the control {answer}.",
        numbers=_numbers(experiment, series, medians, rows),
        provenance=provenance or {},
        series=series,
    )


def draw(fig: Figure, claim: Claim, evidence: Evidence) -> str:
    """Draw the evidence of the claim's experiment on `fig`; return the text alternative.

    Raises
    ------
    ValueError
        If the claim has no experiment.
    """
    return _experiment(claim).draw(fig, evidence)


def _experiment(claim: Claim) -> Experiment:
    experiment: Experiment | None = claim.means_of(Experiment)
    if experiment is None:
        raise ValueError(f"{claim.id}: has no experiment among its means")
    return experiment


def _trial(images: Images, size: Size, seed: int, device: str) -> Trial:
    inputs, labels = batch(images, size.batch, seed)
    inputs = inputs.to(device=device, memory_format=LAYOUT)
    return Trial(inputs, labels.to(device), seed, device, steps=size.steps)


def _stacked(trials: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
    return {name: np.stack([np.asarray(trial[name]) for trial in trials]) for name in trials[0]}


def _numbers(
    experiment: Experiment, series: Medians, medians: Medians, rows: list[dict[str, Any]]
) -> dict[str, Any]:
    measured = {
        net: {
            name: {
                "median": _plain(medians[net][name]),
                "smallest": _plain(values.min(axis=0)),
                "largest": _plain(values.max(axis=0)),
            }
            for name, values in quantities.items()
            if name not in experiment.pictures
        }
        for net, quantities in series.items()
    }
    return {
        "criteria": [{name: _plain(value) for name, value in row.items()} for row in rows],
        "measured": measured,
        "printed": {net: dict(values) for net, values in experiment.printed.items()},
        "positions": {name: list(values) for name, values in experiment.positions.items()},
    }


def _plain(value: Any) -> Any:
    """Numbers and rows for JSON, which knows no NaN and no infinity: None stands for them."""
    if isinstance(value, np.ndarray):
        return [_plain(entry) for entry in value] if value.ndim else _plain(value.item())
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
