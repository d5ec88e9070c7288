"""docs/security.md: no requirement is left out, each has a state, and every test that it names
exists.

`asvs.txt` lists the ids of OWASP ASVS 5.0.0 with their level, 1 or 2.
"""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture.source import ROOT

PAGE = ROOT / "docs" / "security.md"
IDS = Path(__file__).with_name("asvs.txt")
STATES = ("yes", "partly", "operator", "not yet", "does not apply")

ROW = re.compile(r"^\| (V[\d.]+(?:, V[\d.]+)*) \|(.*)\|$", re.MULTILINE)
COUNT = re.compile(r"^\| (" + "|".join(STATES) + r") \| (\d+) \|$", re.MULTILINE)
TEST = re.compile(r"(tests/[\w/]+\.py)(?:::(\w+)(?:\[[^`\]]*\])?)?")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


class Row(NamedTuple):
    ids: tuple[str, ...]
    requirement: str
    state: str
    how: str
    shown_by: str


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def rows(text: str) -> list[Row]:
    """Return the rows of the tables of requirements. Raises TypeError for one of another shape."""
    return [
        Row(tuple(ids.split(", ")), *(cell.strip() for cell in rest.split("|")))
        for ids, rest in ROW.findall(text)
    ]


def known_ids() -> list[str]:
    lines = IDS.read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines]


def wrong_ids(text: str) -> list[str]:
    """Return what is missing, unknown or there twice."""
    counted = Counter(each for row in rows(text) for each in row.ids)
    known = set(known_ids())
    return [
        *(f"{each} is missing" for each in sorted(known - set(counted))),
        *(f"{each} is no requirement of level 1 or 2" for each in sorted(set(counted) - known)),
        *(f"{each} is there {number} times" for each, number in counted.items() if number > 1),
    ]


def unfounded(text: str) -> list[str]:
    """Return rows without a known state, without a reason, or met without a test or a text."""
    found = []
    for row in rows(text):
        name = row.ids[0]
        if row.state not in STATES:
            found.append(f"{name} has the state {row.state!r}")
        if not row.requirement or not row.how:
            found.append(f"{name} says nothing")
        shown = f"{row.how} {row.shown_by}"
        if row.state in {"yes", "partly"} and not (TEST.search(shown) or LINK.search(shown)):
            found.append(f"{name} is shown by nothing")
    return found


def missing_tests(text: str) -> list[str]:
    """Return each test that the page names and that does not exist."""
    return [
        f"{path}::{name}" for path, name in TEST.findall(text) if name not in names_in(ROOT / path)
    ]


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return the names of the tests in a file, and "" for the file itself."""
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return frozenset({"", *(each for each in names if each.startswith("test_"))})


def broken_links(text: str) -> list[str]:
    """Return each link to a page or a heading that does not exist."""
    found = []
    for path, heading in LINK.findall(text):
        if path.startswith("https://"):
            continue
        target = PAGE.parent / path if path else PAGE
        if not target.exists() or (heading and heading not in headings(target)):
            found.append(f"{path}#{heading}")
    return found


def headings(path: Path) -> set[str]:
    """Return the names by which links reach the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_requirement_is_on_the_page_once() -> None:
    assert wrong_ids(page()) == []


def test_the_list_of_ids_is_whole() -> None:
    """ASVS 5.0.0 has 70 requirements of level 1 and 183 of level 2."""
    levels = Counter(line.split()[1] for line in IDS.read_text().splitlines())
    assert levels == {"1": 70, "2": 183}
    assert len(set(known_ids())) == 253


def test_every_row_has_a_state_and_what_shows_it() -> None:
    assert unfounded(page()) == []


def test_every_test_on_the_page_exists() -> None:
    assert len(TEST.findall(page())) > 200
    assert missing_tests(page()) == []


def test_every_link_leads_somewhere() -> None:
    assert broken_links(page()) == []


def test_the_summary_counts_the_rows() -> None:
    counted = Counter(dict.fromkeys(STATES, 0))
    for row in rows(page()):
        counted[row.state] += len(row.ids)
    assert {state: int(number) for state, number in COUNT.findall(page())} == counted


PLANTED = "| V1.1.1 | x | yes | y | `tests/test_db.py::test_finishing_early_commits_once` |"


@pytest.mark.parametrize(
    ("before", "after"),
    [("V1.1.1", "V1.1.1, V99.1.1"), ("V1.1.1", "V1.1.2, V1.1.2"), ("V1.1.1", "V1.1.3")],
)
def test_a_wrong_id_is_noticed(before: str, after: str) -> None:
    assert len(wrong_ids(PLANTED)) == 252
    assert wrong_ids(PLANTED.replace(before, after)) != wrong_ids(PLANTED)
    assert len(wrong_ids(PLANTED.replace(before, after))) >= 253


@pytest.mark.parametrize(
    "row",
    [
        PLANTED.replace("yes", "perhaps"),
        PLANTED.replace("| y |", "| |"),
        "| V1.1.1 | x | yes | y | |",
    ],
)
def test_a_row_without_a_state_or_a_reason_is_noticed(row: str) -> None:
    assert unfounded(PLANTED) == []
    assert len(unfounded(row)) == 1


@pytest.mark.parametrize("name", ["tests/test_db.py::test_nothing", "tests/none.py::test_x"])
def test_a_test_that_does_not_exist_is_noticed(name: str) -> None:
    assert missing_tests(PLANTED) == []
    assert missing_tests(f"`{name}` and `{name}[a]`") == [name, name]


def test_a_link_to_nothing_is_noticed() -> None:
    assert broken_links("[a](none.md) [b](#nothing) [c](api.md#roles)") == ["none.md#", "#nothing"]
