"""OpenAI's library: one client and one pool of connections for every endpoint, and its errors in
our words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx2
import openai

from app.ai import chat, embedding, responses
from app.ai.catalogue import EmbeddingModel
from app.ai.embedding import Embedded
from app.ai.errors import AiError, BadQuestion, Canceled, Misconfigured, TooLong, Transient
from app.ai.types import Dialect, Endpoint, Question, Reply
from app.common.egress import Call, EgressFailed, EgressRefused, Transport

LARGEST_ANSWER = 4 * 1024 * 1024
KEPT_CONNECTIONS = 100
MOST_TOKENS = 2**31 - 1
"""More than any answer has, and what an integer column holds."""

TRANSIENT = frozenset({408, 409, 425})
CONFIGURATION = frozenset({401, 402, 403, 404, 405})


def ask(endpoint: Endpoint, question: Question, call: Call, dialect: Dialect) -> Reply:
    """Put one question to the server in this dialect. Raises AiError."""
    client = _client(endpoint)
    with _in_our_words(call):
        if dialect == Dialect.CHAT:
            raw: Any = client.chat.completions.with_raw_response.create(
                **chat.request(question, endpoint)
            )
            return checked(chat.read(raw.parse(), raw.headers.get("x-request-id", "")))
        raw = client.responses.with_raw_response.create(**responses.request(question, endpoint))
        return checked(responses.read(raw.parse(), raw.headers.get("x-request-id", "")))


def embed(endpoint: Endpoint, model: EmbeddingModel, texts: Sequence[str], call: Call) -> Embedded:
    """Have the server make the vectors of these texts. Raises AiError."""
    client = _client(endpoint)
    with _in_our_words(call):
        answer = client.embeddings.create(**embedding.request(model, texts))
        return embedding.read(answer, model, len(texts))


@contextmanager
def _in_our_words(call: Call) -> Iterator[None]:
    """Let the requests of the block belong to this call. Raises AiError."""
    try:
        with call.running():
            yield
    except EgressRefused as error:
        raise Misconfigured("address_refused", str(error)) from error
    except (EgressFailed, openai.APIConnectionError) as error:
        if call.is_canceled:
            raise Canceled("canceled") from error
        raise Transient("unreachable", str(error)) from error
    except openai.APIStatusError as error:
        raise _by_status(error) from error
    except openai.OpenAIError as error:
        raise Transient("invalid_answer", str(error)) from error
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        # The library builds its objects without checking them: a server may send anything.
        raise Transient("invalid_answer", type(error).__name__) from error


def checked(reply: Reply) -> Reply:
    """Return the reply if each part has its type, which the library does not check.

    Raises TypeError.
    """
    of_calls = [part for call in reply.tool_calls for part in (call.id, call.name, call.arguments)]
    texts = [reply.text, reply.refusal or "", reply.response_id, reply.error, *of_calls]
    counts = vars(reply.usage).values() if reply.usage is not None else ()
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is something else")
    if not all(type(count) is int and 0 <= count <= MOST_TOKENS for count in counts):
        raise TypeError("a number of tokens is something else")
    return reply


def _client(endpoint: Endpoint) -> openai.OpenAI:
    """Return a client for this endpoint, on the shared connections."""
    client = openai.OpenAI(
        api_key=endpoint.api_key or "none",
        base_url=endpoint.base_url,
        max_retries=0,
        # The call's own deadline ends every wait.
        timeout=None,
        http_client=_connections(endpoint.is_trusted),
    )
    # The library takes these from the environment of the process. An organisation of the operator
    # must not travel with a tenant's key.
    client.organization = client.project = client.admin_api_key = None
    client._custom_headers = {}
    return client


@cache
def _connections(is_trusted: bool) -> httpx2.Client:
    transport = Transport(
        max_bytes=LARGEST_ANSWER, keep=KEPT_CONNECTIONS, may_be_private=is_trusted
    )
    return httpx2.Client(transport=transport, trust_env=False, follow_redirects=False)


def _by_status(error: openai.APIStatusError) -> AiError:
    status, request_id = error.status_code, error.request_id or ""
    code = str(error.code or f"http_{status}")
    if status == 429:
        if code == "insufficient_quota" or code.startswith("billing_"):
            return Misconfigured(code, error.message, request_id)
        return Transient(code, error.message, request_id, _retry_after(error))
    if status >= 500 or status in TRANSIENT:
        return Transient(code, error.message, request_id, _retry_after(error))
    if status in CONFIGURATION or code == "model_not_found":
        return Misconfigured(code, error.message, request_id)
    if status < 400:
        return Misconfigured("redirected", "The address answers with a redirect.", request_id)
    kind = TooLong if code == "context_length_exceeded" else BadQuestion
    return kind(code, f"{error.param or ''} {error.message}".strip(), request_id)


def _retry_after(error: openai.APIStatusError) -> float:
    """Return the seconds that the server asks us to wait; 0 if it does not say."""
    headers = error.response.headers
    try:
        if "retry-after-ms" in headers:
            return float(headers["retry-after-ms"]) / 1000
        return float(headers.get("retry-after", 0))
    except ValueError:
        return 0.0
