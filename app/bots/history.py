"""What a model reads of a conversation."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.ai.types import Role, Said

LONGEST_MESSAGE = 4_000
"""Characters of one message. A customer may paste a book."""

CHARACTERS_A_TOKEN = 3
"""An estimate that is safe for Spanish and English; a model's own count costs a library and a
download."""

KINDS = {
    "image": "an image",
    "audio": "a voice note or another sound",
    "video": "a video",
    "document": "a document",
    "sticker": "a sticker",
    "location": "a location",
    "contacts": "a contact card",
    "order": "an order from the catalogue",
    "flow_reply": "a filled-in form",
    "unknown": "a message of a kind that cannot be shown",
    "template": "a template",
}
"""Types of messages that are named to the model, because it cannot open them."""

SILENT = frozenset({"reaction"})
"""Types that say nothing to answer."""


@dataclass(frozen=True)
class Line:
    """One message of the conversation."""

    is_customer: bool
    type: str
    body: str


def as_items(lines: Sequence[Line], most_tokens: int) -> tuple[Said, ...]:
    """Return the conversation, oldest first, as the model gets it.

    What the customer wrote has the role of the user, everything else that of the assistant. The
    oldest messages are left out when all of them would be more than `most_tokens`; the newest one
    stays.
    """
    room = most_tokens * CHARACTERS_A_TOKEN
    found: list[Said] = []
    for line in reversed(lines):
        if line.type in SILENT:
            continue
        said = Said(Role.USER if line.is_customer else Role.ASSISTANT, _text(line))
        room -= len(said.text)
        if room < 0 and found:
            break
        found.append(said)
    return tuple(reversed(found))


def tokens(text: str) -> int:
    """Return about how many tokens a text is."""
    return len(text) // CHARACTERS_A_TOKEN + 1


def _text(line: Line) -> str:
    body = line.body
    if len(body) > LONGEST_MESSAGE:
        body = f"{body[:LONGEST_MESSAGE]} … [The message is longer.]"
    if line.type not in KINDS:
        return body
    who = "The customer" if line.is_customer else "The business"
    named = f"[{who} sent {KINDS[line.type]}, which you cannot open.]"
    return f"{named}\n{body}" if body else named
