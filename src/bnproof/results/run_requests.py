"""What a person asked for in a folder of runs, and how far it is."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bnproof.empirical.training.run_folder import config_of
from bnproof.theory.claim import Scale, Settings
from bnproof.theory.common.checksum import canonical, digest, parse
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.files import write_text

FOLDER: Final = "requests"


@dataclass(frozen=True)
class Request:
    """Experiments, scale, seeds, data and device of one call of `bnproof experiment run`."""

    ids: tuple[str, ...]
    scale: str
    seeds: int | None
    seed: int
    data: str | None
    device: str

    def settings(self) -> Settings:
        """As `bnproof.empirical.runner.measure` takes them."""
        data = None if self.data is None else Path(self.data)
        return Settings(scale=Scale(self.scale), seed=self.seed, data=data, device=self.device)

    def command(self, name: str) -> str:
        """What to type to get the measurements of one experiment again, whatever the machine."""
        words = ["bnproof experiment run", name, "--scale", self.scale]
        if self.data is not None:
            words += ["--data", "path/to/cifar10"]
        if self.seeds is not None:
            words += ["--seeds", str(self.seeds)]
        if self.seed:
            words += ["--seed", str(self.seed)]
        return " ".join(words)

    def keep(self, out: Path) -> None:
        """Note the request in a folder of runs; the same request is noted once."""
        text = canonical(asdict(self))
        write_text(out / FOLDER / f"{digest(text.encode())}.json", text + "\n")


def requests(out: Path) -> list[Request]:
    """Everything that was asked for in a folder of runs.

    Raises
    ------
    UserError
        If a request is damaged: its name is the hash of its content.
    """
    found = []
    for path in sorted((out / FOLDER).glob("*.json")):
        try:
            text = path.read_text(encoding="utf-8").strip()
            fields = parse(text)
            asked = Request(**fields | {"ids": tuple(fields["ids"])})
            asked.settings()
            if digest(text.encode()) != path.stem or not _sane(asked):
                raise ValueError
            found.append(asked)
        except (ValueError, TypeError, KeyError):
            raise UserError(f"{path}: is no request; remove it and ask again") from None
    return found


def _sane(asked: Request) -> bool:
    """Whether its fields are of the types that they say."""
    numbers = asked.seed, 1 if asked.seeds is None else asked.seeds
    words = *asked.ids, asked.device
    return all(type(n) is int and n >= 0 for n in numbers) and all(
        isinstance(w, str) for w in words
    )


def training_runs(out: Path) -> Iterator[str]:
    """A line for each training run: its network, rate and seed, and the steps that were taken."""
    for path in sorted(out.glob("*/config.json")):
        config = config_of(path.parent)
        if "network" not in config:
            continue
        network = " ".join(str(value) for value in config["network"].values())
        where = "done" if (path.parent / "result.json").exists() else _steps(path.parent, config)
        yield (
            f"{path.parent.name}  {network}, rate {config['rate']:g}, seed {config['seed']}, "
            f"{config['data']['name']}: {where}"
        )


def _steps(folder: Path, config: dict[str, Any]) -> str:
    """The step of the newest checkpoint."""
    newest = max(folder.glob("checkpoint-*.pt"), default=None)
    step = int(newest.name.split("-")[1]) if newest else 0
    return f"{step:,} of {config['steps']:,} steps"
