from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.common.ids import new_id
from app.common.phone import Address
from app.models import Contact, ContactAlias, Conversation, Message, Status


def lock_address(session: Session, tenant_id: UUID, address: Address) -> None:
    """Let one transaction at a time make the contact of this address."""
    name = f"contact|{tenant_id}|{address.kind}|{address.value}"
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def contact_ids(session: Session, addresses: Sequence[Address]) -> dict[Address, UUID]:
    """Address → contact, for those that are known."""
    wanted = {(str(address.kind), address.value): address for address in addresses}
    rows = session.execute(
        select(ContactAlias.kind, ContactAlias.value, ContactAlias.contact_id).where(
            tuple_(ContactAlias.kind, ContactAlias.value).in_(list(wanted))
        )
    )
    return {wanted[(row.kind, row.value)]: row.contact_id for row in rows}


def get(session: Session, tenant_id: UUID, contact_id: UUID) -> Contact | None:
    return session.get(Contact, (tenant_id, contact_id))


def add_alias(session: Session, contact_id: UUID, address: Address) -> None:
    """Does nothing when another transaction has just given the address to somebody."""
    session.flush()
    session.execute(
        insert(ContactAlias)
        .values(id=new_id(), contact_id=contact_id, kind=str(address.kind), value=address.value)
        .on_conflict_do_nothing(index_elements=["tenant_id", "kind", "value"])
    )


def aliases_of(session: Session, ids: Sequence[UUID]) -> Sequence[ContactAlias]:
    query = select(ContactAlias).where(ContactAlias.contact_id.in_(ids)).order_by(ContactAlias.id)
    return session.scalars(query).all()


def move_aliases(session: Session, from_id: UUID, to_id: UUID) -> None:
    session.execute(
        update(ContactAlias)
        .where(ContactAlias.contact_id == from_id)
        .values(contact_id=to_id)
        .execution_options(synchronize_session=False)
    )


def conversations_of(session: Session, contact_id: UUID) -> Sequence[Conversation]:
    return session.scalars(
        select(Conversation).where(Conversation.contact_id == contact_id).with_for_update()
    ).all()


def both_in_flight(session: Session, one_id: UUID, other_id: UUID) -> bool:
    """Whether each of them has a message in flight (or in doubt) on one and the same channel."""
    channels = (
        select(Message.channel_id)
        .where(Message.contact_id.in_([one_id, other_id]))
        .where(Message.status.in_([Status.SENDING, Status.UNCERTAIN]))
        .group_by(Message.channel_id)
        .having(func.count() > 1)
    )
    return session.scalar(select(channels.exists())) or False


def move_messages(session: Session, from_id: UUID, target: Conversation) -> None:
    """Every message of conversation `from_id` becomes one of `target`'s."""
    session.execute(
        update(Message)
        .where(Message.conversation_id == from_id)
        .values(conversation_id=target.id, contact_id=target.contact_id)
        .execution_options(synchronize_session=False)
    )


def repoint_messages(session: Session, conversation_id: UUID, contact_id: UUID) -> None:
    session.execute(
        update(Message)
        .where(Message.conversation_id == conversation_id)
        .values(contact_id=contact_id)
        .execution_options(synchronize_session=False)
    )


def remove(session: Session, contact_id: UUID) -> None:
    session.execute(delete(Contact).where(Contact.id == contact_id))


def remove_conversation(session: Session, conversation_id: UUID) -> None:
    session.execute(delete(Conversation).where(Conversation.id == conversation_id))
