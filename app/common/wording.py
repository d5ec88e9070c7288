"""Comparing what people write, whatever its case, accents and punctuation."""

import re
import unicodedata


def normalise(text: str) -> str:
    """`¡Hóla!  Amigo` → `hola amigo`: lower case, no accents, no punctuation, single spaces."""
    # Folded between: some letters have their small form only once they are plain ones.
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    bare = "".join(each for each in plain if not unicodedata.combining(each))
    return " ".join(re.findall(r"[^\W_]+", bare))


def says_the_same(one: str, other: str) -> bool:
    """Whether two texts have the same words; texts without words must be equal."""
    words = normalise(one)
    return words == normalise(other) and (bool(words) or one.strip() == other.strip())
