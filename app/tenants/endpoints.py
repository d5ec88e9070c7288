"""`/tenants`: the businesses of the installation, and one's own."""

from typing import Any
from uuid import UUID

from app.auth.errors import HasApiKeys, TooManyGuesses
from app.common import idempotency
from app.common.caps import LimitReached
from app.common.idempotency import idempotent
from app.common.pagination import Page, PageRequest
from app.common.permissions import Permission
from app.common.principal import commit_request, principal, requires, session
from app.common.schema import PageArgs
from app.errors import fails_with
from app.extensions import Blueprint
from app.models import AuditEntry, Tenant, User
from app.tenants import schemas, service, users
from app.tenants.errors import LastOwner, PlatformTenant, RoleAboveOwn, UsernameTaken

tenants = Blueprint("tenants", __name__)
own_tenant = Blueprint("own_tenant", __name__)


@tenants.get("")
@requires(Permission.PLATFORM)
@tenants.arguments(PageArgs, location="query")
@tenants.response(200, schemas.TenantPage)
def list_tenants(page: dict[str, Any]) -> Page[Tenant]:
    """List tenants

    All of this installation, newest first.
    """
    commit_request()
    return service.list_tenants(principal().id, PageRequest(**page))


@tenants.post("")
@requires(Permission.PLATFORM)
@fails_with(UsernameTaken)
@idempotent
@tenants.arguments(schemas.NewTenantSchema)
@tenants.response(201, schemas.TenantSchema)
def create_tenant(body: dict[str, Any]) -> Tenant:
    """Create a tenant

    With its first owner, if you name one.
    """
    owner = body.pop("owner")
    first = users.new_user(**owner, field="owner.password") if owner else None
    new = service.NewTenant(**body, owner=first)
    return service.create_tenant(new, principal(), tenant_id=idempotency.commit_claim())


@tenants.get("/<uuid:tenant_id>")
@requires(Permission.PLATFORM)
@tenants.response(200, schemas.TenantSchema)
def read_tenant(tenant_id: UUID) -> Tenant:
    """Show a tenant"""
    commit_request()
    return service.read_tenant(tenant_id)


@tenants.put("/<uuid:tenant_id>")
@requires(Permission.PLATFORM)
@fails_with(PlatformTenant)
@tenants.arguments(schemas.TenantChangesSchema)
@tenants.response(200, schemas.TenantSchema)
def update_tenant(body: dict[str, Any], tenant_id: UUID) -> Tenant:
    """Change a tenant

    Fields left out stay. `status: active` reopens a tenant that was closed.
    """
    commit_request()
    return service.update_tenant(principal(), tenant_id, body)


@tenants.delete("/<uuid:tenant_id>")
@requires(Permission.PLATFORM)
@fails_with(PlatformTenant)
@tenants.response(204)
def close_tenant(tenant_id: UUID) -> None:
    """Close a tenant

    Its sign-ins and keys are refused at once; its data stays.
    """
    commit_request()
    service.close_tenant(principal(), tenant_id)


@own_tenant.get("")
@requires(Permission.TENANT_READ)
@own_tenant.response(200, schemas.TenantSchema)
def read_own_tenant() -> Tenant:
    """Show your business"""
    return service.own_tenant(session())


@own_tenant.put("")
@requires(Permission.TENANT_WRITE)
@own_tenant.arguments(schemas.OwnTenantChangesSchema)
@own_tenant.response(200, schemas.TenantSchema)
def update_own_tenant(body: dict[str, Any]) -> Tenant:
    """Change your business

    Fields left out stay. The daily quota and the limits of all bots are set by the platform's
    administrators.
    """
    return service.update_own_tenant(session(), principal(), body)


@own_tenant.get("/users")
@requires(Permission.USERS_READ)
@own_tenant.arguments(PageArgs, location="query")
@own_tenant.response(200, schemas.UserPage)
def list_users(page: dict[str, Any]) -> Page[User]:
    """List members

    Newest first.
    """
    return users.list_users(session(), PageRequest(**page))


@own_tenant.post("/users")
@requires(Permission.USERS_WRITE)
@fails_with(UsernameTaken, RoleAboveOwn, LimitReached, TooManyGuesses)
@idempotent
@own_tenant.arguments(schemas.NewUserSchema)
@own_tenant.response(201, schemas.UserSchema)
def create_user(body: dict[str, Any]) -> User:
    """Add a member

    Nobody can give a role above their own. Usernames are shared by the whole installation. After
    five taken ones within a day, each further one doubles a pause, in which the answer is 429.
    """
    new = users.new_user(**body)
    try:
        return users.add_member(session(), principal(), new)
    except UsernameTaken:
        commit_request()
        users.note_taken(principal(), new.username)
        raise


@own_tenant.get("/users/<uuid:user_id>")
@requires(Permission.USERS_READ)
@own_tenant.response(200, schemas.UserSchema)
def read_user(user_id: UUID) -> User:
    """Show a member"""
    return users.get_user(session(), user_id)


@own_tenant.put("/users/<uuid:user_id>")
@requires(Permission.USERS_WRITE)
@fails_with(LastOwner, RoleAboveOwn)
@own_tenant.arguments(schemas.UserChangesSchema)
@own_tenant.response(200, schemas.UserSchema)
def update_user(body: dict[str, Any], user_id: UUID) -> User:
    """Change a member

    Fields left out stay. A new role takes effect at once; a new password, or disabling, ends their
    sign-ins at once. The last owner keeps the role.
    """
    return users.update_user(session(), principal(), user_id, body)


@own_tenant.delete("/users/<uuid:user_id>")
@requires(Permission.USERS_WRITE)
@fails_with(LastOwner, RoleAboveOwn, HasApiKeys)
@own_tenant.arguments(schemas.RemovalArgs, location="query")
@own_tenant.response(204)
def remove_user(args: dict[str, Any], user_id: UUID) -> None:
    """Remove a member

    The last owner cannot be removed. API keys outlive the member who created them. If there are
    any, the first call is answered 409 with the list of them, and you decide with
    `revoke_api_keys`.
    """
    users.remove_user(session(), principal(), user_id, **args)


@own_tenant.get("/audit")
@requires(Permission.AUDIT_READ)
@own_tenant.arguments(PageArgs, location="query")
@own_tenant.response(200, schemas.AuditPage)
def list_audit(page: dict[str, Any]) -> Page[AuditEntry]:
    """List the audit log

    Who changed what, newest first.
    """
    return service.list_audit(session(), PageRequest(**page))
