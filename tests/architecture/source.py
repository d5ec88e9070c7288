"""Our Python files, parsed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("app", "simulator", "dev", "migrations", "tests", "bench")


@dataclass(frozen=True)
class Import:
    """`target` is what the statement names: `from app.common import clock` → app.common.clock."""

    target: str
    line: int
    inside_function: bool


@dataclass(frozen=True)
class Source:
    """One file. `name` is dotted: app.messages.send."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]

    @property
    def imports(self) -> list[Import]:
        found: list[Import] = []
        collect_imports(self.tree, found, inside_function=False)
        return found


def collect_imports(node: ast.AST, found: list[Import], *, inside_function: bool) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            found += [Import(item.name, child.lineno, inside_function) for item in child.names]
        elif isinstance(child, ast.ImportFrom):
            dots, module = "." * child.level, child.module or ""
            found += [
                Import(f"{dots}{module}.{item.name}", child.lineno, inside_function)
                for item in child.names
            ]
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        collect_imports(child, found, inside_function=inside_function or is_function)


def sources(*packages: str) -> Iterator[Source]:
    """Every Python file of these packages (default: all of ours)."""
    for package in packages or PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "node_modules" not in path.parts:
                parts = path.relative_to(ROOT).with_suffix("").parts
                name = ".".join(parts).removesuffix(".__init__")
                yield Source(name, path.read_text(encoding="utf-8"))
