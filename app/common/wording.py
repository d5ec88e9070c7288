"""Comparison of texts regardless of case, accents and punctuation."""

import re
import unicodedata
from functools import lru_cache


def plain(text: str) -> str:
    """Return the text in lower case with single spaces, without accents and punctuation.

    `¡Hóla!  Amigo` becomes `hola amigo`.
    """
    # Fold the case between the two steps: some letters have a lower case only without their accent.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    bare = "".join(each for each in folded if not unicodedata.combining(each))
    return " ".join(re.findall(r"[^\W_]+", bare))


@lru_cache(maxsize=4096)
def normalise(text: str) -> str:
    """Do the same for a short text, such as a keyword, and remember the result."""
    return plain(text)


def storable(text: str) -> str:
    """Return the text without what Postgres cannot store: NUL, and halves of surrogate pairs."""
    return text.replace("\x00", "").encode(errors="ignore").decode()


def says_the_same(one: str, other: str) -> bool:
    """Return whether two texts have the same words. Texts without words must be equal."""
    words = normalise(one)
    return words == normalise(other) and (bool(words) or one.strip() == other.strip())
