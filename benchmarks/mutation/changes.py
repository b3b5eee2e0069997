"""Single changes to a module, found by its syntax tree, and a sample of them that stays the same.

Left alone are texts, annotations, assertions (which only inform the type checker), the words of an
error, decorators that only save time, and what only the eye judges in a figure.
"""

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

SEED = "2026"

# Which files a stratum holds: the first prefix that fits.
STRATA = {
    "layer checks": ("simulate/layer_checks/",),
    "random matrices": ("simulate/random_matrices/",),
    "simulate": ("simulate/",),
    "theory": ("theory/",),
    "metrics": ("empirical/metrics/",),
    "networks": ("empirical/networks/",),
    "training and experiments": ("empirical/",),
    "package above": ("src/bnproof/",),
}
CATALOGUE = ("theory/claims/", "empirical/experiments/")  # data, except for the functions

OPERATORS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
PAIRS = [
    *(("min", "max"), ("amin", "amax"), ("minimum", "maximum"), ("argmin", "argmax")),
    *(("any", "all"), ("floor", "ceil"), ("logical_and", "logical_or")),
]
NAMES = dict(PAIRS) | {second: first for first, second in PAIRS}

SAVES_TIME = {"cache", "lru_cache", "cached_property"}
LOOKS = {
    *(
        "color",
        "colors",
        "c",
        "lw",
        "linewidth",
        "linewidths",
        "ls",
        "linestyle",
        "alpha",
        "marker",
    ),
    *("markersize", "ms", "fontsize", "size", "figsize", "dpi", "zorder", "loc", "pad", "labelpad"),
    *("frameon", "ncol", "rasterized", "layout", "facecolor", "edgecolor", "capsize", "s"),
}

LIMITS = {"set_xlim", "set_ylim", "set_figheight", "set_figwidth", "subplots_adjust"}  # looks too

Function = ast.FunctionDef | ast.AsyncFunctionDef
Statement = ast.Expr | ast.Raise | ast.AugAssign | ast.Assign | ast.Break | ast.Continue


@dataclass(frozen=True)
class Change:
    """One change: the bytes from `start` to `end` of the file at `path` become `new`."""

    path: str
    function: str
    text: str
    rank: str
    start: int
    end: int
    new: str

    @property
    def key(self) -> str:
        """Names the change whatever the lines of its file are."""
        return f"{self.path} {self.function}: {self.text}"

    def apply(self, source: bytes) -> bytes:
        """`source` with the change made."""
        return source[: self.start] + self.new.encode() + source[self.end :]


def stratum(path: str) -> str:
    """The stratum that holds `path`."""
    return next(name for name, starts in STRATA.items() if path.startswith(starts))


def sample(tree: Path, each: int) -> dict[str, list[Change]]:
    """`each` changes of every stratum of `tree`: those of lowest rank."""
    found: dict[str, list[Change]] = {name: [] for name in STRATA}
    for top in ("theory", "simulate", "empirical", "src/bnproof"):
        for file in sorted((tree / top).rglob("*.py")):  # rglob follows no links to folders
            path = file.relative_to(tree).as_posix()
            found[stratum(path)] += changes(path, file.read_bytes())
    return {
        name: sorted(_distinct(all_), key=lambda c: c.rank)[:each] for name, all_ in found.items()
    }


def _distinct(changes: list[Change]) -> Iterator[Change]:
    """The changes, each of its own rank though the same code may stand in several places."""
    seen = Counter[str]()
    for change in changes:
        yield replace(change, rank=_digest(change.rank, seen[change.rank]))
        seen[change.rank] += 1


def _digest(*parts: object) -> str:
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()


def changes(path: str, source: bytes) -> list[Change]:
    """Every change to one module."""
    finder = _Finder(path, source)
    finder.visit(ast.parse(source))
    return finder.found


def _shape(unit: ast.AST) -> str:
    """What stays of code when its names, its texts and its place change: the kinds of its nodes."""
    nodes = list(ast.walk(unit))
    values = (node.value for node in nodes if isinstance(node, ast.Constant))
    numbers = [str(value) for value in values if isinstance(value, int | float)]
    return " ".join([*(type(node).__name__ for node in nodes), *numbers])


