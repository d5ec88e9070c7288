"""Members and roles: nobody gains a higher role, the last owner stays, and members of other tenants
are not found."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import select

from app import db
from app.auth import pauses
from app.models import Role, Tenant, User
from app.tenants.roles import RANKS
from tests.conftest import SignIn
from tests.factories import PASSWORD, ApiClient, create_tenant, create_user

USERS = "/tenants/me/users"
ROLES = [Role.OWNER, Role.ADMIN, Role.AGENT, Role.VIEWER]


def new(**changes: object) -> dict[str, object]:
    name = f"u{UUID(int=id(changes)).hex[-12:]}"
    return {"username": name, "password": PASSWORD, "role": "agent", **changes}


def test_a_new_member_can_sign_in(signed_in: ApiClient, nobody: ApiClient, tenant: Tenant) -> None:
    name = f"ana.{tenant.id.hex}@example.com"
    answer = signed_in.post(USERS, new(username=name, name="Ana"))
    assert answer.status_code == 201, answer.json
    assert (answer.json["username"], answer.json["role"]) == (name, "agent")
    assert "password" not in str(answer.json)
    listed = signed_in.get(USERS).json["items"]
    assert {each["username"] for each in listed} == {name, signed_in.user.username}
    assert signed_in.get(f"{USERS}/{answer.json['id']}").json == answer.json
    assert nobody.post("/auth/login", {"username": name, "password": PASSWORD}).status_code == 200


def test_a_username_taken_in_another_tenant_is_409(
    signed_in: ApiClient, outsider: ApiClient
) -> None:
    taken = outsider.user.username.upper()
    answer = signed_in.post(USERS, new(username=taken))
    assert (answer.status_code, answer.json["code"]) == (409, "username_taken")
    assert len(signed_in.get(USERS).json["items"]) == 1


def test_a_tenant_that_looks_for_usernames_of_others_has_to_wait(
    signed_in: ApiClient, outsider: ApiClient
) -> None:
    """A free username in between does not clear the count."""
    taken = new(username=outsider.user.username)
    answers = [signed_in.post(USERS, taken).json["code"] for _ in range(pauses.FREE_GUESSES - 1)]
    assert answers == ["username_taken"] * (pauses.FREE_GUESSES - 1)
    free = new(username=f"free-{signed_in.tenant_id.hex}")
    assert signed_in.post(USERS, free).status_code == 201
    assert signed_in.post(USERS, taken).status_code == 409
    refused = signed_in.post(USERS, taken)
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_guesses")
    assert int(refused.headers["Retry-After"]) > 0


def test_a_taken_username_is_in_the_audit_log_and_may_be_tried_again_with_the_same_key(
    signed_in: ApiClient, outsider: ApiClient
) -> None:
    body = new(username=outsider.user.username)
    assert signed_in.post(USERS, body, idempotency_key="one").status_code == 409
    (entry,) = signed_in.get("/tenants/me/audit").json["items"]
    assert (entry["action"], entry["actor_id"]) == ("user.username_taken", str(signed_in.user.id))
    assert entry["changes"] == {"username": outsider.user.username}
    other = new(username=f"other-{signed_in.tenant_id.hex}")
    assert signed_in.post(USERS, other, idempotency_key="one").status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        {"username": "ab"},
        {"username": "x" * 65},
        {"username": "with space"},
        {"username": 7},
        {"username": "tab\there"},
        {"username": "nul\x00"},
        {"username": "no\u00a0break"},
        {"password": "short"},
        {"password": "x" * 201},
        {"password": "password"},
        {"password": 8},
        {"role": "king"},
        {"role": 3},
        {"role": None},
        {"tenant_id": "x"},
        {"name": "x" * 201},
    ],
)
def test_a_field_that_does_not_validate_is_422(signed_in: ApiClient, change: dict) -> None:
    answer = signed_in.post(USERS, new(**change))
    assert (answer.status_code, answer.json["code"]) == (422, "validation_error")
    assert set(answer.json["details"]["fields"]) == set(change)
    assert len(signed_in.get(USERS).json["items"]) == 1


def test_emoji_are_fine_in_a_name(signed_in: ApiClient) -> None:
    assert signed_in.post(USERS, new(name="Ana 🦊")).json["name"] == "Ana 🦊"


@pytest.mark.parametrize("role", [Role.AGENT, Role.VIEWER])
def test_small_roles_manage_nobody(sign_in: SignIn, owner: User, role: Role) -> None:
    client = sign_in(role)
    assert client.get(USERS).status_code == 403
    assert client.post(USERS, new()).status_code == 403
    assert client.put(f"{USERS}/{owner.id}", {"name": "x"}).status_code == 403
    assert client.delete(f"{USERS}/{owner.id}").status_code == 403


@pytest.mark.parametrize("actor", [Role.OWNER, Role.ADMIN])
@pytest.mark.parametrize("role", [Role.PLATFORM_ADMIN, *ROLES])
def test_nobody_gives_a_role_above_their_own(
    sign_in: SignIn, tenant: Tenant, actor: Role, role: Role
) -> None:
    client = sign_in(actor)
    viewer = create_user(tenant.id, role=Role.VIEWER)
    made = client.post(USERS, new(role=str(role), username=f"new-{viewer.id.hex}"))
    changed = client.put(f"{USERS}/{viewer.id}", {"role": str(role)})
    if RANKS[role] <= RANKS[actor]:
        assert (made.status_code, changed.status_code) == (201, 200)
    else:
        assert {made.json["code"], changed.json["code"]} == {"role_above_own"}
        assert {made.status_code, changed.status_code} == {403}


def test_an_admin_does_not_touch_an_owner(sign_in: SignIn, owner: User, nobody: ApiClient) -> None:
    admin = sign_in(Role.ADMIN)
    path = f"{USERS}/{owner.id}"
    for body in ({"password": "taken over now"}, {"role": "viewer"}, {"status": "disabled"}):
        assert admin.put(path, body).json["code"] == "role_above_own"
    assert admin.delete(path).json["code"] == "role_above_own"
    body = {"username": owner.username, "password": PASSWORD}
    assert nobody.post("/auth/login", body).status_code == 200


def test_an_admin_does_not_raise_themselves(sign_in: SignIn) -> None:
    admin = sign_in(Role.ADMIN)
    answer = admin.put(f"{USERS}/{admin.user.id}", {"role": "owner"})
    assert answer.json["code"] == "role_above_own"


def test_the_order_of_roles() -> None:
    assert sorted(RANKS, key=RANKS.__getitem__) == [
        Role.VIEWER,
        Role.AGENT,
        Role.ADMIN,
        Role.OWNER,
        Role.PLATFORM_ADMIN,
    ]


def test_the_last_owner_stays(signed_in: ApiClient) -> None:
    path = f"{USERS}/{signed_in.user.id}"
    for body in ({"role": "admin"}, {"status": "disabled"}):
        answer = signed_in.put(path, body)
        assert (answer.status_code, answer.json["code"]) == (409, "last_owner")
    assert signed_in.delete(path).json["code"] == "last_owner"
    assert signed_in.put(path, {"name": "Still here"}).status_code == 200


def test_a_disabled_owner_does_not_count(signed_in: ApiClient, tenant: Tenant) -> None:
    create_user(tenant.id, status="disabled")
    path = f"{USERS}/{signed_in.user.id}"
    assert signed_in.put(path, {"role": "admin"}).json["code"] == "last_owner"


def test_of_two_owners_who_demote_each_other_one_stays(sign_in: SignIn) -> None:
    one, two = sign_in(), sign_in()
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(
                lambda pair: pair[0].put(f"{USERS}/{pair[1].user.id}", {"role": "viewer"}),
                [(one, two), (two, one)],
            )
        )
    # The second is refused as the last owner, or as a viewer if its own demotion came first.
    assert sorted(answer.status_code for answer in answers) in ([200, 403], [200, 409])


def test_a_change_of_members_waits_for_the_one_before_it(sign_in: SignIn) -> None:
    one, two = sign_in(), sign_in()
    with ThreadPoolExecutor(1) as pool:
        with db.tenant_session(one.tenant_id) as session:
            session.scalars(select(Tenant).with_for_update(key_share=True)).one()
            path = f"{USERS}/{one.user.id}"
            second = pool.submit(one.put, path, {"role": "viewer"})
            with pytest.raises(TimeoutError):
                second.result(timeout=0.3)
            session.get_one(User, (two.tenant_id, two.user.id)).role = Role.VIEWER
        assert second.result(timeout=10).json["code"] == "last_owner"


def test_a_new_role_holds_at_once(sign_in: SignIn, signed_in: ApiClient) -> None:
    admin = sign_in(Role.ADMIN)
    assert admin.get(USERS).status_code == 200
    assert signed_in.put(f"{USERS}/{admin.user.id}", {"role": "viewer"}).status_code == 200
    assert admin.get(USERS).status_code == 403
    assert admin.get("/auth/me").json["role"] == "viewer"


@pytest.mark.parametrize("body", [{"status": "disabled"}, {"password": "a new long one"}])
def test_disabling_or_a_new_password_ends_sign_ins_at_once(
    sign_in: SignIn, signed_in: ApiClient, body: dict
) -> None:
    agent = sign_in(Role.AGENT)
    assert agent.get("/auth/me").status_code == 200
    assert signed_in.put(f"{USERS}/{agent.user.id}", body).status_code == 200
    assert agent.get("/auth/me").json["code"] == "token_revoked"


def test_a_removed_member_is_out_at_once(sign_in: SignIn, signed_in: ApiClient) -> None:
    agent = sign_in(Role.AGENT)
    path = f"{USERS}/{agent.user.id}"
    assert signed_in.delete(path).status_code == 204
    assert agent.get("/auth/me").json["code"] == "token_revoked"
    assert signed_in.get(path).status_code == 404


def test_ones_own_password_is_not_changed_without_the_old_one(signed_in: ApiClient) -> None:
    answer = signed_in.put(f"{USERS}/{signed_in.user.id}", {"password": "a new long one"})
    assert answer.status_code == 422
    assert "change-password" in str(answer.json["details"])


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_tenants_user_answers_as_none_at_all(
    signed_in: ApiClient, outsider: ApiClient, method: str
) -> None:
    body = {"name": "x"} if method == "PUT" else None
    foreign = signed_in.request(method, f"{USERS}/{outsider.user.id}", body)
    missing = signed_in.request(method, f"{USERS}/{UUID(int=7)}", body)
    assert foreign.status_code == missing.status_code == 404
    kept = ("success", "error", "code", "details")
    assert [foreign.json[k] for k in kept] == [missing.json[k] for k in kept]
    assert outsider.get("/auth/me").json["name"] == outsider.user.name


def test_each_change_leaves_an_audit_row_without_the_password(signed_in: ApiClient) -> None:
    made = signed_in.post(USERS, new()).json
    body = {"role": "viewer", "password": "a new long one"}
    signed_in.put(f"{USERS}/{made['id']}", body)
    signed_in.delete(f"{USERS}/{made['id']}")
    entries = signed_in.get("/tenants/me/audit").json["items"]
    assert [each["action"] for each in entries] == ["user.removed", "user.updated", "user.created"]
    assert {each["actor_id"] for each in entries} == {str(signed_in.user.id)}
    assert entries[1]["changes"] == {"role": ["agent", "viewer"], "password": "changed"}
    assert PASSWORD not in str(entries)


def test_a_refused_change_leaves_no_audit_row(signed_in: ApiClient) -> None:
    signed_in.put(f"{USERS}/{signed_in.user.id}", {"role": "viewer"})
    assert signed_in.get("/tenants/me/audit").json["items"] == []


def test_the_same_idempotency_key_makes_one_user(signed_in: ApiClient) -> None:
    body = new(username=f"once-{signed_in.user.id.hex}")
    first = signed_in.post(USERS, body, idempotency_key="k")
    again = signed_in.post(USERS, body, idempotency_key="k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json == again.json
    assert len(signed_in.get(USERS).json["items"]) == 2


def test_members_of_another_tenant_are_not_listed(signed_in: ApiClient) -> None:
    create_user(create_tenant().id)
    assert len(signed_in.get(USERS).json["items"]) == 1
