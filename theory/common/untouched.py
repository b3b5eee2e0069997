"""A claim may use this package, but not change it: what is registered, or the code that checks.

A claim file is Python code, which could replace any function.  `untouched` compares the package
before and after code of a claim has run, puts everything back, and says what was changed.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from types import FunctionType, ModuleType
from typing import Any, Final

PACKAGE: Final = "bnproof."
CLAIMS: Final = "bnproof.theory.claims"
# Tables that grow only when a module of the package is imported.
CLOSED: Final = (
    "bnproof.theory.proving.lemmas._LEMMAS",
    "bnproof.theory.proving.lemmas._POSITIVE",
)
Owner = ModuleType | type | dict[Any, Any]


@contextmanager
def untouched() -> Iterator[None]:
    """Run code of a claim; afterwards what was there before is there again.

    Raises
    ------
    ValueError
        If the code replaced or removed a function, class, constant or registered symbol or lemma,
        or registered a lemma itself.  An exception of the code itself is raised instead.
    """
    before = _State.now()
    try:
        yield
    finally:
        changed = before.restore()
    if changed:
        raise ValueError(f"changes {changed[0]}; a claim may use bnproof, not change it")


@dataclass(frozen=True)
class _State:
    modules: frozenset[str]
    names: list[tuple[str, Owner, dict[Any, Any]]]
    code: dict[FunctionType, tuple[Any, ...]]
    entries: dict[int, tuple[Any, dict[str, Any]]]

    @classmethod
    def now(cls) -> "_State":
        """The modules of the package, their classes, functions and tables, as they are."""
        modules = {name: module for name, module in sys.modules.items() if _ours(name)}
        names: list[tuple[str, Owner, dict[Any, Any]]] = []
        for name, module in modules.items():
            names.append((name, module, dict(vars(module))))
            for key, value in vars(module).items():
                if isinstance(value, type) and value.__module__ == name:
                    names.append((f"{name}.{key}", value, dict(vars(value))))
                elif isinstance(value, dict) and key.strip("_").isupper():
                    names.append((f"{name}.{key}", value, dict(value)))
        parts = [part for _, _, table in names for part in table.values()]
        code = {part: _code(part) for part in parts if isinstance(part, FunctionType)}
        entries = {id(part): (part, dict(vars(part))) for part in parts if _is_entry(part)}
        return cls(frozenset(modules), names, code, entries)

    def restore(self) -> list[str]:
        """Put back what was changed, and name it."""
        changed = []
        for name, owner, before in self.names:
            now = owner if isinstance(owner, dict) else vars(owner)
            for key, value in before.items():
                if key not in now or now[key] is not value:
                    changed.append(f"{name}.{key}")
                    _set(owner, key, value)
        for function, (code, defaults, keywords) in self.code.items():
            if _code(function) != (code, defaults, keywords):
                changed.append(f"{function.__module__}.{function.__qualname__}")
                function.__code__, function.__defaults__ = code, defaults
                function.__kwdefaults__ = keywords
        for part, fields in self.entries.values():
            if any(vars(part).get(key) is not value for key, value in fields.items()):
                changed.append(f"the entry {part}")
                vars(part).update(fields)
        return changed + self._new_lemmas()

    def _new_lemmas(self) -> list[str]:
        """Lemmas and signs that are new although no module of the package was imported."""
        if any(_ours(name) and name not in self.modules for name in sys.modules):
            return []
        added = []
        for name, table, before in self.names:
            if name in CLOSED and isinstance(table, dict):
                for key in table.keys() - before.keys():
                    added.append(f"{name}, by {key}")
                    del table[key]
        return added


def _ours(module: str) -> bool:
    return module.startswith(PACKAGE) and not f"{module}.".startswith(f"{CLAIMS}.")


def _is_entry(part: object) -> bool:
    """Whether it is an entry of a table, such as a lemma or what is known of a symbol."""
    return is_dataclass(part) and not isinstance(part, type) and hasattr(part, "__dict__")


def _code(function: FunctionType) -> tuple[Any, ...]:
    return function.__code__, function.__defaults__, function.__kwdefaults__


def _set(owner: Owner, key: Any, value: object) -> None:
    if isinstance(owner, dict):
        owner[key] = value
    else:
        setattr(owner, key, value)
