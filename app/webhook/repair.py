"""What the provider heard and we did not: its list is read, and what is missing goes in the inbox.

A webhook is lost when nothing of ours answered in the provider's few seconds of trying. Whether
that happened, the database itself cannot say, so each channel has a moment up to which its list
was compared with the inbox (`heard_until`) and one at which it is compared next (`repair_at`):
every quarter of an hour, at once after a silence of our own, and on demand. Each comparison
begins a little before the last one ended, so no moment stays unlooked at.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app import config, db
from app.channels import service as channels
from app.channels.providers.base import HeardMessage, ProviderUnavailable
from app.channels.providers.registry import provider_of
from app.common import audit, clock
from app.common.principal import Principal
from app.metrics import service as metrics
from app.tasks import names
from app.tasks.ring import ring
from app.webhook import repository

log = structlog.get_logger(__name__)

EVERY = timedelta(minutes=15)
OVERLAP = timedelta(minutes=10)
"""The provider's list may show a message late, and its clock is not ours."""

STILL_COMING = timedelta(seconds=60)
"""A younger message may still reach us by webhook, which tells more of it than the list does."""

LOOK_BACK = timedelta(days=3)
LEASE = timedelta(minutes=5)
FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=1)
CLOCK_MARGIN = timedelta(hours=1)
BATCH = 200


@dataclass(frozen=True)
class Look:
    """One reading of a channel's list: from `since` on, keeping what is older than `until`."""

    tenant_id: UUID
    channel_id: UUID
    provider: str
    phone_number: str
    since: datetime
    until: datetime
    tries: int
    lease_until: datetime


@dataclass(frozen=True)
class Repaired:
    """`listed` messages were in the provider's list, `stored` of them we had never heard."""

    listed: int
    stored: int


def repair_channel(
    tenant_id: UUID, channel_id: UUID, *, still_coming: timedelta = STILL_COMING
) -> Repaired | None:
    """Compare a due channel with its provider's list; no transaction is open while it is read.

    None when it was not due, or when the provider could not be asked: then later again.
    """
    look = _claim(tenant_id, channel_id, still_coming)
    if look is None:
        return None
    try:
        client = channels.client_for(tenant_id, channel_id)
        listed = client.heard_messages(look.phone_number, look.since)
    except (ProviderUnavailable, channels.ChannelGone) as error:
        log.warning("cannot_repair_yet", channel_id=str(channel_id), error=type(error).__name__)
        _try_later(look)
        return None
    old_enough = [each for each in listed if each.created_at <= look.until]
    stored = 0
    for start in range(0, len(old_enough), BATCH):
        stored += _store_missing(look, old_enough[start : start + BATCH])
    if stored:
        log.warning("repaired", channel_id=str(channel_id), listed=len(listed), stored=stored)
    some_are_young = len(old_enough) < len(listed)
    _done(look, still_coming + FIRST_RETRY if some_are_young else EVERY)
    return Repaired(len(listed), stored)


def _claim(tenant_id: UUID, channel_id: UUID, still_coming: timedelta) -> Look | None:
    with db.tenant_session(tenant_id) as session:
        row = repository.claim_repair(session, channel_id, LEASE)
    if row is None:
        return None
    return Look(
        tenant_id=tenant_id,
        channel_id=channel_id,
        provider=row.provider,
        phone_number=row.phone_number,
        since=max(row.heard_until - OVERLAP, row.created_at, _oldest_remembered(row.now)),
        until=row.now - still_coming,
        tries=row.repair_tries,
        lease_until=row.lease_until,
    )


def _oldest_remembered(now: datetime) -> datetime:
    """What was applied before it may be forgotten by now, and must not come a second time."""
    return now - timedelta(days=config.current().inbox_retention_days) + CLOCK_MARGIN


def _store_missing(look: Look, heard: Sequence[HeardMessage]) -> int:
    event_key = provider_of(look.provider).event_key
    by_key = {event_key(each.raw): each for each in heard}
    with db.tenant_session(look.tenant_id) as session:
        known = repository.known_keys(session, look.channel_id, list(by_key))
        stored = sum(
            repository.store_heard(session, look.channel_id, key, each)
            for key, each in by_key.items()
            if key not in known
        )
        if stored:
            ring(session, names.APPLY_INBOX, look.tenant_id)
            metrics.count_inbox(session, "repaired", stored)
    return stored


def _done(look: Look, pause: timedelta) -> None:
    with db.tenant_session(look.tenant_id) as session:
        repository.end_repair(
            session, look.channel_id, look.lease_until, _spread(pause), look.until
        )


def _try_later(look: Look) -> None:
    pause = min(FIRST_RETRY * 2 ** min(look.tries, 10), LONGEST_RETRY)
    with db.tenant_session(look.tenant_id) as session:
        repository.postpone_repair(session, look.channel_id, look.lease_until, _spread(pause))


def _spread(pause: timedelta) -> timedelta:
    """± 10 %, so that all channels of an installation are not read in the same second."""
    return pause * random.uniform(0.9, 1.1)  # noqa: S311 - jitter, no secret


def request_repair(
    session: Session,
    actor: Principal | None,
    since: datetime | None = None,
    channel_id: UUID | None = None,
) -> int:
    """Have the lists of one active channel, or all of the tenant, read; answers how many.

    The beat begins with it within a second. `since`: what we heard from then on is in doubt; None
    asks only for what is new. Raises ChannelNotFound, ChannelDisabled.
    """
    if channel_id is not None:
        channels.usable(session, channel_id)
    count = repository.doubt(session, since, channel_id)
    changes = {"since": clock.isoformat(since), "channels": count}
    audit.record(session, actor, "inbox.repair_requested", ("channel", channel_id), changes)
    return count


def doubt_everywhere(since: datetime | None) -> int:
    """The same for all channels of the installation, without a trace in the tenants' audit."""
    count = 0
    for tenant_id in sorted({tenant_id for tenant_id, _ in active_channels()}):
        with db.tenant_session(tenant_id) as session:
            count += repository.doubt(session, since, None)
    log.info("repair_requested", channels=count, since=clock.isoformat(since))
    return count


def look_back() -> int:
    """Once a day: read the last days again, should the provider's list have been late."""
    return doubt_everywhere(clock.now() - LOOK_BACK)


def active_channels() -> list[tuple[UUID, UUID]]:
    """[(tenant, channel)] of the whole installation."""
    with db.system_session() as session:
        return repository.active_channels(session)
