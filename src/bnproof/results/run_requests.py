"""Requests saved in a folder of runs, and the progress of its training runs."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, get_args

from bnproof.empirical.data.load import EMBEDDED
from bnproof.empirical.training.checkpoints import saved_step
from bnproof.empirical.training.provenance import code_of_training
from bnproof.empirical.training.run_folder import config_of
from bnproof.theory.claim import Mode, Precision, Scale, Settings
from bnproof.theory.common.checksum import canonical, digest, parse
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.files import write_text

FOLDER: Final = "requests"


@dataclass(frozen=True)
class Request:
    """The arguments of one `bnproof experiment run`."""

    ids: tuple[str, ...]
    scale: str
    seeds: int | None
    seed: int
    data: str | None
    device: str
    # Missing in requests of older versions.
    precision: Precision = "float32"
    mode: Mode = "exact"
    variant: str = ""

    def settings(self) -> Settings:
        """Return the settings for `bnproof.empirical.runner.measure`."""
        data = None if self.data is None else Path(self.data)
        return Settings(
            scale=Scale(self.scale),
            device=self.device,
            seed=self.seed,
            data=data,
            precision=self.precision,
            mode=self.mode,
            variant=self.variant,
        )

    def command(self, name: str) -> str:
        """Return the command that reproduces the measurements of one experiment."""
        return " ".join(["bnproof experiment run", name, "--scale", self.scale, *self.options()])

    def options(self) -> list[str]:
        """Return the other options of that command that are not at their default."""
        words = []
        if self.data is not None:
            words += ["--data", self.data if self.data in EMBEDDED else "path/to/cifar10"]
        if self.seeds is not None:
            words += ["--seeds", str(self.seeds)]
        if self.seed:
            words += ["--seed", str(self.seed)]
        if self.precision != "float32":
            words += ["--precision", self.precision]
        if self.mode != "exact":
            words += ["--mode", self.mode]
        if self.variant:
            words += ["--variant", self.variant]
        return words

    def keep(self, out: Path) -> None:
        """Save the request in a folder of runs; equal requests share a file."""
        text = canonical(asdict(self))
        write_text(out / FOLDER / f"{digest(text.encode())}.json", text + "\n")


def requests(out: Path) -> list[Request]:
    """Return all requests saved in a folder of runs.

    Raises
    ------
    UserError
        If a file is damaged, that is, its name is not the hash of its content.
    """
    valid = []
    for path in sorted((out / FOLDER).glob("*.json")):
        try:
            text = path.read_text(encoding="utf-8").strip()
            fields = parse(text)
            request = Request(**fields | {"ids": tuple(fields["ids"])})
            request.settings()
            if digest(text.encode()) != path.stem or not _is_valid(request):
                raise ValueError
            valid.append(request)
        except (ValueError, TypeError, KeyError):
            raise UserError(f"{path}: is not a valid request; delete it and try again") from None
    return valid


def _is_valid(request: Request) -> bool:
    """Whether the fields have valid types, and precision and mode are known."""
    numbers = request.seed, 1 if request.seeds is None else request.seeds
    words = *request.ids, request.device, request.variant
    return (
        all(type(n) is int and n >= 0 for n in numbers)
        and all(isinstance(w, str) for w in words)
        and request.precision in get_args(Precision)
        and request.mode in get_args(Mode)
    )


def training_runs(out: Path) -> Iterator[str]:
    """Yield a line for each training run: network, rate, seed and progress."""
    for path in sorted(out.glob("*/config.json")):
        config = config_of(path.parent)
        if "network" not in config:
            continue
        network = " ".join(str(value) for value in config["network"].values())
        done = (path.parent / "result.json").exists()
        code = code_of_training(config["network"].get("family", ""), config["metrics"])
        other = "" if config.get("code") == code else ", by other code than today's: not reused"
        yield (
            f"{path.parent.name}  {network}, rate {config['rate']:g}, seed {config['seed']}, "
            f"{config['data']['name']}: {'done' if done else _steps(path.parent, config)}{other}"
        )


def _steps(folder: Path, config: dict[str, Any]) -> str:
    """Return the step of the newest checkpoint, and how many there will be."""
    return f"{saved_step(folder):,} of {config['steps']:,} steps"
