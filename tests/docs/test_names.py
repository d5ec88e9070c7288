"""What the sentences of a page name exists: calls, files, other pages, options."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask

from simulator.server import create_app as create_simulator
from simulator.settings import OPTIONS, Settings
from tests.architecture.source import PACKAGES, ROOT
from tests.docs.pages import anchors, inline_code, links, pages

CALL = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/[^\s?]*)")
FILE = re.compile(rf"({'|'.join([*PACKAGES, 'docs'])})/[\w./-]*")


def all_inline_code() -> Iterator[tuple[str, str]]:
    """Yield `page:line` and the text of each piece of code within a sentence."""
    for page, text in pages().items():
        for line, code in inline_code(text):
            yield f"{page}:{line}", code


@pytest.fixture
def calls(app: Flask) -> re.Pattern[str]:
    """The calls of the service, and of the simulator's control API."""
    found = [
        f"{each} {rule.rule}" for rule in app.url_map.iter_rules() for each in rule.methods or ()
    ]
    for route in create_simulator(Settings()).router.routes():
        if route.resource is not None:
            found.append(f"{route.method} {route.resource.canonical}")
    return re.compile("|".join(re.sub("<.+?>|{.+?}", "[^/]+", each) for each in found))


def test_the_calls_exist(calls: re.Pattern[str]) -> None:
    named = [(where, call[0]) for where, text in all_inline_code() if (call := CALL.match(text))]
    assert len(named) > 50
    assert [(where, call) for where, call in named if not calls.fullmatch(call)] == []
    assert not calls.fullmatch("GET /api/nothing")


def test_the_files_exist() -> None:
    named = [(where, text) for where, text in all_inline_code() if FILE.fullmatch(text)]
    assert len(named) > 20
    assert [(where, text) for where, text in named if not (ROOT / text).exists()] == []


def test_the_links_lead_somewhere() -> None:
    broken = []
    for page, text in pages().items():
        for line, target in links(text):
            name, _, anchor = target.partition("#")
            path = (ROOT / page).parent / name if name else ROOT / page
            if ":" in target:
                continue
            if not path.exists() or (anchor and anchor not in anchors(path)):
                broken.append(f"{page}:{line}: {target}")
    assert broken == []


def test_the_options_of_the_simulator_are_all_of_them() -> None:
    page = pages()["docs/simulator.md"]
    named = re.findall(r"^\| `--([a-z-]+)` \| `(SIMULATOR_\w+)` \|", page, re.MULTILINE)
    assert named == [(each.name.replace("_", "-"), each.variable) for each in OPTIONS]
