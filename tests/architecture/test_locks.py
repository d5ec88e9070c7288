"""Everything that is installed is named in a lock file, with its version and its hash."""

import json
import re
import tomllib
from typing import Any

import pytest

from tests.architecture.source import ROOT

LOCKS = ("requirements.txt", "requirements-dev.txt")
ENTRY = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


def blocks_of(text: str) -> list[str]:
    """Return the lines of each package. One that differs by platform is there twice."""
    return [each for each in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE) if each]


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_one_version_and_a_hash(name: str) -> None:
    blocks = blocks_of((ROOT / name).read_text(encoding="utf-8"))
    assert len(blocks) > 20
    assert [each for each in blocks if not ENTRY.match(each)] == []
    assert [each for each in blocks if "--hash=sha256:" not in each] == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_direct_dependency_is_locked(name: str) -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    direct = {re.split(r"[\[<>=]", each)[0] for each in project["project"]["dependencies"]}
    text = (ROOT / name).read_text(encoding="utf-8")
    assert direct - {found[1].lower() for found in ENTRY.finditer(text)} == set()


@pytest.mark.parametrize("name", [*LOCKS, "tests/postman/package-lock.json"])
def test_no_lock_names_a_registry(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "index-url" not in text
    assert '"resolved"' not in text


def test_the_image_installs_by_hash_only() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    installs = re.findall(r"pip install .*", dockerfile)
    assert len(installs) == 1
    assert "--require-hashes --only-binary :all: -r" in installs[0]


def test_newman_is_locked_with_its_overrides() -> None:
    folder = ROOT / "tests" / "postman"
    lock = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))["overrides"]
    assert {name: lock[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    packages = {name: each for name, each in lock.items() if name}
    assert [name for name, each in packages.items() if "integrity" not in each] == []
