"""The profile of a caller: a signed-in person or an API key."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.auth import repository
from app.auth.errors import TokenRevoked
from app.common.principal import CallerType, Principal
from app.models import KeyMode, Role, Tenant


@dataclass(frozen=True)
class Profile:
    """`username` and `role` are None for an API key, `mode` is None for a person."""

    type: CallerType
    id: UUID
    username: str | None
    name: str
    role: Role | None
    mode: KeyMode | None
    permissions: list[str]
    has_second_factor: bool
    tenant: Tenant


def read_profile(session: Session, principal: Principal) -> Profile:
    username, role, mode, has_second_factor = None, None, None, False
    if principal.is_user:
        user = repository.find_user(session, principal.id)
        if user is None:
            raise TokenRevoked
        username, name, role = user.username, user.name, Role(user.role)
        has_second_factor = user.has_second_factor
    else:
        name = principal.name
        mode = KeyMode.TEST if principal.is_test else KeyMode.LIVE
    return Profile(
        type=principal.caller.type,
        id=principal.id,
        username=username,
        name=name,
        role=role,
        mode=mode,
        permissions=sorted(map(str, principal.permissions)),
        has_second_factor=has_second_factor,
        tenant=repository.tenant(session),
    )
