"""The guides of DEVELOPERS.md can be followed: the result passes the tests that they name."""

from pathlib import Path

import pytest

from tests.docs.live import guide
from tests.docs.pages import blocks, pages

PIGEON = "app/channels/providers/pigeon"
SHOW_PAGE = "import wsgi; print(wsgi.app.test_client().get('/hours').text)"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which somebody has followed all guides."""
    copy = guide.copy_of_the_project(tmp_path_factory.mktemp("guides"))
    for block in blocks("DEVELOPERS.md", pages()["DEVELOPERS.md"]):
        if block.language == "python":
            guide.follow(copy, block)
    printed = guide.run(copy, "-m", "flask", "--app", "wsgi", "events", "describe")
    (copy / "docs/events.md").write_text(printed, encoding="utf-8")
    add_pigeon(copy)
    return copy


def add_pigeon(copy: Path) -> None:
    """Follow the guide to a provider with the one of the tests."""
    (copy / "tests/providers/pigeon/provider.py").rename(copy / "pigeon.py")
    (copy / PIGEON).mkdir()
    (copy / PIGEON / "__init__.py").touch()
    (copy / "pigeon.py").rename(copy / PIGEON / "provider.py")
    registry = copy / "app/channels/providers/registry.py"
    text = registry.read_text(encoding="utf-8")
    imports = "from app.channels.providers.pigeon.provider import PigeonProvider\n"
    text = guide.put(text, None, imports) + "\n\nregister(PigeonProvider())\n"
    registry.write_text(text, encoding="utf-8")
    tests = copy / "tests/providers/pigeon/test_pigeon.py"
    moved = tests.read_text(encoding="utf-8").replace(
        "from tests.providers.pigeon.provider", f"from {PIGEON.replace('/', '.')}.provider"
    )
    tests.write_text(moved, encoding="utf-8")


@pytest.mark.timeout(240)
def test_what_the_guides_add_passes_the_tests(project: Path) -> None:
    tests = ("architecture", "events", "conversations/test_stars.py", "providers/pigeon")
    paths = [f"tests/{name}" for name in tests]
    guide.run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths)


def test_the_page_is_shown(project: Path) -> None:
    assert "Monday" in guide.run(project, "-c", SHOW_PAGE)
    options = ["-o", "addopts=", "--import-mode=importlib", "--confcutdir=tests/browser"]
    guide.run(project, "-m", "pytest", *options, "--collect-only", "tests/browser/test_hours.py")
