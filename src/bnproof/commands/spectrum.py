"""The command `bnproof spectrum`: singular values of random products or given weights."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Parameter

from bnproof.commands.common import FIGURES, require, write_json
from bnproof.commands.user_code import current_folder, module_at
from bnproof.theory.common.errors import UserError, valid_seed

if TYPE_CHECKING:
    from bnproof.simulate.random_matrices.spectra.own_weights import Row
    from bnproof.simulate.random_matrices.spectra.spectrum import Spectrum
    from bnproof.simulate.random_matrices.spectra.weights import Stored

TABLES: Final = (".json", ".csv", ".parquet")
PAGE: Final = ".html"
LAYER: Final = ("--norm", "--activation", "--batch")
# Options that go with each source of the matrices, beside --out and --device.
BELONGS: Final = {
    "--factors": ("--size", "--field", "--repeats", "--seed", "--log", *LAYER),
    "--widths": ("--field", "--repeats", "--seed", "--log", *LAYER),
    "--from": ("--layers", "--heads", "--image", "--log"),
    "--figure": ("--size", "--field", "--repeats", "--seed", *LAYER),
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
    norm: Literal["none", "layer", "batch"] | None = None,
    activation: Literal["linear", "relu"] | None = None,
    batch: int | None = None,
    repeats: int | None = None,
    source: Annotated[Path | None, Parameter(name="--from")] = None,
    layers: str | None = None,
    heads: int | None = None,
    image: str | None = None,
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
        Size N of the square factors; 1000 by default, and 64 for Jacobians.
    widths
        Layer widths n_0,n_1,...,n_M for rectangular factors, instead of --factors and --size.
    field
        Whether entries are real (the default) or complex.
    norm
        Sample the Jacobian of a network at initialisation, with this normaliser after each linear
        map: LayerNorm, BatchNorm (the Jacobian of a whole batch) or none.
    activation
        As --norm: what follows, linear (nothing, the default) or relu.
    batch
        Samples in the batch of --norm batch, 3 or more; 16 by default.
    repeats
        Number of products; 10 by default.
    source
        Your own weights (out, in) instead of random matrices: a .safetensors, .npz or .npy file, a
        PyTorch state dict (.pt, .pth, .bin), a folder or index of .safetensors files, or
        package.module:factory for a network in Python, whose code is executed. Each matrix is
        analysed, and the product of all if their shapes match. Kernels of convolutions count as
        matrices (out, in * height * width).
    layers
        Names of the matrices to use, starting at the input, or patterns such as '*.mlp.*',
        separated by commas; all by default.
    heads
        Number of attention heads: also analyse each head of the projections of attention, which
        are recognised by their names.
    image
        Size of images, such as 32 or 32,48: also analyse each convolution as an operator on
        periodic images of that size.
    figure
        Reproduce Figure 8, 9 or 20 of Bjorck et al., with the corrected law and, dashed, the law
        as printed. Figure 20 can be compared with Jacobians (--norm, --activation).
    log
        Plot log10 of the singular values.
    out
        Output file: a figure (.svg, .png, .pdf), a table (.json, .csv), a table with all values
        (.parquet), or a page with a figure and numbers of each matrix that can be sorted and
        filtered (.html). Can be repeated.
    seed
        Random seed, 0 or larger; 0 by default.
    device
        Device for PyTorch; auto uses a GPU if there is one.
    """
    from bnproof.scheduler import resources
    from bnproof.theory.common import files

    for path in out:
        if path.suffix not in (*FIGURES, *TABLES, PAGE):
            kinds = ", ".join((*FIGURES, *TABLES, PAGE))
            raise UserError(f"--out {path}: must end in one of {kinds}")
        if path.suffix == ".parquet":
            require("pyarrow", extra="parquet")
        files.probe(path)
    inputs = {"--factors": factors, "--widths": widths, "--from": source, "--figure": figure}
    chosen = [name for name, value in inputs.items() if value is not None]
    if len(chosen) != 1:
        raise UserError(f"give one of {', '.join(inputs)}, not {' and '.join(chosen) or 'none'}")
    given = {
        "--size": size, "--field": field, "--norm": norm, "--activation": activation,
        "--batch": batch, "--repeats": repeats, "--layers": layers,
        "--heads": heads, "--image": image, "--seed": seed, "--log": log or None,
    }  # fmt: skip
    for name, value in given.items():
        if value is not None and name not in BELONGS[chosen[0]]:
            raise UserError(f"{name} does not go with {chosen[0]}; leave it out")
    seed, repeats, kind = seed or 0, 10 if repeats is None else repeats, field or "real"
    valid_seed("--seed", seed)
    if figure == 8 and any(path.suffix not in FIGURES for path in out):
        raise UserError("--figure 8 plots laws and has no values; --out must name a figure")
    resolved = resources.device(device)
    if source is not None:
        sizes = None if image is None else _image(image)
        if heads is not None and heads < 1:
            raise UserError(f"--heads {heads}: must be at least 1")
        return _own(source, _stored(source), layers, heads, sizes, out, log)
    layer = norm is not None or activation is not None
    if layer and (field is not None or figure in (8, 9)):
        other = "--field" if field is not None else f"--figure {figure}"
        raise UserError(f"--norm and --activation do not go with {other}; leave it out")
    if batch is not None and norm != "batch":
        raise UserError(f"--batch {batch}: goes with --norm batch only; leave it out")
    standard = 64 if layer else 1000
    chains = _chains(factors, standard if size is None else size, widths, figure)
    spectra = _random(chains, kind, repeats, seed, resolved) if figure or not layer else []
    others: list[Spectrum] = []
    if layer:
        others = _networks(chains, repeats, norm or "none", activation or "linear", batch, seed)
    every = [*spectra, *others]
    for item in every:
        print(_line(item))
    for path in out:
        if figure == 20 and path.suffix in FIGURES:
            _draw_condition(path, spectra, others)
        else:
            _write(path, every, [item.numbers() for item in every], figure, log)
        print(path.resolve())
    return 0


