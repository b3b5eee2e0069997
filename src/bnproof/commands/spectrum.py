"""The command `bnproof spectrum`: singular values of random products or given weights."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import Parameter

from bnproof.commands.common import FIGURES, require, write_json
from bnproof.theory.common.errors import UserError, valid_seed

if TYPE_CHECKING:
    from bnproof.simulate.random_matrices.spectra.spectrum import Spectrum

TABLES: Final = (".json", ".parquet")
# Numbers of factors M that are shown in each figure of Bjorck et al.; our choice.
PAPER: Final = {8: (1, 2, 3, 5), 9: (1, 2, 10), 20: (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)}
MAX_FACTORS: Final = 1_000  # the law is tested up to this number
Field = Literal["real", "complex"]


def spectrum(
    *,
    factors: int | None = None,
    size: int = 1000,
    widths: str | None = None,
    field: Field = "real",
    repeats: int = 10,
    source: Annotated[Path | None, Parameter(name="--from")] = None,
    layers: str | None = None,
    figure: Literal[8, 9, 20] | None = None,
    log: bool = False,
    out: tuple[Path, ...] = (Path("spectrum.svg"),),
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> int:
    """Compute singular values of products of matrices and compare them with their limiting law.

    Parameters
    ----------
    factors
        Number M of square Gaussian factors, with entries of variance 1/N.
    size
        Size N of the square factors.
    widths
        Layer widths n_0,n_1,...,n_M for rectangular factors, instead of --factors and --size.
    field
        Whether entries are real or complex.
    repeats
        Number of products.
    source
        A .safetensors or .npz file with your own weight matrices (out, in), instead of random
        ones. The spectrum of each matrix is computed, and that of their product if their shapes
        match.
    layers
        Names of the matrices to use, starting at the input, separated by commas; all by default.
    figure
        Reproduce Figure 8, 9 or 20 of Bjorck et al., with the corrected law and, dashed, the law
        as printed.
    log
        Plot log10 of the singular values.
    out
        Output file: a figure (.svg, .png, .pdf), summary numbers (.json) or all values (.parquet).
        Can be repeated.
    seed
        Random seed, 0 or larger.
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
    valid_seed("--seed", seed)
    inputs = {"--factors": factors, "--widths": widths, "--from": source, "--figure": figure}
    chosen = [name for name, value in inputs.items() if value is not None]
    if len(chosen) != 1:
        raise UserError(f"give one of {', '.join(inputs)}, not {' and '.join(chosen) or 'none'}")
    if figure == 8 and any(path.suffix in TABLES for path in out):
        raise UserError("--figure 8 plots laws and has no values; --out must name a figure")
    resolved = resources.device(device)
    if source is not None:
        spectra = _given(source, layers)
    else:
        spectra = _random(_chains(factors, size, widths, figure), field, repeats, seed, resolved)
    for item in spectra:
        print(_line(item))
    for path in out:
        _write(path, spectra, figure, log)
        print(path.resolve())
    return 0


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


def _given(source: Path, layers: str | None) -> "list[Spectrum]":
    from bnproof.simulate.random_matrices.spectra.spectrum import given, read_matrices

    return given(read_matrices(source, layers.split(",") if layers else ()))


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


def _write(path: Path, spectra: "list[Spectrum]", figure: int | None, log: bool) -> None:
    from bnproof.theory.common import files

    if path.suffix == ".json":
        write_json(path, [spectrum.numbers() for spectrum in spectra])
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
