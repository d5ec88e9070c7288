from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from app.common.phone import AddressKind
from app.models.base import Json, TenantScoped, belongs_to_tenant, one_of, refers_to


class Contact(TenantScoped):
    """A person, known by one or more addresses; a phone number may be missing."""

    __tablename__ = "contacts"
    __table_args__ = (belongs_to_tenant(),)

    name: Mapped[str] = mapped_column(default="")
    profile_name: Mapped[str] = mapped_column(default="")
    attributes: Mapped[Json] = mapped_column(default=dict)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class ContactAlias(TenantScoped):
    """One address of a contact: a phone number in E.164 or a WhatsApp user id."""

    __tablename__ = "contact_aliases"
    __table_args__ = (
        belongs_to_tenant(),
        refers_to("contacts", "contact_id"),
        one_of("kind", AddressKind),
        # Finding the contact of an address.
        UniqueConstraint("tenant_id", "kind", "value"),
        # All addresses of one contact.
        Index("ix_contact_aliases_contact_id", "tenant_id", "contact_id"),
    )

    contact_id: Mapped[UUID]
    kind: Mapped[str]
    value: Mapped[str]
