"""Load the claims of a folder: one file, one claim, the file's name its id."""

import importlib
import pkgutil
from dataclasses import dataclass
from types import ModuleType

from theory.claim import Claim


@dataclass(frozen=True)
class Broken:
    """A claim file that could not be loaded, and why (one line)."""

    id: str
    error: str


def load_folder(package: ModuleType) -> list[Claim | Broken]:
    """Return the claims of `package`, sorted by id; a file that fails becomes a `Broken`.

    Whatever a claim file raises is caught: one bad file must not hide the others.
    """
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
    return [_load(f"{package.__name__}.{name}", name) for name in names]


def _load(module_name: str, claim_id: str) -> Claim | Broken:
    try:
        claim = importlib.import_module(module_name).CLAIM
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else "no message"
        return Broken(claim_id, f"{claim_id}.py does not load: {type(error).__name__}: {reason}")
    if not isinstance(claim, Claim):
        return Broken(claim_id, f"{claim_id}.py: CLAIM is a {type(claim).__name__}, not a Claim")
    if claim.id != claim_id:
        return Broken(
            claim_id, f"{claim_id}.py: CLAIM.id is {claim.id!r}; it must be the file's name"
        )
    return claim
