"""Queries about turns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Interval,
    Row,
    Select,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.bots.definition import Definition, Json
from app.bots.loop import CallState
from app.common.ids import new_id
from app.common.pagination import Page, PageRequest, fetch_page
from app.common.retention import delete_some
from app.models import (
    Bot,
    BotVersion,
    Channel,
    ChannelStatus,
    Contact,
    Conversation,
    Direction,
    Message,
    Owner,
    Status,
    Tenant,
    Turn,
    TurnOutcome,
    TurnState,
)

MOST_MESSAGES = 50
"""The most that a bot may read of a conversation."""

_NEW = insert(Turn)
_WAIT = bindparam("wait", type_=Interval())
_LATEST = Turn.armed_at + bindparam("longest_wait", type_=Interval())
_ARM = (
    _NEW.values(due_at=func.now() + _WAIT)
    .on_conflict_do_update(
        index_elements=["tenant_id", "conversation_id"],
        index_where=Turn.state == TurnState.ARMED,
        set_={
            "bot_id": _NEW.excluded.bot_id,
            # Somebody may write thousands within seconds; the bot reads no more than MOST_MESSAGES.
            "message_ids": case(
                (
                    func.jsonb_array_length(Turn.message_ids) < MOST_MESSAGES,
                    Turn.message_ids.concat(_NEW.excluded.message_ids),
                ),
                else_=Turn.message_ids,
            ),
            "due_at": case(
                (bindparam("at_once", type_=Boolean()), func.now()),
                else_=func.least(func.greatest(Turn.due_at, _NEW.excluded.due_at), _LATEST),
            ),
        },
    )
    .returning(type_coerce(Turn.due_at - func.now(), Interval()))
)


def arm(
    session: Session,
    conversation_id: UUID,
    message_id: UUID,
    bot_id: UUID,
    wait: timedelta,
    longest_wait: timedelta,
) -> timedelta:
    """Arm the conversation's turn, or move its time, for it to answer this message; return how long
    it waits from now on.

    A wait of zero makes it due at once; otherwise each call moves it, at most `longest_wait` from
    when it was armed.
    """
    given = {
        "id": new_id(),
        "conversation_id": conversation_id,
        "bot_id": bot_id,
        "message_ids": [str(message_id)],
        "state": TurnState.ARMED,
        "wait": wait,
        "longest_wait": longest_wait,
        "at_once": not wait,
    }
    left: timedelta = session.execute(_ARM, given).scalar_one()
    return left


def lock_open(session: Session, conversation_id: UUID) -> dict[str, Turn]:
    """Lock the turns of the conversation that wait or run; return them by their state."""
    query = (
        select(Turn)
        .where(
            Turn.conversation_id == conversation_id,
            Turn.state.in_([TurnState.ARMED, TurnState.RUNNING]),
        )
        .order_by(Turn.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {turn.state: turn for turn in session.scalars(query)}


def database_now(session: Session) -> datetime:
    """Return the start of the transaction by the database's clock, which rules leases."""
    return session.scalars(select(func.now())).one()


def count_running(session: Session) -> int:
    """Return how many turns of this tenant workers have now."""
    query = select(func.count()).where(
        Turn.state == TurnState.RUNNING, Turn.lease_until > func.now()
    )
    return session.scalar(query) or 0


def next_due(session: Session) -> UUID | None:
    """Return the conversation whose turn has been due for longest."""
    query = (
        select(Turn.conversation_id)
        .where(Turn.state == TurnState.ARMED, Turn.due_at <= func.now())
        .order_by(Turn.due_at)
        .limit(1)
    )
    return session.scalar(query)


UNSAID = (Status.FAILED, Status.CANCELED)


Messages = Sequence[Row[UUID, str, str, str, datetime]]


