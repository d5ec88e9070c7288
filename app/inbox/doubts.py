"""Asking for lists of providers to be read: by a person, after a silence of ours, once a day."""

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
from app.inbox.reading_repository import Doubt
from app.inbox.repair import Repaired

log = structlog.get_logger(__name__)

LOOK_BACK = timedelta(days=3)
ASK_PAUSE = timedelta(seconds=30)
"""No list is asked for sooner after the last time, however often a reading is requested."""

SPACING = timedelta(seconds=0.4)
"""Between the channels of one tenant, on average, so that those of others come in between."""


@dataclass(frozen=True)
class Asked:
    """The lists of so many `channels` are read; the earliest from `since` on, None without any."""

    channels: int
    since: datetime | None


def request_repair(
    session: Session,
    actor: Principal | None,
    since: datetime | None = None,
    channel_id: UUID | None = None,
    pause: timedelta = ASK_PAUSE,
) -> Asked:
    """Have the lists of one active channel, or all of the tenant, read.

    The beat begins with it within a second, or `pause` after the list was last asked for. `since`:
    what we heard from then on is in doubt; None asks only for what is new. Nothing is read from
    before the channel was added or INBOX_RETENTION_DAYS. Raises InvalidInput for a moment that has
    not come yet, ChannelNotFound, ChannelDisabled.
    """
    if since is not None and since > clock.now():
        reason = "This moment has not come yet. Give the one at which messages began to be missing."
        raise InvalidInput({"since": [reason]})
    if channel_id is not None:
        channels.usable(session, channel_id)
    asked = _doubt(session, since, channel_id, pause)
    changes = {"since": clock.isoformat(asked.since), "channels": asked.channels}
    audit.record(session, actor, "inbox.repair_requested", ("channel", channel_id), changes)
    return asked


def repair_now(tenant_id: UUID, channel_id: UUID, since: datetime | None) -> Repaired | None:
    """Request the list of one channel and read it here, for an operator who waits for it.

    None when somebody else reads it, or when the provider could not be asked: then it goes on
    later. Raises as request_repair does.
    """
    with repair.alone(tenant_id, channel_id) as is_mine:
        with db.tenant_session(tenant_id) as session:
            request_repair(session, None, since, channel_id, pause=timedelta(0))
        return repair.read_list(tenant_id, channel_id) if is_mine else None


def doubt_everywhere(since: datetime | None) -> int:
    """The same for all channels of the installation, without a trace in the tenants' audit."""
    count = 0
    for tenant_id in sorted({tenant_id for tenant_id, _ in active_channels()}):
        with db.tenant_session(tenant_id) as session:
            count += _doubt(session, since, None, ASK_PAUSE).channels
    log.info("repair_requested", channels=count, since=clock.isoformat(since))
    return count


def doubt_tenant(session: Session) -> None:
    """Have all lists of the tenant read: until now its webhooks were refused, for it was closed."""
    _doubt(session, None, None, ASK_PAUSE)


def look_back() -> int:
    """Once a day: read the last days again, should the provider's list have been late."""
    return doubt_everywhere(clock.now() - LOOK_BACK)


def active_channels() -> list[tuple[UUID, UUID]]:
    """[(tenant, channel)] of the whole installation."""
    with db.system_session() as session:
        return repository.active_channels(session)


def wait_in_line(tenant_id: UUID, channel_id: UUID) -> None:
    """Put a due channel behind the others of its tenant that are due."""
    with db.tenant_session(tenant_id) as session:
        repository.wait_in_line(session, channel_id, SPACING)


def _doubt(
    session: Session, since: datetime | None, channel_id: UUID | None, pause: timedelta
) -> Asked:
    doubt = Doubt(since, channel_id, kept(), pause, SPACING)
    found = repository.doubt(session, doubt)
    return Asked(len(found), min(found, default=None))
