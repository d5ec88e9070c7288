"""The words of a text, as the search knows them: reduced to a form that people's spellings share.

Customers leave out accents, so the search must not depend on them. Accents are removed from both
sides before Postgres reduces a word to its stem, which needs no extension of Postgres. Its Spanish
rules then miss two endings that they know by the accent only; `searchable` mends those.
"""

import re
from collections.abc import Iterable

from app.common.wording import plain
from app.models import Language

OF_SPANISH = (
    "de la que el en los se del las un por con una su para es al lo como mas pero sus le ya este si"
    " porque esta entre cuando muy sin sobre tambien hasta hay donde quien desde todo nos durante"
    " todos uno les ni otros ese eso ante ellos esto mi antes algunos unos yo otro otras otra tanto"
    " esa estos mucho nada muchos cual ella estar estas tu te ti son era ser fue han tiene tienen"
    " puedo puede pueden hace usted ustedes nuestro nuestra nuestros nuestras cada"
)
OF_ENGLISH = (
    "the of and to in is that for it as was with be by on not at are this have from or an they"
    " which one you were her all she there would their we him been has when who will more if out"
    " so what up its about into than them can only other some could these may then do any my now"
    " such our over most after also did many must through where your how those too does i am us"
    " please just"
)
"""Words that say nothing about what a text is about, without those that both languages have."""

SPANISH = frozenset(OF_SPANISH.split())
ENGLISH = frozenset(OF_ENGLISH.split())

READ = 20_000
"""Characters that are read to find out a text's language."""

FEW = 20
SHARE = 0.08
"""The share of such words in a text of that language is more than twice as high."""

RESTORED = re.compile(r"(?<=[a-z]{2})([cs])ion(?:es)?\b")
SHORT_PLURAL = re.compile(r"\b([a-z])ias\b")

LONGEST_QUESTION = 2_000
MOST_WORDS = 24
LONGEST_WORD = 40
OF_EARLIER = 0.5
"""The weight of words that were said before the last answer."""


def language_of(text: str, default: Language) -> Language:
    """Return the language of a text; `default` if it has too few words to tell."""
    words = plain(text[:READ]).split()
    if len(words) < FEW:
        return default
    spanish = sum(word in SPANISH for word in words)
    english = sum(word in ENGLISH for word in words)
    if max(spanish, english) < SHARE * len(words):
        return Language.OTHER
    return Language.SPANISH if spanish >= english else Language.ENGLISH


def searchable(text: str, language: Language) -> str:
    """Return the text as Postgres gets it to reduce its words to stems.

    Postgres reduces `informaciones` to `inform` and `información` too, but not `informacion`.
    """
    words = plain(text)
    if language is not Language.SPANISH:
        return words
    return SHORT_PLURAL.sub(r"\1ia", RESTORED.sub(r"\1ión", words))


def words_to_find(said: Iterable[str], before: Iterable[str] = ()) -> dict[str, float]:
    """Return the words of a question with their weights, without those that say nothing.

    `said` is what the customer asks now. The words of `before`, what was said earlier, count half:
    a question such as "And to Lima?" continues another one.
    """
    found: dict[str, float] = {}
    for texts, weight in ((said, 1.0), (before, OF_EARLIER)):
        for text in texts:
            for word in plain(text[:LONGEST_QUESTION]).split():
                if len(found) < MOST_WORDS and _says_something(word):
                    found.setdefault(word, weight)
    return found


def _says_something(word: str) -> bool:
    if word in SPANISH or word in ENGLISH or len(word) > LONGEST_WORD:
        return False
    return len(word) > 1 or word.isdigit()
