"""The command `bnproof spectrum`: singular values of random products or given weights."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import Parameter

from bnproof.commands.common import FIGURES, require, write_json
from bnproof.theory.common.errors import UserError, valid_seed

if TYPE_CHECKING:
    from bnproof.simulate.random_matrices.spectra.own_weights import Row
    from bnproof.simulate.random_matrices.spectra.spectrum import Spectrum

TABLES: Final = (".json", ".csv", ".parquet")
# Options that go with each source of the matrices, beside --out and --device.
BELONGS: Final = {
    "--factors": ("--size", "--field", "--repeats", "--seed", "--log"),
    "--widths": ("--field", "--repeats", "--seed", "--log"),
    "--from": ("--layers", "--log"),
    "--figure": ("--size", "--field", "--repeats", "--seed"),
}
# Numbers of factors M that are shown in each figure of Bjorck et al.; our choice.
PAPER: Final = {8: (1, 2, 3, 5), 9: (1, 2, 10), 20: (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)}
HEAD: Final = (
    f"{'matrix':24} {'shape':>11} {'norm':>9} {'stable':>8} {'condition':>9} {'sigma':>9} "
    f"{'outliers':>8} {'distance':>8} {'p':>7} {'exponent':>8}"
)
MAX_FACTORS: Final = 1_000  # the law is tested up to this number
Field = Literal["real", "complex"]


def spectrum(
    *,
    factors: int | None = None,
    size: int | None = None,
    widths: str | None = None,
    field: Field | None = None,
    repeats: int | None = None,
    source: Annotated[Path | None, Parameter(name="--from")] = None,
    layers: str | None = None,
    figure: Literal[8, 9, 20] | None = None,
    log: bool = False,
    out: tuple[Path, ...] = (Path("spectrum.svg"),),
    seed: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> int:
    """Compute singular values of products of matrices and compare them with their limiting law.

    Parameters
    ----------
    factors
        Number M of square Gaussian factors, with entries of variance 1/N.
    size
        Size N of the square factors; 1000 by default.
    widths
        Layer widths n_0,n_1,...,n_M for rectangular factors, instead of --factors and --size.
    field
        Whether entries are real (the default) or complex.
    repeats
        Number of products; 10 by default.
    source
        Your own weights (out, in) instead of random matrices: a .safetensors, .npz or .npy file, a
        PyTorch state dict (.pt, .pth, .bin), or a folder or index of .safetensors files. Each
        matrix is analysed, and the product of all if their shapes match. Kernels of convolutions
        count as matrices (out, in * height * width).
    layers
        Names of the matrices to use, starting at the input, or patterns such as '*.mlp.*',
        separated by commas; all by default.
    figure
        Reproduce Figure 8, 9 or 20 of Bjorck et al., with the corrected law and, dashed, the law
        as printed.
    log
        Plot log10 of the singular values.
    out
        Output file: a figure (.svg, .png, .pdf), a table (.json, .csv) or all values (.parquet).
        Can be repeated.
    seed
        Random seed, 0 or larger; 0 by default.
    device
        Device for PyTorch; auto uses a GPU if there is one.
    """
    from bnproof.scheduler import resources
    from bnproof.theory.common import files

    for path in out:
        if path.suffix not in (*FIGURES, *TABLES):
            raise UserError(f"--out {path}: must end in one of {', '.join((*FIGURES, *TABLES))}")
        if path.suffix == ".parquet":
            require("pyarrow", extra="parquet")
        files.probe(path)
    inputs = {"--factors": factors, "--widths": widths, "--from": source, "--figure": figure}
    chosen = [name for name, value in inputs.items() if value is not None]
    if len(chosen) != 1:
        raise UserError(f"give one of {', '.join(inputs)}, not {' and '.join(chosen) or 'none'}")
    given = {
        "--size": size, "--field": field, "--repeats": repeats, "--layers": layers, "--seed": seed,
        "--log": log or None,
    }  # fmt: skip
    for name, value in given.items():
        if value is not None and name not in BELONGS[chosen[0]]:
            raise UserError(f"{name} does not go with {chosen[0]}; leave it out")
    seed, repeats, kind = seed or 0, 10 if repeats is None else repeats, field or "real"
    valid_seed("--seed", seed)
    if figure == 8 and any(path.suffix in TABLES for path in out):
        raise UserError("--figure 8 plots laws and has no values; --out must name a figure")
    resolved = resources.device(device)
    if source is not None:
        return _own(source, layers, out, log)
    chains = _chains(factors, 1000 if size is None else size, widths, figure)
    spectra = _random(chains, kind, repeats, seed, resolved)
    for item in spectra:
        print(_line(item))
    for path in out:
        _write(path, spectra, [item.numbers() for item in spectra], figure, log)
        print(path.resolve())
    return 0


def _own(source: Path, layers: str | None, out: tuple[Path, ...], log: bool) -> int:
    """Analyse the matrices of a file, print a row for each, and write the outputs."""
    from tqdm import tqdm

    from bnproof.simulate.random_matrices.spectra.own_weights import Row, product, rows
    from bnproof.simulate.random_matrices.spectra.spectrum import shown
    from bnproof.simulate.random_matrices.spectra.weights import chosen, stored

    items, flaws = chosen(stored(source), layers, source)
    kept, found = [], []
    print(HEAD)
    for item, row in tqdm(rows(items), total=len(items), unit="matrix", leave=False, disable=None):
        if isinstance(row, Row):
            kept.append(item)
            found.append(row)
            tqdm.write(_own_line(row))
        else:
            flaws[item.name] = row
    for name, why in flaws.items():
        print(f"left out: {shown(name)}: {why}")
    if not found:
        first = items[0].name
        raise UserError(
            f"{source}: every matrix is left out, {shown(first)} because it {flaws[first]}"
        )
    spectra = [row.spectrum for row in found]
    numbers = [row.numbers() for row in found]
    whole = product(kept, found)
    if isinstance(whole, str):
        if len(found) > 1:
            print(f"no product: {whole}")
    else:
        print(_line(whole))
        spectra.append(whole)
        numbers.append(whole.numbers())
    left: list[dict[str, object]] = [
        {"name": shown(name), "left out": why} for name, why in flaws.items()
    ]
    for path in out:
        _write(path, spectra, [*numbers, *left], None, log)
        print(path.resolve())
    return 0


def _own_line(row: "Row") -> str:
    """One line of the table on the terminal, under `HEAD`."""
    numbers, fit, law = row.numbers(), row.bulk, row.tail
    digits = numbers["log10 of the condition number"]
    power = float(row.logs[0]) / math.log(10)
    bulk = ["-"] * 4
    if fit:
        distance, p_value = fit.fit.distance, fit.fit.value
        bulk = [f"{fit.sigma:.3g}", f"{len(fit.outliers)}", f"{distance:.3f}", f"{p_value:.3f}"]
    cells = [
        f"{numbers['rows']}x{numbers['columns']}",
        f"{10**power:.3g}" if abs(power) < 300 else f"1e{power:.1f}",
        f"{numbers['stable rank']:.1f}",
        "infinite" if digits is None else f"1e{digits:.1f}",
        *bulk,
        f"{law.exponent:.2f}" if law else "-",
    ]
    widths = (11, 9, 8, 9, 9, 8, 8, 7, 8)
    places = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"{row.spectrum.name:24} {' '.join(places)}"


def _chains(
    factors: int | None, size: int, widths: str | None, figure: int | None
) -> list[tuple[int, ...]]:
    """Return the layer widths of each product to sample."""
    if widths is not None:
        try:
            chain = tuple(int(width) for width in widths.split(","))
        except ValueError:
            raise UserError(f"--widths {widths}: must be integers, such as 512,256,10") from None
        if len(chain) < 2 or min(chain) < 1:
            raise UserError(f"--widths {widths}: must be two or more integers, each at least 1")
        return [chain]
    if size < 1:
        raise UserError(f"--size {size}: must be at least 1")
    numbers = PAPER[figure] if figure is not None else (factors or 0,)
    if not 1 <= min(numbers) <= max(numbers) <= MAX_FACTORS:
        raise UserError(f"--factors {factors}: must be an integer from 1 to {MAX_FACTORS}")
    return [(size,) * (number + 1) for number in numbers] if figure != 8 else []


def _random(
    chains: list[tuple[int, ...]], field: Field, repeats: int, seed: int, device: str
) -> "list[Spectrum]":
    from tqdm import tqdm

    from bnproof.simulate.random_matrices.spectra.cost import check_fits
    from bnproof.simulate.random_matrices.spectra.spectrum import sampled

    if repeats < 1:
        raise UserError(f"--repeats {repeats}: must be at least 1")
    for chain in chains:
        check_fits(chain, repeats, field, device=device)
    return [
        sampled(chain, repeats, kind=field, seed=seed, device=device)
        for chain in tqdm(chains, unit="product", leave=False, disable=None)
    ]


def _line(spectrum: "Spectrum") -> str:
    numbers = spectrum.numbers()
    digits = numbers["median of log10 of the condition number"]
    condition = "infinite" if digits is None else f"1e{digits:.1f}"
    gap = numbers["distance from the law, one product, mean"]
    chain = "-".join(map(str, _short(spectrum.widths)))
    return (
        f"{spectrum.name:24} widths {chain}  condition number {condition}  "
        f"distance from the law {gap:.3g}"
    )


def _short(widths: tuple[int, ...]) -> tuple[object, ...]:
    return widths if len(widths) <= 6 else (*widths[:2], "...", widths[-1])


def _write(
    path: Path,
    spectra: "list[Spectrum]",
    numbers: Sequence[dict[str, object]],
    figure: int | None,
    log: bool,
) -> None:
    from bnproof.theory.common import files

    if path.suffix == ".json":
        write_json(path, list(numbers))
    elif path.suffix == ".csv":
        files.write_bytes(path, _csv(numbers))
    elif path.suffix == ".parquet":
        files.write_bytes(path, _parquet(spectra))
    else:
        from bnproof.report import figures
        from bnproof.simulate.random_matrices.spectra import figures as draw

        if figure == 8:
            figures.write(path, lambda fig: draw.draw_laws(fig, PAPER[8]))
        elif figure == 20:
            figures.write(path, lambda fig: draw.draw_condition(fig, spectra))
        else:
            figures.write(path, lambda fig: draw.draw_spectra(fig, spectra, log=log))


def _csv(numbers: Sequence[dict[str, object]]) -> bytes:
    """A row per spectrum; a list of numbers is separated by spaces."""
    columns = list(dict.fromkeys(name for row in numbers for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in numbers:
        cells = {
            name: " ".join(map(str, value)) if isinstance(value, list) else value
            for name, value in row.items()
        }
        writer.writerow(cells)
    return text.getvalue().encode()


def _parquet(spectra: "list[Spectrum]") -> bytes:
    """One row per singular value: spectrum, product, rank from the largest, natural logarithm."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, list[Any]] = {"spectrum": [], "product": [], "place": [], "log s": []}
    for spectrum in spectra:
        products, count = spectrum.logs.shape
        columns["spectrum"] += [spectrum.name] * (products * count)
        columns["product"] += np.repeat(np.arange(products), count).tolist()
        columns["place"] += np.tile(np.arange(count), products).tolist()
        columns["log s"] += spectrum.logs.ravel().tolist()
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()
