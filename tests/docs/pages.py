"""The pages of the documentation, and the code in them."""

import functools
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from tests.architecture.source import ROOT

MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """A code block. `language` is empty if the page names none."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> dict[str, str]:
    """Return name → text of each page, in the order in which a reader meets them."""
    paths = [ROOT / "README.md", ROOT / "DEVELOPERS.md", *sorted((ROOT / "docs").glob("*.md"))]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}


def blocks(page: str, text: str) -> list[Block]:
    """Return the code blocks of a page in its order, also those that are only indented."""
    return [
        Block(page, token.map[0] + 1 if token.map else 0, token.info.strip(), token.content)
        for token in MARKDOWN.parse(text)
        if token.type in {"fence", "code_block"}
    ]


def inline_code(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each piece of code within a sentence, as `make run` is."""
    for token in MARKDOWN.parse(text):
        for child in token.children or []:
            if child.type == "code_inline":
                yield (token.map[0] + 1 if token.map else 0), child.content


def links(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the target of each link and picture."""
    for token in MARKDOWN.parse(text):
        for child in token.children or []:
            if target := child.attrGet("href") or child.attrGet("src"):
                yield (token.map[0] + 1 if token.map else 0), str(target)


@functools.cache
def anchors(path: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as GitHub makes them; none for another file."""
    if path.suffix != ".md":
        return frozenset()
    tokens = MARKDOWN.parse(path.read_text(encoding="utf-8"))
    headings = [
        after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open"
    ]
    return frozenset(re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings)


def all_blocks() -> list[Block]:
    return [block for page, text in pages().items() for block in blocks(page, text)]