def last_messages(
    session: Session,
    conversation_id: UUID,
    since: datetime | None,
    unanswered: Sequence[str],
    most: int,
) -> Messages:
    """Return (id, direction, type, body, at) of the newest messages since this time, oldest first.

    The `unanswered` come last, and whatever their time: a webhook may be late. Messages that were
    never said are left out: failed, canceled, or scheduled for later.
    """
    is_unanswered = Message.id.in_([UUID(each) for each in unanswered])
    query = spoken(conversation_id).limit(most)
    if since is not None:
        query = query.where(or_(Message.at > since, is_unanswered))
    found = session.execute(query).all()[::-1]
    waiting = set(unanswered)
    return sorted(found, key=lambda row: str(row.id) in waiting)


def spoken(conversation_id: UUID) -> Select[UUID, str, str, str, datetime]:
    """Return the query for (id, direction, type, body, at) of what was said, newest first."""
    return (
        select(Message.id, Message.direction, Message.type, Message.body, Message.at)
        .where(
            Message.conversation_id == conversation_id,
            Message.at <= func.clock_timestamp(),
            Message.status.not_in(UNSAID),
            or_(Message.direction == Direction.INCOMING, Message.is_test.is_(False)),
        )
        .order_by(Message.at.desc(), Message.id.desc())
    )


def typing_for(session: Session, channel_id: UUID, message_ids: Sequence[str]) -> str | None:
    """Return the provider's id of the newest of these messages that the customer wrote.

    Returns None for test messages, and while the channel is disabled or paused.
    """
    query = (
        select(Message.provider_message_id)
        .join(Channel, Channel.id == Message.channel_id)
        .where(
            Message.id.in_([UUID(each) for each in message_ids]),
            Message.direction == Direction.INCOMING,
            Message.is_test.is_(False),
            Channel.id == channel_id,
            Channel.status == ChannelStatus.ACTIVE,
            or_(Channel.paused_until.is_(None), Channel.paused_until <= func.now()),
        )
        .order_by(Message.at.desc(), Message.id.desc())
        .limit(1)
    )
    return session.scalar(query)


def note_call(session: Session, turn_id: UUID, tries: int, call: Json) -> bool:
    """Add a call of a tool, or what became of it, to a turn that is still ours; return False if it
    is not."""
    found = session.execute(
        update(Turn)
        .where(and_(Turn.id == turn_id, Turn.state == TurnState.RUNNING, Turn.tries == tries))
        .values(calls=Turn.calls.concat([call]))
        .execution_options(synchronize_session=False)
        .returning(Turn.id)
    )
    return found.first() is not None


