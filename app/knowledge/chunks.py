"""Cutting a text into chunks: parts that are short enough to be quoted, and can be understood.

A chunk ends where a paragraph ends, if possible, and never reaches from one heading to the next.
It knows the headings above it. Chunks of one section overlap a little.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

TARGET = 800
"""Characters of a chunk. One is longer by the overlap at most."""

OVERLAP = 150
LONGEST_HEADING = 150
"""Characters of a line that can be a heading."""

SHORT_LINE = 100

HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*")
UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
FENCE = re.compile(r" {0,3}(```|~~~)")
RULE_OF_TABLE = re.compile(r"[ \t]*\|?(?:[ \t]*:?-+:?[ \t]*\|)+[ \t:-]*")
SENTENCE = re.compile(r"(?<=[.!?…])[ \t]+")
HYPHEN = re.compile(r"(?<=[^\W\d_])-\n(?=[a-zà-öø-ÿ])")


@dataclass(frozen=True)
class Chunk:
    """`heading` is the path of headings, `Shipping > Costs`, or the page, `p. 3`."""

    heading: str
    text: str


@dataclass
class Section:
    """The paragraphs below a heading. `path` has the headings above it, and itself."""

    path: tuple[str, ...] = ()
    paragraphs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Unit:
    """What is never cut: a paragraph, or a sentence or a line of a long one. `joint` is what stands
    between it and the one before."""

    text: str
    joint: str = "\n\n"


def split(text: str) -> list[Chunk]:
    """Cut a text, whose headings are those of Markdown."""
    sections = list(_sections(text.splitlines()))
    for section, following in pairwise(sections):
        _say_heading(section, following.path)
    _say_heading(sections[-1], ())
    return [
        Chunk(" > ".join(section.path), part)
        for section in sections
        for part in _pack(_units(section.paragraphs))
    ]


def _say_heading(section: Section, following: tuple[str, ...]) -> None:
    """Make a heading the text of its section if there is none, and no deeper heading follows."""
    path = section.path
    is_above = len(following) > len(path) and following[: len(path)] == path
    if path and not section.paragraphs and not is_above:
        section.paragraphs.append(path[-1])


def split_pages(pages: Sequence[str]) -> list[Chunk]:
    """Cut the pages of a PDF, whose lines may end within a word."""
    return [
        Chunk(f"p. {number}", part)
        for number, page in enumerate(pages, start=1)
        for part in _pack(_units(_paragraphs(HYPHEN.sub("", page).splitlines())))
    ]


def _sections(lines: Sequence[str]) -> Iterator[Section]:
    """Yield the text before the first heading, then the sections in their order."""
    levels: list[tuple[int, str]] = []
    held: list[str] = []
    fence = ""
    for line in lines:
        opened = FENCE.match(line)
        if opened and fence in ("", opened[1]):
            fence = "" if fence else opened[1]
        heading = None if fence else _heading(line, held)
        if heading is None:
            held.append(line)
            continue
        yield Section(_titles(levels), _paragraphs(held))
        held = []
        levels = [each for each in levels if each[0] < heading[0]] + [heading]
    yield Section(_titles(levels), _paragraphs(held))


def _heading(line: str, held: list[str]) -> tuple[int, str] | None:
    """Return level and title if the line is a heading, or underlines the one before it, which is
    then taken out of `held`."""
    if len(line) > LONGEST_HEADING:
        return None
    found = HEADING.fullmatch(line)
    if found:
        return (len(found[1]), found[2]) if found[2] else None
    underline = UNDERLINE.fullmatch(line)
    if underline and held and _stands_alone(held):
        return (1 if underline[1][0] == "=" else 2, held.pop().strip())
    return None


def _stands_alone(held: Sequence[str]) -> bool:
    """Return whether the last line is a short paragraph of its own."""
    last = held[-1].strip()
    return 0 < len(last) <= LONGEST_HEADING and (len(held) == 1 or not held[-2].strip())


def _titles(levels: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(title for _, title in levels)


def _paragraphs(lines: Iterable[str]) -> list[str]:
    found: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            found[-1].append(line.rstrip())
        elif found[-1]:
            found.append([])
    return ["\n".join(each).strip() for each in found if each]


def _units(paragraphs: Iterable[str]) -> Iterator[Unit]:
    for paragraph in paragraphs:
        if len(paragraph) <= TARGET:
            yield Unit(paragraph)
            continue
        lines = paragraph.split("\n")
        if len(lines) > 2 and _is_rule(lines[1]):
            yield from map(Unit, _table(lines))
        else:
            yield from _pieces(lines)


def _is_rule(line: str) -> bool:
    """Return whether the line parts a table's rows from the names of its columns."""
    return len(line) <= TARGET and RULE_OF_TABLE.fullmatch(line) is not None


def _pieces(lines: Iterable[str]) -> Iterator[Unit]:
    """Yield the sentences of a paragraph, line by line."""
    joint = "\n\n"
    for line in lines:
        for sentence in SENTENCE.split(line):
            for piece in _short(sentence):
                yield Unit(piece, joint)
                joint = " "
        joint = "\n"


def _short(sentence: str) -> list[str]:
    if len(sentence) <= TARGET:
        return [sentence] if sentence else []
    return textwrap.wrap(sentence, TARGET, break_on_hyphens=False)


def _table(lines: Sequence[str]) -> Iterator[str]:
    """Cut a table between its rows; each part has the names of the columns."""
    names = "\n".join(lines[:2])
    if len(names) > TARGET // 2:
        names = ""
    rows: list[str] = []
    for row in (piece for line in lines[2:] for piece in _short(line)):
        if rows and len(names) + sum(map(len, rows)) + len(row) > TARGET:
            yield "\n".join([names, *rows]).strip()
            rows = []
        rows.append(row)
    yield "\n".join([names, *rows]).strip()


def _pack(units: Iterable[Unit]) -> Iterator[str]:
    """Fill chunks with units, up to TARGET."""
    held: list[Unit] = []
    length = 0
    for unit in units:
        if held and length + len(unit.joint) + len(unit.text) > TARGET:
            carried = _carried(held)
            kept = held[:-1] if carried is held[-1] else held
            yield _joined(kept)
            held = [carried] if carried is not None else []
            length = len(carried.text) if carried is not None else 0
        held.append(unit)
        length += len(unit.joint) + len(unit.text)
    if held:
        yield _joined(held)


def _carried(held: Sequence[Unit]) -> Unit | None:
    """Return what the next chunk begins with: a line that introduces it, which is then left out
    here, or else the last sentence."""
    last = held[-1]
    if len(held) > 1 and len(last.text) <= SHORT_LINE and not last.text.endswith((".", "!")):
        return last
    sentence = SENTENCE.split(last.text)[-1]
    return Unit(sentence) if len(sentence) <= OVERLAP and len(held) > 1 else None


def _joined(units: Sequence[Unit]) -> str:
    first, *rest = units
    return first.text + "".join(unit.joint + unit.text for unit in rest)
