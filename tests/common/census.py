"""Counting rows, for tests that check that nothing was written."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app import db
from app.models.base import Base


def row_counts(*tenant_ids: UUID) -> dict[tuple[UUID, str], int]:
    """Return (tenant, table) → rows, over every table that holds rows of these tenants."""
    counts: dict[tuple[UUID, str], int] = {}
    for tenant_id in tenant_ids:
        with db.tenant_session(tenant_id) as session:
            for table in Base.metadata.sorted_tables:
                found: Any = session.scalar(select(func.count()).select_from(table))
                counts[tenant_id, table.name] = found
    return counts
