"""Queries about tenants, their users and their audit log."""

from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.common.pagination import Page, PageRequest, fetch_page
from app.models import AuditEntry, Role, Tenant, User, UserStatus

LIST_TENANTS = text("select * from recado.list_tenants(:asking, :after_id, :at_most)")


def list_tenant_ids(
    session: Session, asking: UUID, after_id: UUID | None, at_most: int
) -> list[UUID]:
    """List the tenants of the installation, newest first; none unless `asking` is a platform
    administrator."""
    given = {"asking": asking, "after_id": after_id, "at_most": at_most}
    return list(session.scalars(LIST_TENANTS, given))


def find_tenant(session: Session, *, lock: bool = False) -> Tenant | None:
    """Return the tenant that the transaction is pinned to, if it exists."""
    query = select(Tenant)
    return session.scalars(query.with_for_update(key_share=True) if lock else query).one_or_none()


def users_page(session: Session, request: PageRequest) -> Page[User]:
    return fetch_page(session, select(User), [User.id], request)


def find_user(session: Session, user_id: UUID, *, lock: bool = False) -> User | None:
    query = select(User).where(User.id == user_id)
    return session.scalars(query.with_for_update(key_share=True) if lock else query).one_or_none()


def first_active(session: Session, role: Role) -> User | None:
    """Return the active user who has held this role longest."""
    query = select(User).where(User.role == role, User.status == UserStatus.ACTIVE)
    return session.scalars(query.order_by(User.id).limit(1)).one_or_none()


def count_active_others(session: Session, role: Role, user_id: UUID) -> int:
    """Return how many active users besides `user_id` have this role."""
    query = select(func.count()).where(
        User.role == role, User.status == UserStatus.ACTIVE, User.id != user_id
    )
    return session.scalar(query) or 0


def audit_page(session: Session, request: PageRequest) -> Page[AuditEntry]:
    return fetch_page(session, select(AuditEntry), [AuditEntry.id], request)
