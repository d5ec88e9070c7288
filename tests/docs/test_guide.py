"""The code of a guide gets to the place that it names."""

from pathlib import Path

import pytest

from tests.docs.live import guide
from tests.docs.live.reader import Failed
from tests.docs.pages import Block

MODULE = '''"""A module."""

import re


class Kind:
    ONE = "one"


TABLE = {
    1: Kind.ONE,
}
'''


def follow(folder: Path, text: str) -> str:
    """Follow one block in a folder with `kinds.py`; return what that file holds then."""
    (folder / "kinds.py").write_text(MODULE)
    guide.follow(folder, Block("made-up.md", 1, "python", text))
    return (folder / "kinds.py").read_text()


def test_code_goes_to_the_end_of_a_class_or_constant_or_behind_the_imports(tmp_path: Path) -> None:
    found = follow(tmp_path, '# kinds.py, in Kind\nTWO = "two"\n')
    assert '    ONE = "one"\n    TWO = "two"\n\n' in found
    assert "    2: 2,\n}\n" in follow(tmp_path, "# kinds.py, in TABLE\n2: 2,\n")
    assert "import re\nimport os\n\n" in follow(tmp_path, "# kinds.py\nimport os\n")


def test_a_new_file_is_made_with_its_package(tmp_path: Path) -> None:
    follow(tmp_path, "# stars/tasks.py\nimport os\n")
    assert (tmp_path / "stars" / "tasks.py").read_text() == "import os\n"
    assert (tmp_path / "stars" / "__init__.py").exists()


@pytest.mark.parametrize("place", ["kinds.py, in Nothing", "nothing.py, in Kind"])
def test_a_place_that_does_not_exist_is_noticed(tmp_path: Path, place: str) -> None:
    with pytest.raises(Failed, match="there is no"):
        follow(tmp_path, f"# {place}\nTWO = 2\n")


def test_a_test_that_fails_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(Failed):
        guide.run(tmp_path, "-c", "assert False")
