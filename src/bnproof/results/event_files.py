"""Export training runs as TensorBoard event files; needs the extra `tb`.

An event file depends only on the run folder, and a newer one extends the older one.  So TensorBoard
can follow a run that is exported repeatedly.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bnproof.empirical.training.run_folder import config_of
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.files import write_bytes

FILE: Final = "events.out.tfevents.bnproof"  # TensorBoard expects "tfevents" in the name

Scalars = dict[str, float]


def write(out: Path, to: Path) -> list[Path]:
    """Write an event file for each training run in a folder; return their paths.

    Raises
    ------
    UserError
        If the package tensorboard is missing, there is no run, or a file cannot be written.
    """
    # The configuration of a training run names a network, that of an experiment's seed does not.
    configs = {path.parent: config_of(path.parent) for path in sorted(out.glob("*/config.json"))}
    runs = {folder: config for folder, config in configs.items() if "network" in config}
    if not runs:
        raise UserError(f"{out}: contains no training run; name a folder of runs with --out")
    written = []
    for folder, config in runs.items():
        path = to / _name(folder, config) / FILE
        _extend(path, b"".join(_events(folder, config)))
        written.append(path)
    return written


def _name(folder: Path, config: Mapping[str, Any]) -> str:
    """Return a readable name with network, rate and seed, made unique by the hash."""
    rest = dict(config["network"])
    network = "-".join([rest.pop("family"), *map(str, rest.values())])
    words = f"{network}_rate-{config['rate']:g}_seed-{config['seed']}_{folder.name}"
    return re.sub(r"[^\w.+-]", "-", words)


def _events(folder: Path, config: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the records of an event file: version, hyperparameters and evaluations."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
        from tensorboard.summary.writer.record_writer import RecordWriter
        from torch.utils.tensorboard.summary import hparams
    except ImportError:
        raise UserError(
            "event files need the package tensorboard; run `pip install 'bnproof[tb]'`"
        ) from None
    # metrics.jsonl has no times; with one time for all events, the file depends only on the folder.
    begun = (folder / "config.json").stat().st_mtime

    def record(**content: Any) -> bytes:
        buffer = io.BytesIO()
        RecordWriter(buffer).write(Event(wall_time=begun, **content).SerializeToString())
        return buffer.getvalue()

    yield record(file_version="brain.Event:2")
    rows = list(_rows(folder / "metrics.jsonl"))
    metrics = dict.fromkeys(_scalars(rows[0])) if rows else {}
    for summary in hparams(_hyperparameters(config), metrics):  # type: ignore[no-untyped-call]
        plugin = summary.value[0].metadata.plugin_data
        unordered = HParamsPluginData.FromString(plugin.content)
        plugin.content = unordered.SerializeToString(deterministic=True)
        yield record(summary=summary)
    for row in rows:
        values = [
            Summary.Value(tag=tag, simple_value=value) for tag, value in _scalars(row).items()
        ]
        yield record(step=row["step"], summary=Summary(value=values))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the complete lines; the last one may be half-written."""
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)


def _scalars(row: Mapping[str, Any], before: str = "") -> Scalars:
    """Return the scalars of a record, those of a metric as ``metric/quantity``."""
    scalars: Scalars = {}
    for name, value in row.items():
        tag = before + re.sub(r"[^\w.-]", "_", name)
        if isinstance(value, Mapping):
            scalars |= _scalars(value, f"{tag}/")
        elif isinstance(value, int | float) or value in ("inf", "-inf", "nan"):
            scalars[tag] = float(value)
    scalars.pop("step", None)
    return scalars


def _hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten the configuration for TensorBoard's HParams page."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": entry for inner, entry in value.items()}
        else:
            flat[name] = value
    plain = (bool, int, float, str)
    return {name: value if isinstance(value, plain) else str(value) for name, value in flat.items()}


def _extend(path: Path, content: bytes) -> None:
    """Append new content, so that a reader can continue; replace a file that differs."""
    old = path.read_bytes() if path.exists() and not path.is_symlink() else None
    if old is None or not content.startswith(old):
        write_bytes(path, content)
    elif len(content) > len(old):
        with path.open("ab") as file:
            file.write(content[len(old) :])
