"""Each code block is of a known kind and right, as far as that can be told without running it.

`make docs` runs what can be run: see tests/docs/live.
"""

import pytest

from tests.docs import commands, languages
from tests.docs.commands import Wrong
from tests.docs.pages import Block, all_blocks, blocks, inline_code, pages

PAGE = """
```sh
make run    # everything
make bench ARGS="--only accept"
```

1. A step

   ```ini
   WEB_PORT=8000
   ```

A sentence.

    indented

Call `make test` or `flask --app wsgi tenants list`.
"""


@pytest.mark.parametrize("block", all_blocks(), ids=str)
def test_a_block_is_right(block: Block) -> None:
    languages.check(block)


@pytest.mark.parametrize("page", pages())
def test_the_commands_within_sentences_are_right(page: str) -> None:
    found = []
    for line, text in inline_code(pages()[page]):
        try:
            commands.check(commands.words_of(text))
        except Wrong as error:
            found.append(f"{page}:{line}: {text}: {error}")
        except ValueError:
            """A text with an open quotation mark is no command."""
    assert found == []


def test_all_blocks_of_a_page_are_found() -> None:
    found = blocks("made-up.md", PAGE)
    assert [(block.line, block.language) for block in found] == [(2, "sh"), (9, "ini"), (15, "")]
    assert [text for _, text in inline_code(PAGE)] == [
        "make test",
        "flask --app wsgi tenants list",
    ]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("", "make run\n"),
        ("bash", "make run\n"),
        ("sh", "echo 'open\n"),
        ("sh", "make nothing\n"),
        ("sh", "make lint ARGS=-v\n"),
        ("sh", 'make bench ARGS="--only nothing"\n'),
        ("sh", 'make chaos ARGS="full --nothing 7"\n'),
        ("sh", 'make fuzz ARGS="--nothing"\n'),
        ("sh", 'make test ARGS="tests/nothing"\n'),
        ("sh", ".venv/bin/python -m simulator --nothing\n"),
        ("sh", "python -m dev exec -- python -m tests.nothing\n"),
        ("sh", "docker compose --profile nothing up -d\n"),
        ("sh", "docker compose exec nothing sh\n"),
        ("sh", "docker compose exec web flask --app wsgi nothing\n"),
        ("http", '{"to_number": "+15551234567"}\n'),
        ("http", "POST /api/send\n{\n"),
        ("json", "{\n"),
        ("json", '{"success": false}\n'),
        ("ini", "NOTHING=1\n"),
        ("ini", "DATABASE_URL=mysql://localhost/recado\n"),
        ("python", "# app/nothing.py\nclass\n"),
        ("python", "no_place = 1\n"),
        ("text", "nothing/    a folder\n"),
    ],
)
def test_a_wrong_block_is_noticed(language: str, text: str) -> None:
    with pytest.raises((Wrong, SyntaxError)):
        languages.check(Block("made-up.md", 1, language, text))


@pytest.mark.parametrize(
    "command",
    [
        "flask --app wsgi tenants nothing",
        "flask --app wsgi secrets rotate --nothing",
        "flask tenants list",
        "celery -A app.tasks.nothing:celery worker",
        "celery -A app.tasks.worker:celery worker --nothing",
        "gunicorn nothing:app",
        "gunicorn wsgi:app --nothing",
        "python -m nothing",
    ],
)
def test_a_wrong_command_is_noticed(command: str) -> None:
    with pytest.raises(Wrong):
        commands.check(commands.words_of(command))
