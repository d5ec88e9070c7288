"""The members of a tenant."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import db
from app.auth import service as auth
from app.common import audit, caps
from app.common.pagination import Page, PageRequest
from app.common.principal import Principal
from app.errors import InvalidInput, NotFound
from app.models import Role, User, UserStatus
from app.tenants import repository
from app.tenants.errors import LastOwner, UsernameTaken
from app.tenants.roles import INDISPENSABLE, check_reach

USERNAME_INDEX = "uq_users_username"
MOST_USERS = 500


@dataclass(frozen=True)
class NewUser:
    """A member to be added; `new_user` creates one after checking the password."""

    username: str
    password_hash: str
    name: str = ""
    role: Role = Role.OWNER


def new_user(
    username: str,
    password: str,
    name: str = "",
    role: Role = Role.OWNER,
    *,
    field: str = "password",
) -> NewUser:
    """Raises InvalidInput naming `field` for a password that is not allowed."""
    return NewUser(username, auth.hash_new_password(password, field, username), name, role)


def add_user(session: Session, actor: Principal | None, new: NewUser) -> User:
    """Raises Conflict for a username taken anywhere in the installation, Forbidden for the role,
    LimitReached."""
    check_reach(actor, new.role)
    caps.refuse_more(session, User, MOST_USERS, "members")
    user = User(
        username=new.username,
        name=new.name,
        role=new.role,
        password_hash=new.password_hash,
    )
    try:
        with session.begin_nested():
            session.add(user)
    except IntegrityError as error:
        if USERNAME_INDEX not in str(error.orig):
            raise
        raise UsernameTaken from error
    changes = {"username": user.username, "role": str(user.role)}
    audit.record(session, actor, "user.created", ("user", user.id), changes)
    return user


def add_member(session: Session, actor: Principal, new: NewUser) -> User:
    """Add a member to the actor's own tenant.

    Usernames are shared by all tenants, so "taken" tells that one exists. After some of these
    answers a tenant has to wait. Raises what `add_user` does, and TooManyGuesses.
    """
    with auth.count_taken_usernames(actor.tenant_id, UsernameTaken):
        return add_user(session, actor, new)


def note_taken(actor: Principal, username: str) -> None:
    """Record, in a transaction of its own, that the actor asked for a username that is taken."""
    with db.tenant_session(actor.tenant_id) as session:
        changes = {"username": username}
        audit.record(session, actor, "user.username_taken", ("user", None), changes)


def list_users(session: Session, request: PageRequest) -> Page[User]:
    return repository.users_page(session, request)


def get_user(session: Session, user_id: UUID) -> User:
    """Raises NotFound."""
    user = repository.find_user(session, user_id)
    if user is None:
        raise NotFound
    return user


def get_for_change(session: Session, actor: Principal, user_id: UUID) -> User:
    """Return the user, locked, in a tenant whose members nobody else is changing.

    Raises NotFound, Forbidden.
    """
    repository.find_tenant(session, lock=True)
    user = repository.find_user(session, user_id, lock=True)
    if user is None:
        raise NotFound
    check_reach(actor, Role(user.role))
    return user


def update_user(session: Session, actor: Principal, user_id: UUID, changes: dict[str, Any]) -> User:
    """Change name, role, status or password, or remove the second factor; fields left out stay.

    A new password, or disabling, ends the user's sign-ins. A new role takes effect at once. Raises
    NotFound, Forbidden, Conflict, InvalidInput.
    """
    user = get_for_change(session, actor, user_id)
    password = changes.pop("password", None)
    loses_second_factor = changes.pop("has_second_factor", None) is False
    if "role" in changes:
        check_reach(actor, changes["role"])
    if loses_hold(user, changes):
        keep_the_last(session, user)
    noted: dict[str, Any] = {}
    for field, value in changes.items():
        if getattr(user, field) != value:
            noted[field] = [str(getattr(user, field)), str(value)]
            setattr(user, field, value)
    if password is not None:
        reset_password(actor, user, password)
        noted["password"] = "changed"  # noqa: S105
    if loses_second_factor and user.has_second_factor:
        remove_second_factor(actor, user)
        noted["has_second_factor"] = [True, False]
    session.flush()
    if password is not None or user.status == UserStatus.DISABLED:
        auth.end_sign_ins(session, "changed_by_admin", user_id=user.id)
    audit.record(session, actor, "user.updated", ("user", user.id), noted)
    return user


def reset_password(actor: Principal, user: User, password: str) -> None:
    """Raises InvalidInput for one's own password: a stolen token must not be enough to change
    it."""
    if user.id == actor.id:
        reason = "Change your own password at POST /auth/change-password."
        raise InvalidInput({"password": [reason]})
    user.password_hash = auth.hash_new_password(password, username=user.username)


def remove_second_factor(actor: Principal, user: User) -> None:
    """For a member who lost the phone. Raises InvalidInput for one's own: that needs a code."""
    if user.id == actor.id:
        reason = "Remove your own at POST /auth/second-factor/remove."
        raise InvalidInput({"has_second_factor": [reason]})
    auth.forget_second_factor(user)


def loses_hold(user: User, changes: dict[str, Any]) -> bool:
    """Return whether these changes take an indispensable role from an active user."""
    if user.role not in INDISPENSABLE or user.status != UserStatus.ACTIVE:
        return False
    is_active = changes.get("status", UserStatus.ACTIVE) == UserStatus.ACTIVE
    return changes.get("role", user.role) != user.role or not is_active


def keep_the_last(session: Session, user: User) -> None:
    """Raises LastOwner when nobody else has this user's role."""
    if repository.count_active_others(session, Role(user.role), user.id) == 0:
        raise LastOwner(
            f"This is the last active {user.role.replace('_', ' ')}. Give somebody else that role "
            "first."
        )


def remove_user(
    session: Session, actor: Principal, user_id: UUID, *, revoke_api_keys: bool | None = None
) -> None:
    """Remove a member, and their API keys if asked to. Raises NotFound, Forbidden, Conflict."""
    user = get_for_change(session, actor, user_id)
    if loses_hold(user, {"status": UserStatus.DISABLED}):
        keep_the_last(session, user)
    auth.settle_keys_of(session, actor, user.id, revoke=revoke_api_keys)
    session.delete(user)
    changes = {"username": user.username, "role": str(user.role)}
    audit.record(session, actor, "user.removed", ("user", user.id), changes)


def has_password(username: str, password: str) -> bool:
    """Return whether a member with this username exists and has this password."""
    found = auth.find_username(username)
    if found is None:
        return False
    with db.tenant_session(found[0]) as session:
        user = repository.find_user(session, found[1])
    return user is not None and auth.is_password_of(user, password)


def set_password(username: str, password: str) -> None:
    """Set a member's password as the operator's shell does, and end their sign-ins.

    Raises NotFound, InvalidInput.
    """
    found = auth.find_username(username)
    if found is None:
        raise NotFound
    password_hash = auth.hash_new_password(password, username=username)
    with db.tenant_session(found[0]) as session:
        user = get_user(session, found[1])
        user.password_hash = password_hash
        auth.end_sign_ins(session, "password_changed", user_id=user.id)
        audit.record(session, None, "user.updated", ("user", user.id), {"fields": ["password"]})


def remove_second_factor_of(username: str) -> None:
    """Remove a member's second factor as the operator's shell does. Raises NotFound."""
    found = auth.find_username(username)
    if found is None:
        raise NotFound
    with db.tenant_session(found[0]) as session:
        user = get_user(session, found[1])
        auth.forget_second_factor(user)
        audit.record(session, None, "second_factor.removed", ("user", user.id))
