"""Tenants, for those who run the installation and for their own owners.

A transaction sees one tenant, so the work of a platform administrator on a tenant runs in a
transaction of that tenant, opened here.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import db
from app.auth import service as auth
from app.bots import service as bots
from app.common import audit, vault
from app.common.ids import new_id
from app.common.pagination import Page, PageRequest, decode_cursor, encode_cursor
from app.common.principal import Principal
from app.errors import NotFound
from app.inbox import service as inbox
from app.messages import service as messages
from app.models import AuditEntry, Role, Tenant, TenantStatus, User
from app.tenants import repository
from app.tenants.errors import PlatformTenant
from app.tenants.users import NewUser, add_user

PLATFORM_TENANT_ID = UUID("00000000-0000-7000-8000-000000000001")
"""The tenant of the platform administrators. The id is fixed, so that it is known before any
sign-in."""

TENANT_KEY = "pk_tenants"

COUNTED_BY = frozenset({"daily_message_quota", "timezone"})
"""The settings that decide which messages count as today's."""


@dataclass(frozen=True)
class NewTenant:
    name: str
    timezone: str = "UTC"
    language: str = "es"
    daily_message_quota: int | None = None
    owner: NewUser | None = None


def create_tenant(
    new: NewTenant, actor: Principal | None = None, *, tenant_id: UUID | None = None
) -> Tenant:
    """Create a tenant with its data key, its default keyword replies and, if named, its first
    owner.

    If a tenant with this id exists, it is returned unchanged. Raises Conflict when the owner's
    username is taken; then no tenant was created.
    """
    tenant_id = tenant_id or new_id()
    try:
        return _make(new, actor, tenant_id)
    except IntegrityError as error:
        if TENANT_KEY not in str(error.orig):
            raise
        return read_tenant(tenant_id)


def _make(new: NewTenant, actor: Principal | None, tenant_id: UUID) -> Tenant:
    with db.tenant_session(tenant_id) as session:
        tenant = Tenant(
            tenant_id=tenant_id,
            name=new.name,
            timezone=new.timezone,
            language=new.language,
            daily_message_quota=new.daily_message_quota,
            data_key=vault.new_wrapped_data_key(tenant_id),
        )
        session.add(tenant)
        session.flush()
        audit.record(session, actor, "tenant.created", ("tenant", tenant_id), {"name": new.name})
        bots.create_default_replies(session)
        if new.owner is not None:
            add_user(session, actor, new.owner)
    return tenant


def ensure_platform() -> None:
    """Create the tenant of the platform administrators, unless it exists."""
    with db.tenant_session(PLATFORM_TENANT_ID) as session:
        exists = repository.find_tenant(session) is not None
    if not exists:
        create_tenant(NewTenant("platform"), tenant_id=PLATFORM_TENANT_ID)


def create_platform_admin(new: NewUser) -> User:
    """Raises Conflict when the username is taken."""
    ensure_platform()
    with db.tenant_session(PLATFORM_TENANT_ID) as session:
        return add_user(session, None, new)


def first_platform_admin() -> UUID | None:
    """Return the administrator in whose name the operator's shell acts."""
    with db.tenant_session(PLATFORM_TENANT_ID) as session:
        user = repository.first_active(session, Role.PLATFORM_ADMIN)
    return user.id if user else None


def list_tenants(asking: UUID, request: PageRequest) -> Page[Tenant]:
    """Return one page, newest first; empty unless `asking` is an active platform administrator."""
    after_id = None
    if request.cursor:
        after_id = decode_cursor(request.cursor, [Tenant.tenant_id])[0]
    with db.anonymous_session() as session:
        ids = repository.list_tenant_ids(session, asking, after_id, request.limit + 1)
    next_cursor = None
    if len(ids) > request.limit:
        ids = ids[: request.limit]
        next_cursor = encode_cursor((ids[-1],), [Tenant.tenant_id])
    return Page([read_tenant(tenant_id) for tenant_id in ids], next_cursor)


def read_tenant(tenant_id: UUID) -> Tenant:
    """Raises NotFound."""
    with db.tenant_session(tenant_id) as session:
        return own_tenant(session)


def own_tenant(session: Session, *, lock: bool = False) -> Tenant:
    """Return the tenant of this transaction. Raises NotFound."""
    tenant = repository.find_tenant(session, lock=lock)
    if tenant is None:
        raise NotFound
    return tenant


def update_own_tenant(session: Session, actor: Principal, changes: dict[str, Any]) -> Tenant:
    """Change the fields that are given. Raises NotFound."""
    tenant = own_tenant(session, lock=True)
    if "bot_budget" in changes:
        limits = bots.change_limits(tenant.bot_budget, changes["bot_budget"])
        changes = {**changes, "bot_budget": limits}
    noted = {}
    for field, value in changes.items():
        if getattr(tenant, field) != value:
            noted[field] = [getattr(tenant, field), value]
            setattr(tenant, field, value)
    session.flush()
    session.refresh(tenant)
    if "status" in noted and tenant.status == TenantStatus.ACTIVE:
        inbox.request_for_tenant(session)
    if tenant.daily_message_quota is not None and COUNTED_BY & noted.keys():
        messages.recount_today(session, tenant.timezone)
    audit.record(session, actor, "tenant.updated", ("tenant", tenant.id), noted)
    return tenant


def update_tenant(actor: Principal, tenant_id: UUID, changes: dict[str, Any]) -> Tenant:
    """Raises NotFound, Conflict."""
    if changes.get("status") == TenantStatus.CLOSED:
        changes.pop("status")
        close_tenant(actor, tenant_id)
    with db.tenant_session(tenant_id) as session:
        return update_own_tenant(session, actor, changes)


def close_tenant(actor: Principal, tenant_id: UUID) -> None:
    """Refuse its sign-ins, tokens and keys from now on; its rows stay.

    Raises NotFound, Conflict.
    """
    if tenant_id == PLATFORM_TENANT_ID:
        raise PlatformTenant
    with db.tenant_session(tenant_id) as session:
        tenant = own_tenant(session, lock=True)
        tenant.status = TenantStatus.CLOSED
        session.flush()
        auth.end_sign_ins(session, "tenant_closed")
        audit.record(session, actor, "tenant.closed", ("tenant", tenant_id))


def list_audit(session: Session, request: PageRequest) -> Page[AuditEntry]:
    return repository.audit_page(session, request)
