"""Creating, showing, changing and deleting bots through the API."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app import db
from app.bots import bots_repository, manage
from app.common.ids import new_id
from app.models import AuditEntry, Bot, KeyMode, Role, Tenant
from tests.bots.bodies import ACTION, FUNCTION, PARAMETERS, PATH, body, make, path_of, post
from tests.common.census import row_counts
from tests.conftest import SignIn
from tests.factories import ApiClient, create_api_key, create_bot, create_channel, create_tenant

CONFIG = {
    "name": "Orders",
    "instructions": "Be kind.",
    "model": "gpt-6-luna",
    "tools": [{"type": "function", "function": FUNCTION}],
    "metadata": {"team": "sales"},
}


def audited(tenant: Tenant) -> list[tuple[str, dict[str, Any]]]:
    with db.tenant_session(tenant.id) as session:
        query = select(AuditEntry.action, AuditEntry.changes).order_by(AuditEntry.id)
        return [(row.action, row.changes) for row in session.execute(query)]


def test_a_bot_is_made_shown_and_listed(signed_in: ApiClient) -> None:
    answer = post(
        signed_in,
        instructions="Be kind.",
        openai_model="gpt-6-luna",
        max_tokens=300,
        temperature=0.5,
        assistant_functions=[FUNCTION],
        horizon_actions=[ACTION],
        metadata={"team": "sales"},
    )
    assert answer.status_code == 201
    made = answer.json["data"]
    assert (made["version"], made["latest_version"], made["max_tokens"]) == (1, 1, 300)
    assert made["assistant_functions"] == [{**FUNCTION, "strict": False}]
    assert made["horizon_actions"] == [
        {**ACTION, "body": None, "effect": "read", "confirmation": {}}
    ]
    assert made["model"] == made["actions"] == {"base_url": None, "api_key": None}
    assert made["channel"]["phone_number"] == made["twilio_phone_number"]
    assert signed_in.get(path_of(made)).json["data"] == made
    assert signed_in.get(PATH).json["data"] == [made]


def test_the_paths_of_the_contract_work_with_a_slash(signed_in: ApiClient) -> None:
    given = body(signed_in.tenant_id)
    made = signed_in.post("/bots/", given)
    assert made.status_code == 201
    assert signed_in.get("/bots/").json["data"] == [made.json["data"]]


def test_a_bot_needs_nothing_but_a_name_and_a_channel(signed_in: ApiClient) -> None:
    made = make(signed_in)
    assert (made["instructions"], made["openai_model"]) == ("", "gpt-6-luna")
    assert (made["reasoning_effort"], made["history_messages"]) == ("none", 10)


def test_the_assistant_describes_the_bot(signed_in: ApiClient) -> None:
    answer = post(signed_in, assistant_config=CONFIG).json
    assert answer["assistant"] == {
        "id": answer["data"]["id"],
        "object": "assistant",
        "created_at": answer["assistant"]["created_at"],
        "name": "Orders",
        "model": "gpt-6-luna",
        "instructions": "Be kind.",
        "tools": [{"type": "function", "function": {**FUNCTION, "strict": False}}],
        "metadata": {"team": "sales"},
        "temperature": None,
    }
    assert isinstance(answer["assistant"]["created_at"], int)


def test_the_name_may_come_from_the_assistant(signed_in: ApiClient) -> None:
    given = body(signed_in.tenant_id, assistant_config=CONFIG)
    del given["name"]
    assert signed_in.post(PATH, given).json["data"]["name"] == "Orders"


def test_what_is_given_twice_alike_is_accepted(signed_in: ApiClient) -> None:
    answer = post(
        signed_in,
        assistant_config=CONFIG,
        openai_model="gpt-6-luna",
        assistant_functions=[{"type": "function", **FUNCTION}],
    )
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("outer", "inner", "named"),
    [
        ({"name": "Other"}, "name", "name"),
        ({"instructions": "Other"}, "instructions", "instructions"),
        ({"openai_model": "gpt-6-sol"}, "model", "openai_model"),
        ({"assistant_functions": []}, "tools", "assistant_functions"),
        ({"metadata": {}}, "metadata", "metadata"),
    ],
)
def test_what_is_given_twice_and_differs_is_refused(
    signed_in: ApiClient, outer: dict[str, Any], inner: str, named: str
) -> None:
    answer = post(signed_in, assistant_config=CONFIG, **outer)
    assert answer.status_code == 422
    reason = f"Differs from {named}: give only one of them."
    assert answer.json["details"]["fields"] == {f"assistant_config.{inner}": [reason]}


def test_a_model_that_is_gone_is_answered_by_its_successor(signed_in: ApiClient) -> None:
    answer = post(signed_in, openai_model="gpt-3.5-turbo").json
    assert answer["data"]["openai_model"] == "gpt-3.5-turbo"
    assert answer["assistant"]["model"] == "gpt-5.6-terra"
    assert "gpt-5.6-terra answers in its place." in answer["warnings"][0]


def test_a_model_that_never_was_is_refused_with_those_that_are(signed_in: ApiClient) -> None:
    answer = post(signed_in, openai_model="gpt-99")
    assert answer.status_code == 422
    (reason,) = answer.json["details"]["fields"]["openai_model"]
    assert "gpt-6-luna" in reason


def test_settings_that_the_model_does_not_take_are_named(signed_in: ApiClient) -> None:
    answer = post(signed_in, openai_model="gpt-6.1-sol", temperature=0.5).json
    assert len(answer["warnings"]) == 2
    assert "low is used" in answer["warnings"][0]


def test_actions_without_an_address_are_a_warning(signed_in: ApiClient) -> None:
    given = {"assistant_functions": [FUNCTION], "horizon_actions": [ACTION]}
    assert "set actions.base_url" in post(signed_in, **given).json["warnings"][0]


@pytest.mark.parametrize("number", ["+15559999999", "+14155238886"])
def test_the_number_must_be_an_own_channel(signed_in: ApiClient, number: str) -> None:
    create_channel(create_tenant().id, phone_number="+14155238886")
    answer = signed_in.post(PATH, {"name": "x", "twilio_phone_number": number})
    assert (answer.status_code, answer.json["code"]) == (422, "unknown_channel")


def test_a_disabled_channel_takes_no_bot(signed_in: ApiClient) -> None:
    number = create_channel(signed_in.tenant_id, status="disabled").phone_number
    answer = signed_in.post(PATH, {"name": "x", "twilio_phone_number": number})
    assert answer.json["code"] == "channel_disabled"


def test_a_channel_has_one_bot(signed_in: ApiClient) -> None:
    first, second = make(signed_in), make(signed_in)
    taken = {"twilio_phone_number": first["twilio_phone_number"]}
    answer = signed_in.post(PATH, {"name": "Another", **taken})
    assert (answer.status_code, answer.json["code"]) == (409, "bot_exists")
    assert signed_in.put(path_of(second), taken).json["code"] == "bot_exists"
    assert signed_in.put(path_of(first), taken).status_code == 200


def test_a_bot_moves_to_another_channel(signed_in: ApiClient) -> None:
    made, number = make(signed_in), create_channel(signed_in.tenant_id).phone_number
    changed = signed_in.put(path_of(made), {"twilio_phone_number": number}).json["data"]
    assert (changed["twilio_phone_number"], changed["version"]) == (number, 1)


def test_a_channel_with_a_bot_is_not_deleted(signed_in: ApiClient) -> None:
    made = make(signed_in)
    channel = f"/channels/{made['channel']['id']}"
    assert signed_in.delete(channel).json["code"] == "channel_has_bot"
    assert signed_in.delete(path_of(made)).status_code == 204
    assert signed_in.delete(channel).status_code == 204


def test_a_deleted_bot_is_gone_with_its_versions(signed_in: ApiClient) -> None:
    made = make(signed_in)
    assert signed_in.delete(path_of(made)).status_code == 204
    assert signed_in.get(path_of(made)).json["code"] == "bot_not_found"
    assert signed_in.delete(path_of(made)).status_code == 404
    assert row_counts(signed_in.tenant_id)[signed_in.tenant_id, "bot_versions"] == 0


def test_changes_are_audited_without_their_values(signed_in: ApiClient, tenant: Tenant) -> None:
    made = make(signed_in, model={"api_key": "sk-very-secret"})
    signed_in.put(path_of(made), {"instructions": "secret plan", "metadata": {"a": 1}})
    signed_in.delete(path_of(made))
    created, updated, deleted = audited(tenant)
    given = ["model.api_key", "name", "phone_number"]
    assert created == ("bot.created", {"fields": given, "version": 1})
    assert updated == ("bot.updated", {"fields": ["instructions", "metadata"], "version": 2})
    assert deleted == ("bot.deleted", {"name": "Orders"})


def test_a_retry_makes_one_bot(signed_in: ApiClient) -> None:
    given = body(signed_in.tenant_id)
    first = signed_in.post(PATH, given, idempotency_key="k")
    again = signed_in.post(PATH, given, idempotency_key="k")
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(signed_in.get(PATH).json["data"]) == 1


def test_of_two_bots_for_a_channel_at_once_one_is_made(signed_in: ApiClient) -> None:
    given = body(signed_in.tenant_id)
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda _: signed_in.post(PATH, given).status_code, range(4)))
    assert sorted(codes) == [201, 409, 409, 409]


def test_changes_at_once_make_a_version_each(signed_in: ApiClient) -> None:
    path = path_of(make(signed_in))

    def change(number: int) -> int:
        return signed_in.put(path, {"instructions": f"text {number}"}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(change, range(8))) == [200] * 8
    bot = signed_in.get(path).json["data"]
    assert (bot["version"], bot["latest_version"]) == (9, 9)


def test_a_business_has_so_many_bots_at_most(
    signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manage, "MOST_BOTS", 2)
    make(signed_in)
    create_bot(create_tenant().id)
    make(signed_in)
    assert post(signed_in).json["code"] == "limit_reached"


def test_an_outsider_finds_no_bot_of_ours(signed_in: ApiClient, outsider: ApiClient) -> None:
    ours = path_of(make(signed_in))
    for path in (ours, f"{PATH}/{new_id()}"):
        answers = [
            outsider.get(path),
            outsider.put(path, {"name": "x"}),
            outsider.post(f"{path}/refresh"),
            outsider.post(f"{path}/reply", {"message": "hola"}),
            outsider.post(f"{path}/replay", {"version": 1, "last": 1}),
            outsider.get(f"{path}/versions"),
            outsider.get(f"{path}/versions/1"),
            outsider.post(f"{path}/versions/1/activate"),
            outsider.delete(path),
        ]
        assert [each.json["code"] for each in answers] == ["bot_not_found"] * len(answers)
    assert outsider.get(PATH).json["data"] == []
    assert signed_in.get(ours).json["data"]["name"] == "Orders"


@pytest.mark.parametrize(
    ("role", "read", "written"),
    [(Role.ADMIN, 200, 201), (Role.AGENT, 200, 403), (Role.VIEWER, 200, 403)],
)
def test_who_may_keep_bots(sign_in: SignIn, role: Role, read: int, written: int) -> None:
    client = sign_in(role)
    assert client.get(PATH).status_code == read
    assert post(client).status_code == written


def test_a_test_key_only_reads(app: Flask, signed_in: ApiClient) -> None:
    made = make(signed_in)
    key = ApiClient(app, create_api_key(signed_in.tenant_id, mode=KeyMode.TEST)[1])
    assert key.get(path_of(made)).status_code == 200
    assert key.get(f"{path_of(made)}/versions").status_code == 200
    for answer in (
        key.post(PATH, {"name": "x"}),
        key.put(path_of(made), {"name": "x"}),
        key.delete(path_of(made)),
        key.post(f"{path_of(made)}/refresh"),
        key.post(f"{path_of(made)}/reply", {"message": "hola"}),
        key.post(f"{path_of(made)}/replay", {"version": 1, "last": 1}),
        key.post(f"{path_of(made)}/versions/1/activate"),
    ):
        assert answer.json["code"] == "permission_denied"


def test_unicode_is_kept_as_it_is(signed_in: ApiClient) -> None:
    given = {
        "instructions": "Sé amable 👋🏽 \u202e ｈ\u0301 {}",
        "metadata": {"ключ": ["值", None, 1]},
    }
    made = signed_in.get(path_of(make(signed_in, name="Pedidos 🛍️", **given))).json["data"]
    assert made["name"] == "Pedidos 🛍️"
    assert {name: made[name] for name in given} == given


def test_a_function_without_parameters_takes_none(signed_in: ApiClient) -> None:
    made = make(signed_in, assistant_functions=[{"name": "hours"}])
    parameters = made["assistant_functions"][0]["parameters"]
    assert parameters == {"type": "object", "properties": {}}


def test_a_strict_function_is_kept(signed_in: ApiClient) -> None:
    parameters = {**PARAMETERS, "required": ["order_id", "note"], "additionalProperties": False}
    strict = {**FUNCTION, "parameters": parameters, "strict": True}
    assert make(signed_in, assistant_functions=[strict])["assistant_functions"] == [strict]


@pytest.mark.parametrize("name", ["find", "list_page"])
def test_a_bot_that_is_deleted_while_it_is_read(
    signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    made, read = make(signed_in), getattr(bots_repository, name)

    def slow(*args: Any) -> Any:
        found = read(*args)
        monkeypatch.setattr(bots_repository, name, read)
        assert signed_in.delete(path_of(made)).status_code == 204
        return found

    monkeypatch.setattr(bots_repository, name, slow)
    if name == "find":
        assert signed_in.get(path_of(made)).json["code"] == "bot_not_found"
    else:
        assert signed_in.get(PATH).json["data"] == []


def test_nothing_is_left_of_a_bot_that_was_refused(signed_in: ApiClient) -> None:
    given = body(signed_in.tenant_id, openai_model="gpt-99")
    before = row_counts(signed_in.tenant_id)
    assert signed_in.post(PATH, given).status_code == 422
    assert row_counts(signed_in.tenant_id) == before
    with db.tenant_session(signed_in.tenant_id) as session:
        assert session.scalars(select(Bot)).all() == []