def _image(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) > 0 for part in parts) or len(parts) > 3:
        raise UserError(f"--image {text}: must be one to three positive integers, such as 32,48")
    return tuple(map(int, parts))


def _stored(source: Path) -> "list[Stored]":
    """The tensors of a file, a folder, or a network that is named as a factory."""
    from bnproof.simulate.random_matrices.spectra import weights
    from bnproof.simulate.random_matrices.spectra.parts import of_module

    name = str(source)
    if ":" not in name or source.exists() or source.suffix in weights.KINDS:
        return weights.stored(source)
    with current_folder():
        return of_module(module_at(name, "spectrum --from "))


def _own(
    source: Path,
    stored: "list[Stored]",
    layers: str | None,
    heads: int | None,
    image: tuple[int, ...] | None,
    out: tuple[Path, ...],
    log: bool,
) -> int:
    """Analyse stored matrices, print a row for each, and write the outputs."""
    from tqdm import tqdm

    from bnproof.simulate.random_matrices.spectra import parts
    from bnproof.simulate.random_matrices.spectra.own_weights import Row, product, rows
    from bnproof.simulate.random_matrices.spectra.spectrum import shown
    from bnproof.simulate.random_matrices.spectra.weights import chosen

    items, flaws = chosen(stored, layers, source)
    if heads is not None:
        items = parts.heads(items, heads)
    if image is not None:
        items = parts.operators(items, image)
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
        _write(path, spectra, [*numbers, *left], None, log, str(source), flaws)
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


def _networks(
    chains: list[tuple[int, ...]],
    repeats: int,
    norm: Literal["none", "layer", "batch"],
    activation: Literal["linear", "relu"],
    batch: int | None,
    seed: int,
) -> "list[Spectrum]":
    from tqdm import tqdm

    from bnproof.simulate.random_matrices.spectra.jacobians import jacobians

    if repeats < 1:
        raise UserError(f"--repeats {repeats}: must be at least 1")
    size = 16 if batch is None else batch
    return [
        jacobians(chain, repeats, norm=norm, activation=activation, batch=size, seed=seed)
        for chain in tqdm(chains, unit="network", leave=False, disable=None)
    ]


def _draw_condition(path: Path, spectra: "list[Spectrum]", others: "list[Spectrum]") -> None:
    from bnproof.report import figures
    from bnproof.simulate.random_matrices.spectra import figures as draw

    name = str(others[0].provenance["Jacobian"]) if others else ""
    figures.write(path, lambda fig: draw.draw_condition(fig, spectra, others, name))


def _line(spectrum: "Spectrum") -> str:
    numbers = spectrum.numbers()
    digits = numbers["median of log10 of the condition number"]
    condition = "infinite" if digits is None else f"1e{digits:.1f}"
    gap = numbers["distance from the law, one product, mean"]
    law = f"distance from the law {gap:.3g}" if gap is not None else "no law is known"
    chain = "-".join(map(str, _short(spectrum.widths)))
    return f"{spectrum.name:24} widths {chain}  condition number {condition}  {law}"


def _short(widths: tuple[int, ...]) -> tuple[object, ...]:
    return widths if len(widths) <= 6 else (*widths[:2], "...", widths[-1])


def _write(
    path: Path,
    spectra: "list[Spectrum]",
    numbers: Sequence[dict[str, object]],
    figure: int | None,
    log: bool,
    source: str = "random products",
    flaws: Mapping[str, str] = MappingProxyType({}),
) -> None:
    from bnproof.report import spectra_tables
    from bnproof.theory.common import files

    if path.suffix == ".json":
        write_json(path, list(numbers))
    elif path.suffix == ".csv":
        files.write_bytes(path, spectra_tables.as_csv(numbers))
    elif path.suffix == ".parquet":
        files.write_bytes(path, spectra_tables.as_parquet(spectra, numbers))
    elif path.suffix == PAGE:
        from bnproof.report import spectra_page

        spectra_page.write(path, source, spectra, numbers[: len(spectra)], flaws)
    else:
        from bnproof.report import figures
        from bnproof.simulate.random_matrices.spectra import figures as draw

        if figure == 8:
            figures.write(path, lambda fig: draw.draw_laws(fig, PAPER[8]))
        else:
            figures.write(path, lambda fig: draw.draw_spectra(fig, spectra, log=log))
