"""A model's answer as WhatsApp shows it: Markdown becomes WhatsApp's own marks, and a long text
becomes several."""

import re
from collections.abc import Callable, Iterator

from app.common.wording import storable

FENCE = re.compile(r"^(```)[^\n`]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
INLINE_CODE = re.compile(r"`[^`\n]+`")
KEPT = "\x00{}\x00"
"""Stands for a piece of code while the text around it is changed."""

HEADING = re.compile(r"^[ ]{0,3}#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
BULLET = re.compile(r"^([ \t]*)[-*+][ \t]+(?=\S)", re.MULTILINE)
RULE = re.compile(r"^[ ]{0,3}(?:[-*_][ \t]*){3,}$\n?", re.MULTILINE)
IMAGE_OR_LINK = re.compile(r"!?\[([^\]\n]*)\]\((\S+?)(?:[ \t]+\"[^\"\n]*\")?\)")
BOLD_ITALIC = re.compile(r"\*\*\*(?=\S)(.+?)(?<=\S)\*\*\*")
BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
UNDERLINED = re.compile(r"(?<!\w)__(?=\S)(.+?)(?<=\S)__(?!\w)")
STRUCK = re.compile(r"~~(?=\S)(.+?)(?<=\S)~~")
ITALIC = re.compile(r"(?<![\w*\\])\*(?![\s*])([^*\n]+?)(?<![\s\\])\*(?![\w*])")
TABLE_LINE = re.compile(r"^[ \t]*\|(.+)\|[ \t]*$")
TABLE_RULE = re.compile(r"^[ \t]*\|?[ \t]*:?-{3,}:?[ \t]*(\|[ \t]*:?-{3,}:?[ \t]*)*\|?[ \t]*$")
BOLD_MARK = "\x01"
"""Stands for WhatsApp's `*` until Markdown's own `*` have been read."""

MARKDOWN_BLOCK = re.compile(r"\A\s*```(?:markdown|md)[ \t]*\n(.*?)\n?```\s*\Z", re.DOTALL)


def to_whatsapp(text: str) -> str:
    """Return the text with WhatsApp's marks in the place of Markdown's.

    `**bold**` becomes `*bold*`, `~~gone~~` becomes `~gone~`, a heading becomes a bold line, a
    bullet becomes `•`, a link becomes its text and address, and a table becomes lines. Code stays
    as it is. `*one word*` is italic in Markdown and bold in WhatsApp: it becomes italic only in a
    text that shows by its other marks that it is Markdown. So a text that was changed once is not
    changed again.
    """
    whole = MARKDOWN_BLOCK.match(text)
    if whole is not None and "```" not in whole[1]:
        text = whole[1]
    kept: list[str] = []
    text = storable(text).replace(BOLD_MARK, "")
    text = FENCE.sub(lambda found: _keep(kept, f"```\n{found[2]}```"), text)
    text = INLINE_CODE.sub(lambda found: _keep(kept, found[0]), text)
    is_markdown = any(pattern.search(text) for pattern in ONLY_MARKDOWN)
    text = _without_tables(text)
    for pattern, put in CHANGES:
        text = pattern.sub(put, text)
    if is_markdown:
        text = ITALIC.sub(r"_\1_", text)
    text = text.replace(BOLD_MARK, "*")
    for number, code in enumerate(kept):
        text = text.replace(KEPT.format(number), code)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _keep(kept: list[str], code: str) -> str:
    kept.append(code)
    return KEPT.format(len(kept) - 1)


def _bold(found: re.Match[str]) -> str:
    inner = found[1].replace("**", "").replace("__", "").replace(BOLD_MARK, "")
    return f"{BOLD_MARK}{inner}{BOLD_MARK}"


def _link(found: re.Match[str]) -> str:
    label, address = found[1].strip(), found[2]
    return address if label in {"", address} else f"{label} ({address})"


CHANGES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (RULE, ""),
    (IMAGE_OR_LINK, _link),
    (BOLD_ITALIC, rf"{BOLD_MARK}_\1_{BOLD_MARK}"),
    (BOLD, _bold),
    (UNDERLINED, _bold),
    (HEADING, _bold),
    (STRUCK, r"~\1~"),
    (BULLET, r"\1• "),
)

ONLY_MARKDOWN = (BOLD, UNDERLINED, HEADING, IMAGE_OR_LINK, STRUCK)


def _without_tables(text: str) -> str:
    """Return the text with each row of a table as a line of `*Header:* value`."""
    lines, out = text.split("\n"), []
    at = 0
    while at < len(lines):
        is_table = (
            at + 1 < len(lines) and TABLE_LINE.match(lines[at]) and TABLE_RULE.match(lines[at + 1])
        )
        if not is_table:
            out.append(lines[at])
            at += 1
            continue
        head = _cells(lines[at])
        at += 2
        while at < len(lines) and TABLE_LINE.match(lines[at]):
            out.append(_row(head, _cells(lines[at])))
            at += 1
    return "\n".join(out)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _row(head: list[str], cells: list[str]) -> str:
    pairs = zip(head, cells, strict=False)
    return "• " + ", ".join(
        f"{BOLD_MARK}{name}:{BOLD_MARK} {value}" if name else value
        for name, value in pairs
        if value
    )


def split(text: str, longest: int) -> list[str]:
    """Return the text in parts of at most `longest` characters.

    It is split between paragraphs, else between lines, sentences or words, and only inside a word
    that is longer than a part. A block of code that fits into a part is not split.
    """
    parts: list[str] = []
    for piece in _pieces(text, longest):
        if parts and len(parts[-1]) + len(piece) <= longest:
            parts[-1] += piece
        else:
            parts.append(piece.lstrip())
    return [part.rstrip() for part in parts if part.strip()]


BREAKS = tuple(map(re.compile, (r"(?<=\n\n)", r"(?<=\n)", r"(?<=[.!?…])(?=\s)", r"(?<=\s)")))
CODE = re.compile(r"(```.*?```)", re.DOTALL)


def _pieces(text: str, longest: int, level: int = 0) -> Iterator[str]:
    if len(text) <= longest:
        yield text
    elif level == 0 and CODE.search(text):
        for piece in CODE.split(text):
            is_code = piece.startswith("```") and len(piece) <= longest
            yield from [piece] if is_code else _pieces(piece, longest, 1)
    elif level <= len(BREAKS):
        for piece in BREAKS[max(level, 1) - 1].split(text):
            if piece:
                yield from _pieces(piece, longest, max(level, 1) + 1)
    else:
        for start in range(0, len(text), longest):
            yield text[start : start + longest]