def awaiting_yes(
    session: Session,
    conversation_id: UUID,
    within: timedelta,
    before: datetime,
    since: datetime | None,
) -> Json | None:
    """Return the call that the customer was asked about by what the bot said last, if that was
    lately, and between these times."""
    query = (
        select(Turn.calls, Turn.finished_at, func.now().label("now"))
        .where(Turn.conversation_id == conversation_id, Turn.reply_id.is_not(None))
        .order_by(Turn.id.desc())
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    if row is None or not row.now - within < row.finished_at < before:
        return None
    if since is not None and row.finished_at <= since:
        return None
    asked = [call for call in row.calls if call["state"] == CallState.AWAITING_YES]
    return asked[-1] if asked else None


def untold_calls(
    session: Session, conversation_id: UUID, within: timedelta, at: datetime | None = None
) -> list[Json]:
    """Return the calls of tools, oldest first, of turns that ended lately without an answer: what
    they did is not in the history, so a model would do it again. With `at`, as it was then."""
    query = (
        select(Turn.calls)
        .where(
            Turn.conversation_id == conversation_id,
            Turn.outcome.not_in([TurnOutcome.ANSWERED, TurnOutcome.HANDED_OVER]),
            _is_between(_now(at) - within, at),
        )
        .order_by(Turn.finished_at)
    )
    return [call for calls in session.scalars(query) for call in calls]


def _now(at: datetime | None) -> Any:
    return func.now() if at is None else at


def _is_between(since: Any, at: datetime | None) -> ColumnElement[bool]:
    """Return whether a turn ended after `since` and, if it is given, before `at`."""
    ended = Turn.finished_at > since
    return ended if at is None else and_(ended, Turn.finished_at < at)


@dataclass(frozen=True)
class Lately:
    """When something may have been said last for it to count. `at`: as it was then, not now."""

    answered_within: timedelta
    fell_back_within: timedelta
    closed_since: datetime | None
    at: datetime | None = None


@dataclass(frozen=True)
class About:
    """Facts of a conversation that a turn needs. `has_answered`, `fell_back`, `said_closed`: its
    bot answered, sent the fallback text, or the one outside business hours, lately. `name` and
    `attributes` are the contact's."""

    address: str
    name: str
    attributes: Json
    language: str
    timezone: str
    bot_budget: Json
    has_answered: bool
    fell_back: bool
    said_closed: bool


def about(session: Session, conversation_id: UUID, lately: Lately) -> About:
    def ended(outcome: TurnOutcome, since: Any) -> ColumnElement[bool]:
        query = select(Turn.id).where(
            Turn.conversation_id == conversation_id,
            Turn.outcome == outcome,
            _is_between(since, lately.at),
        )
        return query.exists()

    now = _now(lately.at)
    query = (
        select(
            Conversation.address,
            func.coalesce(func.nullif(Contact.name, ""), Contact.profile_name),
            Contact.attributes,
            Tenant.language,
            Tenant.timezone,
            Tenant.bot_budget,
            ended(TurnOutcome.ANSWERED, now - lately.answered_within),
            ended(TurnOutcome.FELL_BACK, now - lately.fell_back_within),
            ended(TurnOutcome.OUT_OF_HOURS, lately.closed_since or now),
        )
        .join(Tenant, Tenant.tenant_id == Conversation.tenant_id)
        .join(Contact, Contact.id == Conversation.contact_id)
        .where(Conversation.id == conversation_id)
    )
    return About(*session.execute(query).one())


def is_still_wanted(
    session: Session, conversation_id: UUID, owner_fence: int, *, is_alone: bool
) -> bool:
    """Return whether the bot still owns the conversation and, with `is_alone`, nothing newer
    waits."""
    newer = (
        select(Turn.id)
        .where(Turn.conversation_id == conversation_id, Turn.state == TurnState.ARMED)
        .exists()
    )
    query = select(Conversation.owner, Conversation.owner_fence, newer.label("newer")).where(
        Conversation.id == conversation_id
    )
    row = session.execute(query).one_or_none()
    if row is None or row.owner != Owner.BOT or row.owner_fence != owner_fence:
        return False
    return not (is_alone and row.newer)


@dataclass(frozen=True)
class BotOnChannel:
    """`wait`: seconds until the bot answers. `keywords_first`: keyword replies come before it."""

    id: UUID
    wait: int
    keywords_first: bool


def bot_on(session: Session, channel_id: UUID) -> BotOnChannel | None:
    """Return the channel's bot, if it is enabled. Versions that were stored without a field get its
    default."""
    field = BotVersion.definition
    wait = func.coalesce(field["debounce_seconds"].as_integer(), Definition.debounce_seconds)
    keywords = field["keyword_replies_first"].as_boolean()
    query = (
        select(Bot.id, wait, func.coalesce(keywords, Definition.keyword_replies_first))
        .join(BotVersion, (BotVersion.bot_id == Bot.id) & (BotVersion.number == Bot.version))
        .where(Bot.channel_id == channel_id, Bot.is_enabled)
    )
    found = session.execute(query).one_or_none()
    return None if found is None else BotOnChannel(*found)


def figures(session: Session, conversation_ids: Sequence[UUID]) -> tuple[int, datetime | None]:
    """Return how many turns these conversations have, and when the newest was armed."""
    query = select(func.count(), func.max(Turn.armed_at)).where(
        Turn.conversation_id.in_(conversation_ids)
    )
    number, last = session.execute(query).one()
    return number, last


def turns_page(session: Session, conversation_id: UUID, page: PageRequest) -> Page[Turn]:
    """Return the turns of a conversation, newest first."""
    query = select(Turn).where(Turn.conversation_id == conversation_id)
    return fetch_page(session, query, [Turn.id], page)


def forget_old(session: Session, kept: timedelta, most: int) -> int:
    """Remove up to `most` turns that ended longer ago; return how many were removed."""
    return delete_some(session, Turn, Turn.finished_at < func.now() - kept, most=most)
