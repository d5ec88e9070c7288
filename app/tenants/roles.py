"""The rules for giving roles: a role is given, changed or taken by the same role or a higher
one."""

from app.common.principal import Principal
from app.models import Role
from app.tenants.errors import RoleAboveOwn

RANKS = {role: rank for rank, role in enumerate(reversed(Role))}
"""From viewer (0) upwards, in the order of the enumeration."""

INDISPENSABLE = frozenset({Role.OWNER, Role.PLATFORM_ADMIN})
"""Roles whose last active holder in a tenant must stay, because nobody else could manage it."""


def check_reach(actor: Principal | None, role: Role) -> None:
    """Raises RoleAboveOwn when `role` is above the actor's own; None is the operator's shell."""
    if actor is not None and RANKS[role] > RANKS[Role(actor.role)]:
        raise RoleAboveOwn(f"The role {role} is above your own. Ask somebody who holds it.")
