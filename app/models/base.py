"""What every table shares: the schema, the naming of constraints, the tenant in each key."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKeyConstraint, MetaData, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.common.ids import new_id

SCHEMA = "recado"

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Json = dict[str, Any]


def pinned_tenant(context: DefaultExecutionContext) -> UUID:
    """Return the tenant of the running transaction, the default of every new row."""
    tenant_id: UUID = context.root_connection.info["tenant_id"]
    return tenant_id


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA, naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        str: Text(),
        UUID: Uuid(),
        Json: JSONB(),
        list[Json]: JSONB(),
        list[str]: JSONB(),
    }


class TenantScoped(Base):
    """A row of one tenant; its key starts with the tenant."""

    __abstract__ = True

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True, default=pinned_tenant, sort_order=-9)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, sort_order=-8)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=8)


def belongs_to_tenant() -> ForeignKeyConstraint:
    """Return the foreign key to the tenant, which every table of a tenant has."""
    return ForeignKeyConstraint(["tenant_id"], [f"{SCHEMA}.tenants.tenant_id"], ondelete="CASCADE")


def refers_to(table: str, column: str, ondelete: str | None = None) -> ForeignKeyConstraint:
    """Return a foreign key to a row of the same tenant; Postgres refuses a row of another tenant.

    By default the other row cannot be deleted while this one refers to it, so that nothing is
    deleted along with something else; a whole tenant can still be deleted by one statement.
    `ondelete="CASCADE"` is for a row that is a part of the other one. `ondelete="SET NULL"` empties
    only `column`: the tenant stays.
    """
    if ondelete == "SET NULL":
        ondelete = f"SET NULL ({column})"
    return ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{SCHEMA}.{table}.tenant_id", f"{SCHEMA}.{table}.id"],
        ondelete=ondelete,
    )


def one_of(column: str, values: Iterable[StrEnum]) -> CheckConstraint:
    """`text` with a CHECK instead of a native enum, whose operators are not leakproof under RLS."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
