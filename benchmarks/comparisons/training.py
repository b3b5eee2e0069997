"""Training steps of ResNet-20 and ResNet-110, compared with a loop as in tutorials."""

import time
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.comparisons.row import Row, alternate
from bnproof.empirical.data.images import Images, stream
from bnproof.empirical.data.load import load
from bnproof.empirical.networks.resnet import resnet
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.loop import Trainer
from bnproof.theory.claim import Precision

REQUIRED = {20: 1.6, 110: 2.0}  # on a processor with bfloat16 instructions
BATCH = 128


class _Samples(Dataset):
    """Loads and augments one image at a time."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images.train)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = self.images.train.pixels[index].float() / 255
        image = (image - self.images.moments[0]) / self.images.moments[1]
        padded = nn.functional.pad(image, (4, 4, 4, 4))
        y, x = torch.randint(0, 9, (2,)).tolist()
        image = padded[:, y : y + 32, x : x + 32]
        if torch.rand(()) < 0.5:
            image = image.flip(2)
        return image, self.images.train.labels[index]


class Tutorial:
    """A training loop in float32 with a data loader and an optimiser."""

    def __init__(self, depth: int, images: Images) -> None:
        self.model = resnet(depth, generator=stream(0, "network"))
        self.criterion = nn.CrossEntropyLoss()
        self.optimiser = torch.optim.SGD(
            self.model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4
        )
        loader = DataLoader(_Samples(images), batch_size=BATCH, shuffle=True, drop_last=True)
        self.batches = self._forever(loader)

    def _forever(self, loader: DataLoader) -> Iterator[list[Tensor]]:
        while True:
            yield from loader

    def step(self) -> float:
        """One update."""
        inputs, labels = next(self.batches)
        self.optimiser.zero_grad()
        loss = self.criterion(self.model(inputs), labels)
        loss.backward()
        self.optimiser.step()
        return loss.item()


def _outside(trainer: Trainer, steps: int) -> float:
    """Return the share of the time outside forward and backward passes."""
    spent = 0.0

    def timed(function):
        def run(*arguments, **options):
            nonlocal spent
            start = time.perf_counter()
            result = function(*arguments, **options)
            spent += time.perf_counter() - start
            return result

        return run

    trainer.forward = timed(trainer.forward)
    backward, Tensor.backward = Tensor.backward, timed(Tensor.backward)
    try:
        begin = time.perf_counter()
        for _ in range(steps):
            trainer.update()
        return 1 - spent / (time.perf_counter() - begin)
    finally:
        Tensor.backward = backward


def _precision() -> Precision:
    """Return bfloat16 if the processor supports it; otherwise it would be emulated slowly."""
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    checks = (getattr(torch.cpu, name, None) for name in names)
    return "bfloat16" if any(check is not None and check() for check in checks) else "float32"


def _row(depth: int) -> Row:
    images = load("photos")
    precision = _precision()
    training_config = TrainingConfig(
        network={"family": "resnet", "depth": depth},
        steps=10**6,
        rate=0.1,
        batch=BATCH,
        augment=True,
        precision=precision,
    )
    trainer, tutorial = Trainer(training_config, images), Tutorial(depth, images)
    ours, theirs = alternate(trainer.update, tutorial.step, repeats=12 if depth < 50 else 4)
    note = (
        f"{precision}: {BATCH / ours:.0f} against {BATCH / theirs:.0f} images/s; "
        f"{_outside(trainer, 4):.1%} of the time is outside forward and backward passes"
    )
    required = REQUIRED[depth] if precision == "bfloat16" else None
    what = f"one training step of ResNet-{depth}, batch {BATCH}"
    return Row(what, ours, theirs, "plain float32 loop", required, note)


COMPARISONS = {f"ResNet-{depth}": partial(_row, depth) for depth in REQUIRED}
