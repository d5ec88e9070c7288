"""Asking a model, and having one make embeddings: the two functions that do it."""

import threading
from collections.abc import Sequence
from dataclasses import replace

from cachetools import TTLCache

from app.ai.catalogue import NONE, EmbeddingModel, catalogue
from app.ai.embedding import Embedded
from app.ai.errors import BadQuestion, Misconfigured
from app.ai.types import Dialect, Endpoint, Question, Reply
from app.common.egress import Call

MEMORY_SECONDS = 3600.0
MOST_REMEMBERED = 1000
NO_RESPONSES_API = frozenset({"http_404", "http_405"})
"""Codes of an answer that names no error of OpenAI: the path does not exist."""


class Remembered:
    """What servers taught us, for an hour; shared by the threads of this process."""

    def __init__(self) -> None:
        self._found: TTLCache[tuple[str, ...], bool] = TTLCache(MOST_REMEMBERED, MEMORY_SECONDS)
        self._lock = threading.Lock()

    def add(self, *key: str) -> None:
        with self._lock:
            self._found[key] = True

    def has(self, *key: str) -> bool:
        with self._lock:
            return key in self._found

    def forget(self) -> None:
        with self._lock:
            self._found.clear()


refuses_temperature = Remembered()
"""(base URL, model)."""

has_chat_only = Remembered()
"""(base URL,)."""


def ask(endpoint: Endpoint, question: Question, call: Call) -> Reply:
    """Put one question to a model, and return its answer.

    `call` is the deadline, and another thread may cancel it. Nothing is retried, since a retry is
    billed again, but for two refusals that cost nothing: a temperature that the model does not
    take is left out, and a server without the Responses API is asked by Chat Completions. Both are
    remembered for an hour.

    Raises AiError: Transient, Misconfigured, BadQuestion, TooLong or Canceled.
    """
    question = fitting(endpoint, question)
    try:
        return _ask(endpoint, question, call)
    except BadQuestion as error:
        if question.temperature is None or not _is_about_temperature(error):
            raise
        refuses_temperature.add(endpoint.base_url, question.model)
        return _ask(endpoint, replace(question, temperature=None), call)


def embed(endpoint: Endpoint, model: EmbeddingModel, texts: Sequence[str], call: Call) -> Embedded:
    """Return the vectors of texts, none of which is empty. Nothing is retried.

    Raises AiError: Transient, Misconfigured, BadQuestion or Canceled.
    """
    from app.ai import vendor  # noqa: PLC0415 (see _ask)

    return vendor.embed(endpoint, model, texts, call)


def fitting(endpoint: Endpoint, question: Question) -> Question:
    """Return the question with an effort and a temperature that the model accepts."""
    model = catalogue().find(question.model)
    effort = question.effort
    if model is not None and effort not in model.efforts:
        effort = model.efforts[0]
    takes = effort == NONE and (model is None or model.takes_temperature)
    if not takes or refuses_temperature.has(endpoint.base_url, question.model):
        return replace(question, effort=effort, temperature=None)
    return replace(question, effort=effort)


def _ask(endpoint: Endpoint, question: Question, call: Call) -> Reply:
    # Importing OpenAI's library takes a second and 60 MB: only processes that ask pay for it.
    from app.ai import vendor  # noqa: PLC0415

    if endpoint.dialect != Dialect.AUTO:
        return vendor.ask(endpoint, question, call, endpoint.dialect)
    if has_chat_only.has(endpoint.base_url):
        return vendor.ask(endpoint, question, call, Dialect.CHAT)
    try:
        return vendor.ask(endpoint, question, call, Dialect.RESPONSES)
    except Misconfigured as error:
        if endpoint.is_openai or error.code not in NO_RESPONSES_API:
            raise
    reply = vendor.ask(endpoint, question, call, Dialect.CHAT)
    has_chat_only.add(endpoint.base_url)
    return reply


def _is_about_temperature(error: BadQuestion) -> bool:
    return "temperature" in error.text
