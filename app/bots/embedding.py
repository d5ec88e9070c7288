"""Embeddings, made by the model's server of a bot within its budgets and through the breaker.

Only OpenAI's servers make them: elsewhere the name of a model for it is not known.
"""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

import structlog

from app.ai import catalogue, client
from app.ai.catalogue import EmbeddingModel, Usage
from app.ai.embedding import Vector
from app.ai.errors import AiError
from app.ai.types import Endpoint
from app.bots import asking, remedies
from app.bots.budget import Account, BudgetFull
from app.bots.spend_repository import Amount
from app.common.egress import Call
from app.knowledge.service import Meaning

log = structlog.get_logger(__name__)

QUESTION_SECONDS = 2.0
"""A customer waits for the embedding of the question, and an answer by words is an answer."""


def model() -> EmbeddingModel:
    return catalogue.catalogue().embedding


def makes_embeddings(endpoint: Endpoint | None) -> bool:
    return endpoint is not None and endpoint.is_openai


def embed(
    tenant_id: UUID,
    account: Account,
    endpoint: Endpoint,
    texts: Sequence[str],
    call: Call,
    bytes_a_token: int,
) -> tuple[Vector, ...]:
    """Return the vectors of these texts, which have so many bytes in a token at least.

    Raises AiError, BudgetFull.
    """
    tokens = sum(len(text.encode()) // bytes_a_token + 1 for text in texts)
    wanted = _amount(Usage(input=tokens))
    with asking.guarded(tenant_id, account, endpoint, model().name, call) as passage:
        # An embedding takes less time than an answer.
        passage.had_time = call.seconds_left() >= 0.9 * QUESTION_SECONDS
        with asking.booked(tenant_id, account, wanted, call) as booking:
            made = client.embed(endpoint, model(), texts, call)
            booking.used = wanted if made.usage is None else _amount(made.usage)
    return made.vectors


def _amount(usage: Usage) -> Amount:
    return Amount(usage.input, catalogue.cost(model().price, usage))


def meaning_of(
    tenant_id: UUID,
    account: Account,
    endpoint: Endpoint | None,
    *,
    is_wanted: bool,
    whole: Call | None = None,
) -> Meaning | None:
    """Return how questions to a bot are embedded, None if they are not. `whole` is the deadline
    within which they are asked."""
    if not is_wanted or endpoint is None or not makes_embeddings(endpoint):
        return None
    return Meaning(model().key, partial(_embed_question, tenant_id, account, endpoint, whole))


def _embed_question(
    tenant_id: UUID, account: Account, endpoint: Endpoint, whole: Call | None, question: str
) -> Vector | None:
    seconds = QUESTION_SECONDS
    if whole is not None:
        seconds = min(seconds, max(whole.seconds_left(), 0.0))
    try:
        # No text has more tokens than bytes, and this one a customer chooses.
        (vector,) = embed(tenant_id, account, endpoint, [question], Call(seconds), 1)
    except AiError as error:
        log.info("question_not_embedded", kind=remedies.known_code(error) or type(error).__name__)
        return None
    except BudgetFull:
        log.info("question_not_embedded", kind="budget_reached")
        return None
    return vector
