"""Shows the customer that an answer is being written.

It is best effort: nothing waits for it, it is never repeated, and a failure changes nothing.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app import db
from app.bots import turns_repository as repository
from app.bots.turns import Work
from app.channels import service as channels
from app.channels.providers.base import ProviderUnavailable
from app.common.encryption import CannotOpen

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 4
"""Each takes three seconds at most. None waits for its turn: it would come after the answer."""

_threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="typing")
_free = threading.BoundedSemaphore(MOST_AT_ONCE)


def show(tenant_id: UUID, work: Work) -> None:
    """Show it for the newest message that the turn answers, in another thread; returns at once.

    Does nothing while too many are in progress, or for a turn that was begun before.
    """
    if work.tries > 1 or not _free.acquire(blocking=False):
        return
    try:
        _threads.submit(_show, tenant_id, work)
    except RuntimeError:
        # The process ends.
        _free.release()


def _show(tenant_id: UUID, work: Work) -> None:
    try:
        _ask_provider(tenant_id, work)
    except (ProviderUnavailable, channels.ChannelGone, CannotOpen, SQLAlchemyError) as error:
        log.info("typing_not_shown", turn_id=str(work.turn_id), error=type(error).__name__)
    except Exception:
        log.exception("typing_broke", turn_id=str(work.turn_id))
    finally:
        _free.release()


def _ask_provider(tenant_id: UUID, work: Work) -> None:
    with db.tenant_session(tenant_id) as session:
        heard_id = repository.typing_for(session, work.channel_id, work.message_ids)
    if heard_id is None:
        return
    connection = channels.connection(tenant_id, work.channel_id)
    if connection.capabilities.shows_typing:
        connection.client.show_typing(heard_id)
