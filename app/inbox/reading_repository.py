"""Queries about the reading of providers' lists; each channel's row holds its own progress."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Float, Update, and_, case, func, or_, select, text, update
from sqlalchemy.orm import Session, aliased

from app.models import Channel, ChannelStatus

ACTIVE_CHANNELS = text("""
    select tenant_id, id from recado.channels where status = 'active' order by tenant_id, id
""")


def active_channels(system: Session) -> list[tuple[UUID, UUID]]:
    """Return [(tenant, channel)] of the installation. Needs a system session."""
    return [(row.tenant_id, row.id) for row in system.execute(ACTIVE_CHANNELS)]


@dataclass(frozen=True)
class ReadingRules:
    """How lists are read.

    `overlap`: a reading begins so long before the end of the last one. `kept`: nothing older is
    stored. `still_coming`: newer messages are left to their webhooks. `lease`: of one page.
    """

    overlap: timedelta
    kept: timedelta
    still_coming: timedelta
    lease: timedelta


@dataclass(frozen=True)
class ReadRequest:
    """Which lists to compare with the inbox: from `since` on, or None for new messages only.

    Channels of a tenant are spread out, at `spacing` on average, and none is read within `pause`
    after its list was last requested. `kept`: nothing older is of use.
    """

    since: datetime | None
    channel_id: UUID | None
    kept: timedelta
    pause: timedelta
    spacing: timedelta


def _update_active(*conditions: Any) -> Update:
    """Update active channels without touching their `updated_at`."""
    return (
        update(Channel)
        .where(Channel.status == ChannelStatus.ACTIVE, *conditions)
        .values(updated_at=Channel.updated_at)
        .execution_options(synchronize_session=False)
    )


def _oldest_useful(kept: timedelta) -> Any:
    """Return the earliest useful time: before it the channel did not exist, or applied items may
    have been removed."""
    return func.greatest(Channel.created_at, func.now() - kept)


def _since(rules: ReadingRules) -> Any:
    """Return the time from which the list is to be compared."""
    compared = func.least(Channel.heard_until, func.now())
    return func.greatest(compared - rules.overlap, _oldest_useful(rules.kept))


def request_reading(session: Session, asked: ReadRequest) -> Sequence[datetime]:
    """Request the lists of active channels; return from when on, for each of them.

    A reading in progress goes as far back as requested, and another one follows.
    """
    one = () if asked.channel_id is None else (Channel.id == asked.channel_id,)
    # In one order, so that two simultaneous requests do not deadlock.
    chosen = select(Channel.id).where(Channel.status == ChannelStatus.ACTIVE, *one)
    chosen = chosen.order_by(Channel.id)
    count = len(session.scalars(chosen.with_for_update(key_share=True)).all())
    since: Any = Channel.heard_until
    if asked.since is not None:
        since = func.least(since, asked.since)
    spread = func.random(type_=Float()) * (asked.spacing * max(count - 1, 0))
    soon = func.greatest(func.now(), Channel.repair_tried_at + asked.pause)
    is_held = and_(Channel.repair_holder.is_not(None), Channel.repair_at > func.now())
    statement = _update_active(*one).values(
        heard_until=func.greatest(since, _oldest_useful(asked.kept)),
        repair_again=or_(Channel.repair_again, Channel.reading_until.is_not(None)),
        repair_at=case(
            (is_held, Channel.repair_at),
            else_=func.least(Channel.repair_at, soon + spread),
        ),
    )
    return session.scalars(statement.returning(Channel.heard_until)).all()


def claim(session: Session, channel_id: UUID, holder: UUID, rules: ReadingRules) -> Any:
    """Take a channel whose list is due, and begin a reading if none is in progress.

    Returns None when it is not due, or another worker has it.
    """
    is_new = and_(Channel.reading_below.is_(None), Channel.reading_page.is_(None))
    statement = (
        _update_active(Channel.id == channel_id, Channel.repair_at <= func.now())
        .values(
            repair_holder=holder,
            repair_at=func.now() + rules.lease,
            repair_tried_at=func.now(),
            repair_again=case((is_new, False), else_=Channel.repair_again),
            heard_until=func.greatest(Channel.heard_until, _oldest_useful(rules.kept)),
            reading_since=case((is_new, _since(rules)), else_=Channel.reading_since),
            reading_until=case(
                (is_new, func.now() - rules.still_coming), else_=Channel.reading_until
            ),
        )
        .returning(
            Channel.provider,
            Channel.phone_number,
            func.greatest(Channel.reading_since, _oldest_useful(rules.kept)).label("since"),
            Channel.reading_until,
            Channel.reading_below,
            Channel.reading_page,
            Channel.reading_has_gap,
            Channel.repair_tries,
            func.now().label("now"),
        )
    )
    return session.execute(statement).one_or_none()


def lock(session: Session, channel_id: UUID, holder: UUID, rules: ReadingRules) -> Any:
    """Lock the row of an active channel that `holder` has; return now, since, repair_again, or
    None."""
    query = select(func.now().label("now"), _since(rules).label("since"), Channel.repair_again)
    found = query.where(
        Channel.id == channel_id,
        Channel.status == ChannelStatus.ACTIVE,
        Channel.repair_holder == holder,
    )
    return session.execute(found.with_for_update(key_share=True)).one_or_none()


def renew(session: Session, channel_id: UUID, lease: timedelta) -> None:
    """Renew the lease of a row that `lock` locked."""
    statement = _update_active(Channel.id == channel_id)
    session.execute(statement.values(repair_at=func.now() + lease))


def give_back(session: Session, channel_id: UUID, pause: timedelta, **state: Any) -> None:
    """Release a row that `lock` locked; its reading continues after `pause`."""
    statement = _update_active(Channel.id == channel_id)
    session.execute(statement.values(repair_holder=None, repair_at=func.now() + pause, **state))


def end(
    session: Session, channel_id: UUID, pause: timedelta, tries: int, heard_until: datetime | None
) -> None:
    """Release a row that `lock` locked; the next reading begins after `pause`.

    The list was compared up to `heard_until`, or with gaps if that is None.
    """
    state: dict[str, Any] = {
        "repair_tries": tries,
        "repair_again": False,
        "reading_since": None,
        "reading_until": None,
        "reading_below": None,
        "reading_page": None,
        "reading_has_gap": False,
    }
    if heard_until is not None:
        known = func.least(Channel.heard_until, func.now())
        state["heard_until"] = func.greatest(known, heard_until)
    give_back(session, channel_id, pause, **state)


def wait_in_line(session: Session, channel_id: UUID, spacing: timedelta) -> None:
    """Move a due channel behind the other due channels of its tenant."""
    other = aliased(Channel)
    due = select(func.count()).where(
        other.status == ChannelStatus.ACTIVE, other.repair_at <= func.now()
    )
    statement = _update_active(Channel.id == channel_id, Channel.repair_at <= func.now())
    session.execute(statement.values(repair_at=func.now() + due.scalar_subquery() * spacing))


def is_due(session: Session, channel_id: UUID) -> bool:
    query = select(Channel.id).where(
        Channel.id == channel_id,
        Channel.status == ChannelStatus.ACTIVE,
        Channel.repair_at <= func.now(),
    )
    return session.scalar(query) is not None
