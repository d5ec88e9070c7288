"""A page that says something wrong is noticed: a reader follows made-up pages."""

from pathlib import Path

import pytest

from tests.docs.live.reader import Failed, Reader
from tests.docs.pages import blocks


def follow(folder: Path, *parts: tuple[str, str], **given: dict[str, str]) -> Reader:
    """Follow a page of these blocks, each a language and its text."""
    reader = Reader(folder, {"PATH": "/usr/local/bin:/usr/bin:/bin"}, **given)  # type: ignore[arg-type]
    page = "\n".join(f"```{language}\n{text}\n```\n" for language, text in parts)
    for block in blocks("made-up.md", page):
        reader.follow(block)
    return reader


def test_what_a_block_sets_the_next_one_finds(tmp_path: Path) -> None:
    follow(tmp_path, ("sh", "NAME='two words'"), ("sh", "test \"$NAME\" = 'two words'"))
    follow(tmp_path, ("ini", "WEB_PORT=8123"), ("sh", 'test "$WEB_PORT" = 8123'))


@pytest.mark.parametrize(
    "script",
    ["false", "false\ntrue", "echo $NOT_SET", "no_such_program", "curl -s http://127.0.0.1:9/"],
)
def test_a_command_that_fails_is_noticed(tmp_path: Path, script: str) -> None:
    with pytest.raises(Failed, match=r"made-up.md:5: exit code"):
        follow(tmp_path, ("text", "fine"), ("sh", script))


def test_commands_in_a_wrong_order_are_noticed(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="FIRST"):
        follow(tmp_path, ("sh", 'echo "$FIRST"'), ("sh", "FIRST=1"))


def test_a_command_that_takes_minutes_is_left_out(tmp_path: Path) -> None:
    follow(tmp_path, ("sh", "make chaos    # about six minutes"))


def test_a_gap_that_nobody_fills_is_noticed(tmp_path: Path) -> None:
    follow(tmp_path, ("sh", "echo AC…"), knows={"AC…": "AC1"})
    with pytest.raises(Failed, match="does not know"):
        follow(tmp_path, ("sh", "echo AC…"))
