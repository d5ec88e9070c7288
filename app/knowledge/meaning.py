"""Finding passages by what they mean: how a question is embedded, and two rankings become one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from app.ai.catalogue import catalogue
from app.ai.embedding import Vector
from app.knowledge import vectors_repository as repository
from app.knowledge.vectors_repository import has_extension

__all__ = ["LONGEST_QUESTION", "Meaning", "has_extension"]

LONGEST_QUESTION = 2_000
"""Characters of a question that are embedded, the last ones."""

SHORT = 40
"""A question with fewer characters may continue what was said before, and is embedded with it."""

LIKE = 0.25
"""The cosine from which a passage may be about the question. Our choice: it is low, because the
model is told to ignore passages that are about something else."""

DAMPING = 60
"""Of the fusion of rankings, as in Cormack, Clarke and Büttcher (2009). The larger, the less it
matters who is first."""


@dataclass(frozen=True)
class Meaning:
    """How questions to a bot are embedded. `model` is the key of the model whose vectors they are
    compared with. `embed` returns None when there is no vector, for whatever reason: the search
    goes on by words."""

    model: str
    embed: Callable[[str], Vector | None]


@dataclass(frozen=True)
class Asked:
    """A question as a vector of a model."""

    model: str
    vector: Vector


@dataclass(frozen=True)
class Waiting:
    """A chunk without a vector, and the text to embed."""

    chunk_id: UUID
    text: str


Passage = TypeVar("Passage")


@dataclass
class Ranked(Generic[Passage]):
    """A passage, and the sum of what its places in the rankings are worth."""

    passage: Passage
    score: float = 0.0


def can_ask(session: Session, bot_id: UUID, meaning: Meaning) -> bool:
    """Return whether there is anything to compare a question with, and the means to do it."""
    return repository.has_vectors(session, bot_id, meaning.model) and has_extension(session)


def ask(meaning: Meaning, said: Sequence[str], before: Sequence[str]) -> Asked | None:
    """Have the question embedded. Call this with no transaction open."""
    vector = meaning.embed(question_of(said, before))
    return None if vector is None else Asked(meaning.model, vector)


def question_of(said: Sequence[str], before: Sequence[str]) -> str:
    """Return the text to embed."""
    question = "\n".join(said)
    if len(question) < SHORT:
        question = "\n".join((*before, question))
    return question[-LONGEST_QUESTION:]


def fused(rankings: Iterable[Sequence[tuple[UUID, Passage]]]) -> list[Ranked[Passage]]:
    """Return the passages of all rankings, the best first: each place counts, and no score, because
    scores of different searches cannot be compared."""
    found: dict[UUID, Ranked[Passage]] = {}
    for ranking in rankings:
        for place, (key, passage) in enumerate(ranking, start=1):
            found.setdefault(key, Ranked(passage)).score += 1 / (DAMPING + place)
    return sorted(found.values(), key=lambda each: -each.score)


def waiting(session: Session, bot_id: UUID, most: int, most_bytes: int) -> list[Waiting]:
    """Return chunks of a bot without a vector of today's model, at most so many bytes of text."""
    found: list[Waiting] = []
    for row in repository.without_vectors(session, bot_id, catalogue().embedding.key, most):
        text = "\n".join(filter(None, (row.title, row.heading, row.text)))
        most_bytes -= len(text.encode())
        if found and most_bytes < 0:
            break
        found.append(Waiting(row.id, text))
    return found


def learn(session: Session, bot_id: UUID, vectors: Mapping[UUID, Vector | None]) -> None:
    """Store vectors of today's model. None: the model's server refused the text of the chunk."""
    repository.store(session, bot_id, catalogue().embedding.key, vectors)
