"""Markdown becomes WhatsApp's form, once; long texts are split where a reader would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bots.formatting import split, to_whatsapp

CASES = {
    "**bold**": "*bold*",
    "__bold__": "*bold*",
    "a **b** and **c**": "a *b* and *c*",
    "**b** and *i*": "*b* and _i_",
    "***both***": "*_both_*",
    "**bold *italic* bold**": "*bold _italic_ bold*",
    "~~gone~~ **b**": "~gone~ *b*",
    "# Title": "*Title*",
    "### Title ###\ntext": "*Title*\ntext",
    "# A **bold** title": "*A bold title*",
    "- one\n- two": "• one\n• two",
    "* one\n* two": "• one\n• two",
    "+ one\n  - inner": "• one\n  • inner",
    "1. one\n2. two": "1. one\n2. two",
    "[Shop](https://a.example/x)": "Shop (https://a.example/x)",
    "[https://a.example](https://a.example)": "https://a.example",
    "![Menu](https://a.example/m.png)": "Menu (https://a.example/m.png)",
    '[Shop](https://a.example "The shop")': "Shop (https://a.example)",
    "> quoted": "> quoted",
    "a\n\n---\n\nb": "a\n\nb",
    "2 * 3 = 6, 2*3*4 = 24": "2 * 3 = 6, 2*3*4 = 24",
    "** not bold **": "** not bold **",
    "snake_case and __x": "snake_case and __x",
    "`**code**` and **b**": "`**code**` and *b*",
    "```python\n**x** = 1\n```": "```\n**x** = 1\n```",
    "```\n# not a title\n```\n# Title": "```\n# not a title\n```\n*Title*",
    "```markdown\n**b**\n```": "*b*",
    "| Size | Price |\n|---|---:|\n| S | 10 |\n| M | 12 |": (
        "• *Size:* S, *Price:* 10\n• *Size:* M, *Price:* 12"
    ),
    "a | b\nno table": "a | b\nno table",
    "one\n\n\n\ntwo": "one\n\ntwo",
    "*already bold* and _italic_": "*already bold* and _italic_",
    "\\*literal\\*": "\\*literal\\*",
    "": "",
    "¡Hola! 👋🏽 **Señor**": "¡Hola! 👋🏽 *Señor*",
}


@pytest.mark.parametrize("markdown", CASES)
def test_markdown_becomes_whatsapps_form(markdown: str) -> None:
    assert to_whatsapp(markdown) == CASES[markdown]


@pytest.mark.parametrize("markdown", CASES)
def test_a_changed_text_is_not_changed_again(markdown: str) -> None:
    once = to_whatsapp(markdown)
    assert to_whatsapp(once) == once


@given(st.text(alphabet="ab *_~`#|-\n[]()!", max_size=60))
def test_any_text_is_taken(text: str) -> None:
    assert isinstance(to_whatsapp(text), str)


def test_nothing_takes_long() -> None:
    """Patterns over a long run of marks must not try every pair of them."""
    for mark in ("*", "_", "~", "`", "[", "|", "#", "- ", "**a", "](", "|---"):
        to_whatsapp(mark * 5000)


def test_a_short_text_is_one_part() -> None:
    assert split("hola", 10) == ["hola"]
    assert split("", 10) == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one two\n\nthree four", ["one two", "three four"]),
        ("one two\nthree four", ["one two", "three four"]),
        ("One two. Three four.", ["One two.", "Three four."]),
        ("one two three four", ["one two", "three four"]),
        ("onetwothreefour", ["onetwothreef", "our"]),
        ("a\n\nb\n\nlonger words", ["a\n\nb", "longer words"]),
    ],
)
def test_a_long_text_is_split_where_a_reader_would(text: str, parts: list[str]) -> None:
    assert split(text, 12) == parts


def test_code_stays_whole() -> None:
    code = "```\na b c\n\nd e f\n```"
    assert split(f"Look at this text:\n\n{code}\n\nDone.", 24) == [
        "Look at this text:",
        code,
        "Done.",
    ]


@given(st.text(alphabet="ab .\n`", max_size=200), st.integers(min_value=1, max_value=40))
def test_no_part_is_too_long_and_no_word_is_lost(text: str, longest: int) -> None:
    parts = split(text, longest)
    assert all(0 < len(part) <= longest for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
