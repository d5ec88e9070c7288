"""Requests to read providers' lists: by a person, after an outage of ours, and once a day."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app import db
from app.channels import service as channels
from app.common import audit, clock
from app.common.principal import Principal
from app.errors import InvalidInput
from app.inbox import reading_repository as repository
from app.inbox import repair
from app.inbox.reading import kept
from app.inbox.reading_repository import ReadRequest
from app.inbox.repair import Repaired

log = structlog.get_logger(__name__)

LOOK_BACK = timedelta(days=3)
ASK_PAUSE = timedelta(seconds=30)
"""The least time between two requests for the same list."""

SPACING = timedelta(seconds=0.4)
"""The average time between the channels of one tenant, so that other tenants' channels come in
between."""


@dataclass(frozen=True)
class Asked:
    """How many `channels` will have their lists read, and the earliest time they are read from
    (`since`)."""

    channels: int
    since: datetime | None


def request_repair(
    session: Session,
    actor: Principal | None,
    since: datetime | None = None,
    channel_id: UUID | None = None,
    pause: timedelta = ASK_PAUSE,
) -> Asked:
    """Request that the lists of one active channel, or of all of the tenant, are read.

    The scheduler starts it within a second, or `pause` after the list was last requested. Messages
    from `since` on are checked; None checks only for new ones. Nothing is read from before the
    channel was added, or from before INBOX_RETENTION_DAYS. Raises InvalidInput for a time in the
    future, ChannelNotFound, ChannelDisabled.
    """
    if since is not None and since > clock.now():
        reason = "This time is in the future. Give the time from which messages are missing."
        raise InvalidInput({"since": [reason]})
    if channel_id is not None:
        channels.usable(session, channel_id)
    asked = _request(session, since, channel_id, pause)
    changes = {"since": clock.isoformat(asked.since), "channels": asked.channels}
    audit.record(session, actor, "inbox.repair_requested", ("channel", channel_id), changes)
    return asked


def repair_now(tenant_id: UUID, channel_id: UUID, since: datetime | None) -> Repaired | None:
    """Request the list of one channel and read it at once, for an operator who waits for it.

    Returns None when another process reads it, or when the provider could not be reached; it is
    then read later. Raises as request_repair does.
    """
    with repair.alone(tenant_id, channel_id) as is_mine:
        with db.tenant_session(tenant_id) as session:
            request_repair(session, None, since, channel_id, pause=timedelta(0))
        return repair.read_list(tenant_id, channel_id) if is_mine else None


def request_everywhere(since: datetime | None) -> int:
    """Request the lists of all channels of the installation, without audit entries."""
    count = 0
    for tenant_id in sorted({tenant_id for tenant_id, _ in active_channels()}):
        with db.tenant_session(tenant_id) as session:
            count += _request(session, since, None, ASK_PAUSE).channels
    log.info("repair_requested", channels=count, since=clock.isoformat(since))
    return count


def request_for_tenant(session: Session) -> None:
    """Request all lists of a tenant that was closed: its webhooks were refused until now."""
    _request(session, None, None, ASK_PAUSE)


def look_back() -> int:
    """Once a day, request the last days again, in case the provider's list was late."""
    return request_everywhere(clock.now() - LOOK_BACK)


def active_channels() -> list[tuple[UUID, UUID]]:
    """Return [(tenant, channel)] of the whole installation."""
    with db.system_session() as session:
        return repository.active_channels(session)


def wait_in_line(tenant_id: UUID, channel_id: UUID) -> None:
    """Move a due channel behind the other due channels of its tenant."""
    with db.tenant_session(tenant_id) as session:
        repository.wait_in_line(session, channel_id, SPACING)


def _request(
    session: Session, since: datetime | None, channel_id: UUID | None, pause: timedelta
) -> Asked:
    wanted = ReadRequest(since, channel_id, kept(), pause, SPACING)
    found = repository.request_reading(session, wanted)
    return Asked(len(found), min(found, default=None))
