from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.common.ids import new_id
from app.common.pagination import Page, PageRequest, fetch_page
from app.models import ContactAlias, Conversation, ConversationStatus

# A message in either direction also reopens the thread.
_ONE_MORE = {
    "message_count": Conversation.message_count + 1,
    "status": ConversationStatus.ACTIVE,
    "closed_at": None,
}


def get(session: Session, tenant_id: UUID, conversation_id: UUID) -> Conversation | None:
    return session.get(Conversation, (tenant_id, conversation_id))


def get_or_create(
    session: Session, channel_id: UUID, contact_id: UUID, address: str
) -> Conversation:
    """The thread of a contact on a channel; two transactions that meet here get the same one."""
    query = select(Conversation).where(
        Conversation.channel_id == channel_id, Conversation.contact_id == contact_id
    )
    found = session.scalars(query).one_or_none()
    if found is not None:
        return found
    session.flush()
    session.execute(
        insert(Conversation)
        .values(id=new_id(), channel_id=channel_id, contact_id=contact_id, address=address)
        .on_conflict_do_nothing(index_elements=["tenant_id", "channel_id", "contact_id"])
    )
    return session.scalars(query).one()


COUNT_OUTGOING = (
    update(Conversation.__table__)  # type: ignore[arg-type]  # declared as FromClause
    .where(
        Conversation.tenant_id == bindparam("given_tenant_id"),
        Conversation.id == bindparam("given_conversation_id"),
    )
    .values(**_ONE_MORE, last_message_at=func.greatest(Conversation.last_message_at, func.now()))
)


def count_incoming(session: Session, conversation_id: UUID, at: datetime) -> None:
    """One message more, which the customer wrote at `at`.

    One statement, so that simultaneous messages are all counted.
    """
    session.execute(
        update(Conversation)
        .where(Conversation.id == conversation_id)
        .values(
            **_ONE_MORE,
            last_message_at=func.greatest(Conversation.last_message_at, at),
            last_inbound_at=func.greatest(Conversation.last_inbound_at, at),
        )
        # A conversation that this session holds must not go on showing the window of before.
        .execution_options(synchronize_session="evaluate")
    )


def shut_window(session: Session, conversation_id: UUID, at: datetime) -> None:
    """Remember that the provider found the window shut at `at`, the time of the refused send."""
    session.execute(
        update(Conversation)
        .where(Conversation.id == conversation_id)
        .values(window_closed_at=func.greatest(Conversation.window_closed_at, at))
        .execution_options(synchronize_session=False)
    )


def list_page(
    session: Session,
    page: PageRequest,
    *,
    status: str | None,
    owner: str | None,
    channel_id: UUID | None,
    address: tuple[str, str] | None,
) -> Page[Conversation]:
    """Newest message first."""
    query = select(Conversation)
    if status is not None:
        query = query.where(Conversation.status == status)
    if owner is not None:
        query = query.where(Conversation.owner == owner)
    if channel_id is not None:
        query = query.where(Conversation.channel_id == channel_id)
    if address is not None:
        kind, value = address
        query = query.where(
            Conversation.contact_id.in_(
                select(ContactAlias.contact_id).where(
                    ContactAlias.kind == kind, ContactAlias.value == value
                )
            )
        )
    return fetch_page(session, query, (Conversation.last_message_at, Conversation.id), page)
