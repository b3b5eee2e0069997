"""Fixtures for all tests: one hypothesis profile, devices, the repository's root, a browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parent.parent
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIETLY = [  # it sandboxes nothing of a stranger's here, and asks nobody for updates
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A browser that Playwright drives; tests that take it belong to the group `browser`."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: the extra `browser` has it"
    )
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser found; looked for {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as engine:
        running = engine.chromium.launch(executable_path=found, args=QUIETLY)
        yield running
        running.close()


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Derivations are cached in a folder of this run, never in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BNPROOF_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
