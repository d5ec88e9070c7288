"""Finding an answer in what the developer quotes in the middle of a conversation."""

import re
from collections.abc import Sequence
from itertools import dropwhile
from typing import Final

from simulator.openai.prompt import STANDING_ROLES, Turn
from simulator.openai.words import words

_ENDS: Final = re.compile(r'["\n]|\\n|(?<=[.!?])\s')
"""Of a sentence, or of a string of JSON."""

_LEAST_SHARED: Final = 2
_STEM: Final = 5


def quoted(turns: Sequence[Turn], asked: str) -> str | None:
    """Return the sentence that shares most words with the question; None if none shares two.

    Instructions, which stand before the conversation, are no quotation.
    """
    wanted = _stems(asked)
    conversation = dropwhile(lambda turn: turn.role in STANDING_ROLES, turns)
    sentences = [
        sentence.strip()
        for turn in conversation
        if turn.kind == "message" and turn.role in STANDING_ROLES
        for sentence in _ENDS.split(turn.text)
    ]
    best = max(sentences, key=lambda sentence: len(wanted & _stems(sentence)), default="")
    return best if len(wanted & _stems(best)) >= _LEAST_SHARED else None


def _stems(text: str) -> set[str]:
    """Return the beginnings of the words that have more than three letters."""
    return {word[:_STEM] for word in words(text) if len(word) > 3}
