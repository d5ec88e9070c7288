"""Making the embeddings of documents in a worker, so that questions can be compared with them.

The bots that wait are found by their rows: new documents, a bot that begins to search by meaning
and another model of embeddings need nobody to tell. A worker takes some chunks of a bot under a
lease, has them embedded without a transaction, and stores the vectors. After a failure, the time of
the next try is in the bot's row.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app import db
from app.ai.embedding import Vector
from app.ai.errors import AiError, BadQuestion, Misconfigured, Transient
from app.ai.types import Endpoint
from app.bots import asking, embedding, playground, remedies
from app.bots import embedding_repository as repository
from app.bots.accounts import account_for
from app.bots.budget import Account, BudgetFull
from app.bots.errors import NoModelKey
from app.common.egress import Call
from app.common.encryption import CannotOpen
from app.common.faultpoint import faultpoint
from app.knowledge import service as knowledge
from app.knowledge.service import Waiting
from app.models import Bot
from app.tasks import names
from app.tasks.drain import drain

log = structlog.get_logger(__name__)

AT_ONCE = 64
"""Chunks of one call. OpenAI takes 2,048 texts."""

MOST_BYTES = 250_000
"""Of the texts of one call. OpenAI takes 300,000 tokens, and no text has more tokens than bytes."""

CALL_SECONDS = 30.0
LEASE = timedelta(seconds=90)
"""Longer than a call, so that only a worker that died loses it."""

PAUSE = timedelta(seconds=30)
"""Doubled with each failure in a row, up to LONGEST_PAUSE."""

SHORT_PAUSE = timedelta(seconds=1)
"""After several texts were refused, fewer are tried, until the one is found that is refused."""

CONFIGURATION_PAUSE = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(hours=1)
SLICE_SECONDS = 5.0

places = threading.BoundedSemaphore(2)
"""Calls that this process makes at once, so that other work of its queue does not wait for a slow
server."""


@dataclass(frozen=True)
class Work:
    """Chunks of a bot to embed. `endpoint` holds the key. `tries` are the failures before."""

    bot_id: UUID
    endpoint: Endpoint
    account: Account
    chunks: list[Waiting]
    tries: int


def run(tenant_id: UUID) -> None:
    """Make embeddings that bots of this tenant wait for, one call at a time, for some seconds.

    Without a free place in this process nothing is done; the scheduler comes back to it.
    """
    if not places.acquire(blocking=False):
        return
    try:
        drain(
            names.EMBED_DOCUMENTS,
            tenant_id,
            step=partial(step, tenant_id),
            is_due=partial(_is_due, tenant_id),
            slice_seconds=SLICE_SECONDS,
        )
    finally:
        places.release()


def _is_due(tenant_id: UUID) -> bool:
    with db.tenant_session(tenant_id) as session:
        return repository.has_due(session, embedding.model().key)


def step(tenant_id: UUID) -> bool:
    """Embed some chunks of one bot; return False if no bot waits."""
    with db.tenant_session(tenant_id) as session:
        bot = repository.lock_due(session, embedding.model().key)
        work = _begin(session, bot) if bot is not None else None
    if work is not None:
        faultpoint("chunks_claimed")
        _embed(tenant_id, work)
    return bot is not None


def _begin(session: Session, bot: Bot) -> Work | None:
    """Take chunks of a bot, which is locked, so that no document of it changes meanwhile."""
    endpoint = _endpoint(session, bot)
    if endpoint is None or not knowledge.has_extension(session):
        repository.wait(session, bot.id, LONGEST_PAUSE, 0)
        return None
    # Fewer after each failure: one of the texts may be refused.
    most = max(1, AT_ONCE >> (2 * bot.embed_tries))
    chunks = knowledge.waiting(session, bot.id, most, MOST_BYTES)
    if not chunks:
        repository.succeed(session, bot.id, embedding.model().key)
        return None
    repository.wait(session, bot.id, LEASE, 0)
    account = account_for(session, bot)
    return Work(bot.id, endpoint, account, chunks, bot.embed_tries)


def _endpoint(session: Session, bot: Bot) -> Endpoint | None:
    """Return the server that makes embeddings for this bot, if there is one."""
    try:
        endpoint = playground.endpoint_for(session, bot)
    except (NoModelKey, CannotOpen):
        return None
    return endpoint if embedding.makes_embeddings(endpoint) else None


def _embed(tenant_id: UUID, work: Work) -> None:
    try:
        vectors = embedding.embed(
            tenant_id,
            work.account,
            work.endpoint,
            [chunk.text for chunk in work.chunks],
            Call(CALL_SECONDS),
            asking.BYTES_A_TOKEN,
        )
    except (AiError, BudgetFull) as error:
        _fail(tenant_id, work, error)
        return
    _finish(tenant_id, work, vectors)


def _fail(tenant_id: UUID, work: Work, error: AiError | BudgetFull) -> None:
    kind = remedies.known_code(error) if isinstance(error, AiError) else "budget_reached"
    log.info("chunks_not_embedded", bot_id=str(work.bot_id), kind=kind or type(error).__name__)
    with db.tenant_session(tenant_id) as session:
        if isinstance(error, BadQuestion) and len(work.chunks) == 1:
            knowledge.learn(session, work.bot_id, {work.chunks[0].chunk_id: None})
        repository.wait(session, work.bot_id, _pause(work, error), 1)


def _finish(tenant_id: UUID, work: Work, vectors: Sequence[Vector]) -> None:
    ids = [chunk.chunk_id for chunk in work.chunks]
    with db.tenant_session(tenant_id) as session:
        knowledge.learn(session, work.bot_id, dict(zip(ids, vectors, strict=True)))
        repository.succeed(session, work.bot_id)


def _pause(work: Work, error: AiError | BudgetFull) -> timedelta:
    if isinstance(error, BudgetFull):
        return LONGEST_PAUSE
    if isinstance(error, BadQuestion) and len(work.chunks) > 1:
        return SHORT_PAUSE
    first = CONFIGURATION_PAUSE if isinstance(error, Misconfigured) else PAUSE
    pause = timedelta(seconds=first.total_seconds() * 2.0 ** min(work.tries, 10))
    if isinstance(error, Transient):
        pause = max(pause, timedelta(seconds=error.retry_after))
    return min(pause, LONGEST_PAUSE)
