"""The profile of a signed-in person."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.auth import repository
from app.auth.errors import TokenRevoked
from app.common.principal import Principal
from app.models import Role, Tenant


@dataclass(frozen=True)
class Profile:
    id: UUID
    username: str
    name: str
    role: Role
    permissions: list[str]
    tenant: Tenant


def read_profile(session: Session, principal: Principal) -> Profile:
    user = repository.find_user(session, principal.id)
    if user is None:
        raise TokenRevoked
    return Profile(
        id=user.id,
        username=user.username,
        name=user.name,
        role=Role(user.role),
        permissions=sorted(map(str, principal.permissions)),
        tenant=repository.tenant(session),
    )
