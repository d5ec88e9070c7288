"""docs/security.md answers each requirement of OWASP ASVS 5.0, levels 1 and 2, and names tests that
exist.

asvs.txt has the number and the level of every requirement of version 5.0.0.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.architecture.source import ROOT

PAGE = ROOT / "docs" / "security.md"
NUMBERS = ROOT / "tests" / "architecture" / "asvs.txt"
ROW = re.compile(r"^\| (V\d[^|]*)\|([^|]*)\|([^|]*)\|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def numbers_of(page: str) -> Counter[str]:
    return Counter(number for row in ROW.finditer(page) for number in row[1].strip().split(", "))


def missing_tests(page: str) -> Iterator[str]:
    for path, name in TEST.findall(page):
        file = ROOT / path
        if not file.exists() or name not in functions_of(file.read_text(encoding="utf-8")):
            yield f"{path}::{name}"


def functions_of(source: str) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}


def test_each_requirement_of_the_two_levels_is_answered_once(page: str) -> None:
    known = dict(line.split() for line in NUMBERS.read_text(encoding="utf-8").splitlines())
    wanted = Counter(number for number, level in known.items() if level in {"1", "2"})
    assert wanted.total() == 253
    assert numbers_of(page) == wanted


def test_each_test_that_is_named_exists(page: str) -> None:
    assert len(TEST.findall(page)) > 100
    assert list(missing_tests(page)) == []


def test_each_row_says_how(page: str) -> None:
    """What is held names a test, or says why there is none."""
    reasons = ("Does not apply:", "Operator:", "Not yet", "](", "Passwords do not expire", "days")
    silent = [
        row[1].strip()
        for row in ROW.finditer(page)
        if not TEST.search(row[3]) and not any(reason in row[2] for reason in reasons)
    ]
    assert silent == []


def test_a_missing_test_and_a_missing_requirement_are_noticed() -> None:
    planted = "| V1.1.1, V1.1.2 | Held. | `tests/architecture/test_code.py::test_nothing` |\n"
    assert list(missing_tests(planted)) == ["tests/architecture/test_code.py::test_nothing"]
    assert numbers_of(planted) == {"V1.1.1": 1, "V1.1.2": 1}
