"""Follows the guides of DEVELOPERS.md in a copy of the project."""

import ast
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.architecture.source import ROOT
from tests.docs import languages
from tests.docs.live.reader import Failed
from tests.docs.pages import Block

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".recado", ".*_cache", "node_modules", "results")


def copy_of_the_project(folder: Path) -> Path:
    copy = folder / "project"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    return copy


def follow(copy: Path, block: Block) -> None:
    """Put the code of a block where it says. Raises Failed."""
    name, place, code = languages.place_of(block.text)
    path = copy / name
    if path.exists():
        text = path.read_text(encoding="utf-8")
        path.write_text(put(text, place, code), encoding="utf-8")
    elif place is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(code, encoding="utf-8")
    else:
        raise Failed(f"{block}: there is no {name}")


def put(text: str, place: str | None, code: str) -> str:
    """Return a module with more code: at the end of a class or constant, or after the imports."""
    body = ast.parse(text).body
    lines = text.splitlines(keepends=True)
    if place is None:
        imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
        # A module without imports begins with its docstring.
        line = (imports or body)[-1 if imports else 0].end_lineno or 0
        return "".join([*lines[:line], code, *lines[line:]])
    node = next((node for node in body if place in names_of(node)), None)
    if node is None or node.end_lineno is None:
        raise Failed(f"there is no {place}")
    line = node.end_lineno - (0 if isinstance(node, ast.ClassDef) else 1)
    return "".join([*lines[:line], textwrap.indent(code, "    "), *lines[line:]])


def names_of(node: ast.stmt) -> list[str]:
    match node:
        case ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case _:
            return []


def run(copy: Path, *arguments: str) -> str:
    """Run Python in the copy; return what it printed. Raises Failed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return done.stdout