class _Finder(ast.NodeVisitor):
    """Visits what may change.

    A change's rank depends on the shape of the function (outside of functions: the statement)
    around it, so that neither a new name nor a change elsewhere alters the sample.
    """

    def __init__(self, path: str, source: bytes) -> None:
        self.path, self.source = path, source
        self.found: list[Change] = []
        self._names: list[str] = []
        self._in_function = False
        self._unit = self._statement = ast.AST()
        self._shape, self._nth = "", 0  # of the unit, once needed; how many changes it had so far
        self._same = Counter[str]()  # changes of the same key
        lengths = [len(line) for line in source.splitlines(keepends=True)]
        self._offsets = [sum(lengths[:i]) for i in range(len(lengths) + 1)]

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        return (
            self._offsets[node.lineno - 1] + node.col_offset,
            self._offsets[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0),
        )

    def _add(self, span: tuple[int, int], new: str, label: str = "") -> None:
        if self.path.startswith(CATALOGUE) and (not self._in_function or "draw" in self._names):
            return
        first, last = self._span(self._statement)  # type: ignore[arg-type]
        before = self._words(max(min(first, span[0]), span[0] - 100), span[0])[-40:]
        after = self._words(span[1], max(span[1], min(last, span[1] + 100)))[:30]
        label = label or f"{_short(self._words(*span))} -> {_short(new)}"
        text = f"{before} [{label}] {after}".strip()
        self._shape = self._shape or _shape(self._unit)
        rank = _digest(SEED, self._nth, self._shape)
        self._nth += 1
        function = ".".join(self._names)
        self._same[function + text] += 1
        if (n := self._same[function + text]) > 1:
            text += f" #{n}"
        self.found.append(Change(self.path, function, text, rank, *span, new))

    def _words(self, start: int, end: int) -> str:
        """The source between two places, on one line."""
        return " ".join(self.source[start:end].decode(errors="ignore").split())

    def _told(self, node: ast.expr) -> str:
        return _short(self._words(*self._span(node)))

    def _replace(self, node: ast.expr, new: ast.expr | str, label: str = "") -> None:
        text = new if isinstance(new, str) else ast.unparse(new)
        self._add(self._span(node), f"({text})", label or f"{self._told(node)} -> {_short(text)}")

    # Statements

    def visit(self, node: ast.AST) -> None:
        """Visit a node; a statement is removed if it can be."""
        if not isinstance(node, ast.stmt):
            super().visit(node)
            return
        outer, self._statement = self._statement, node
        if not self._in_function:
            self._unit, self._shape, self._nth = node, "", 0
        if isinstance(node, Statement) and _removable(node):
            self._add(self._span(node), "pass")
        super().visit(node)
        self._statement = outer

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._names.append(node.name)
        for decorator in node.decorator_list:
            self._decorator(decorator)
        outer = self._in_function, self._unit, self._shape, self._nth
        self._in_function, self._unit, self._shape, self._nth = True, node, "", 0
        for child in (*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body):
            self.visit(child)
        self._in_function, self._unit, self._shape, self._nth = outer
        self._names.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = _visit_function

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._names.append(node.name)
        for child in node.body:
            self.visit(child)
        self._names.pop()

    def _decorator(self, node: ast.expr) -> None:
        name = ast.unparse(node.func if isinstance(node, ast.Call) else node).rpartition(".")[2]
        if name not in SAVES_TIME | {"property", "staticmethod", "classmethod", "overload"}:
            start, end = self._span(node)
            self._add((self.source.rindex(b"@", 0, start), end), "")
        if isinstance(node, ast.Call):
            self.visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def _leave(self, node: ast.AST) -> None:
        pass

    visit_JoinedStr = visit_Assert = visit_Raise = visit_Import = visit_ImportFrom = _leave

    def visit_Assign(self, node: ast.Assign) -> None:
        if not (isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__"):
            self.visit(node.value)

    def visit_If(self, node: ast.If) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self._condition(node)

    def _condition(self, node: ast.If | ast.While | ast.IfExp) -> None:
        if not isinstance(node.test, ast.Compare | ast.UnaryOp):  # those change by their operator
            self._replace(node.test, f"not ({ast.unparse(node.test)})")
        self.generic_visit(node)

    visit_While = visit_IfExp = _condition

    # Expressions

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for condition in node.ifs:
            self._replace(condition, "True")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for i, op in enumerate(node.ops):
            ops = [*node.ops[:i], OPERATORS[type(op)](), *node.ops[i + 1 :]]
            self._replace(node, ast.Compare(node.left, ops, node.comparators))
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        other = OPERATORS.get(type(node.op))
        if other is not None and not _is_text(node):
            changed = ast.BinOp(node.left, other(), node.right)
            signs = [ast.unparse(ast.BinOp(_X, op, _X)).strip("x ") for op in (node.op, other())]
            label = f"{self._told(node.left)} {signs[0]} -> {signs[1]} {self._told(node.right)}"
            self._replace(node, changed, label)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self._replace(node, ast.BoolOp(OPERATORS[type(node.op)](), node.values))
        for i in range(len(node.values)):
            rest = [*node.values[:i], *node.values[i + 1 :]]
            self._replace(node, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not | ast.USub):
            self._replace(node, node.operand)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._replace(node, str(not node.value))
        elif isinstance(node.value, int | float):
            self._replace(node, str(node.value + 1))

    def visit_Call(self, node: ast.Call) -> None:
        func = node.func
        name = {ast.Name: "id", ast.Attribute: "attr"}.get(type(func), "")
        name = getattr(func, name, "")
        if name in LIMITS:
            return
        if name in NAMES and isinstance(func, ast.Attribute):
            self._replace(func, ast.Attribute(func.value, NAMES[name]), f"{name} -> {NAMES[name]}")
        elif name in NAMES:
            self._replace(func, NAMES[name])
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument)
        for keyword in node.keywords:
            if keyword.arg is None:
                self.visit(keyword.value)
            elif keyword.arg not in LOOKS and (name, keyword.arg) != ("zip", "strict"):
                rest = [other for other in node.keywords if other is not keyword]
                label = f"{keyword.arg}={self._told(keyword.value)} -> nothing"
                self._replace(node, ast.Call(node.func, node.args, rest), label)
                self.visit(keyword.value)


_X = ast.Name("x")


def _short(text: str, most: int = 50) -> str:
    """`text` on one line, its middle left out if it is long."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-most // 2 :]}"


def _is_text(node: ast.expr) -> bool:
    """Whether a sum is one of texts."""
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _removable(node: ast.stmt) -> bool:
    """Whether the module can still run without the statement."""
    if isinstance(node, ast.Expr):
        called = node.value.func if isinstance(node.value, ast.Call) else node.value
        looks = isinstance(called, ast.Attribute) and called.attr in LIMITS
        return not looks and not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign):
        return all(isinstance(t, ast.Attribute | ast.Subscript) for t in node.targets)
    return True
