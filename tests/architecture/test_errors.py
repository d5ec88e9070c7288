"""Every error code is in the API guide, and the guide has no other."""

import ast
import re
from collections.abc import Iterator

from app.errors import HTTP_CODES
from tests.architecture.source import ROOT, Source, sources

IN_GUIDE = re.compile(r"^\| `([a-z_]+)` \| (?:\d{3}|any) \|", re.MULTILINE)
ERROR_BASES = frozenset(
    {"AppError", "InvalidInput", "Unprocessable", "Unauthenticated", "Forbidden", "NotFound"}
) | {"Conflict", "Unavailable"}


def codes_in(source: Source) -> Iterator[str]:
    """Return `code = "…"` of error classes, and `code="…"` where an error is raised."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
            if bases & {*ERROR_BASES, "Exception"}:
                yield from class_codes(node)
        if isinstance(node, ast.Raise) or (
            isinstance(node, ast.Call) and called_name(node) in ERROR_BASES
        ):
            yield from keyword_codes(node)


def class_codes(node: ast.ClassDef) -> Iterator[str]:
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code))):
                yield code


def keyword_codes(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        match inner:
            case ast.keyword(arg="code", value=ast.Constant(value=str(code))):
                yield code


def called_name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def all_codes() -> set[str]:
    found = {code for source in sources("app") for code in codes_in(source)}
    return found | set(HTTP_CODES.values()) | {"http_error", "internal_error"}


def guide_codes() -> list[str]:
    return IN_GUIDE.findall((ROOT / "docs" / "api.md").read_text(encoding="utf-8"))


def test_every_code_is_in_the_guide() -> None:
    assert all_codes() - set(guide_codes()) == set()


def test_the_guide_names_no_code_that_cannot_happen() -> None:
    assert set(guide_codes()) - all_codes() == set()


def test_a_new_code_is_noticed() -> None:
    planted = (
        "class A(NotFound):\n    code = 'one'\n"
        "raise Conflict('no', code='two')\n"
        "error = Unavailable(code='three')\n"
    )
    assert set(codes_in(Source("app.planted", planted))) == {"one", "two", "three"}
