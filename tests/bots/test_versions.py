"""Versions are made by changes, never changed, and can be activated again."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app import db
from app.bots import manage
from app.models import Bot, Tenant
from tests.bots.bodies import ACTION, FUNCTION, PATH, make, path_of, reasons
from tests.factories import ApiClient, create_bot


def numbers(client: ApiClient, bot: dict[str, Any]) -> list[int]:
    return [each["number"] for each in client.get(f"{path_of(bot)}/versions").json["data"]]


@pytest.mark.parametrize(
    "changes",
    [
        {"instructions": "Be brief."},
        {"openai_model": "gpt-6-sol"},
        {"max_tokens": 100},
        {"temperature": 0},
        {"reasoning_effort": "low"},
        {"history_messages": 2},
        {"assistant_functions": [FUNCTION]},
        {"assistant_functions": [FUNCTION], "horizon_actions": [ACTION]},
        {"assistant_config": {"instructions": "Be brief."}},
    ],
)
def test_a_change_of_the_definition_makes_a_version_that_is_active(
    signed_in: ApiClient, changes: dict[str, Any]
) -> None:
    made = make(signed_in)
    changed = signed_in.put(path_of(made), changes).json["data"]
    assert (changed["version"], changed["latest_version"]) == (2, 2)
    again = signed_in.put(path_of(made), changes).json["data"]
    assert again["version"] == 2


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"name": "Other"},
        {"metadata": {"a": 1}},
        {"instructions": ""},
        {"temperature": None},
        {"actions": {"base_url": "https://shop.example.com/api/", "api_key": "secret-key"}},
        {"model": {"api_key": "sk-another-one"}},
    ],
)
def test_other_changes_make_none(signed_in: ApiClient, changes: dict[str, Any]) -> None:
    made = make(signed_in)
    assert signed_in.put(path_of(made), changes).json["data"]["version"] == 1
    assert numbers(signed_in, made) == [1]


def test_what_is_left_out_stays(signed_in: ApiClient) -> None:
    made = make(signed_in, instructions="Be kind.", temperature=0.5, metadata={"a": 1})
    changed = signed_in.put(path_of(made), {"max_tokens": 100}).json["data"]
    assert (changed["instructions"], changed["temperature"]) == ("Be kind.", 0.5)
    assert changed["metadata"] == {"a": 1}
    cleared = signed_in.put(path_of(made), {"temperature": None}).json["data"]
    assert cleared["temperature"] is None


def test_versions_are_listed_by_pages_and_shown(signed_in: ApiClient) -> None:
    made = make(signed_in, instructions="one")
    for words in ("two", "three"):
        signed_in.put(path_of(made), {"instructions": words})
    page = signed_in.get(f"{path_of(made)}/versions", query={"limit": 2}).json
    assert [(each["number"], each["is_active"]) for each in page["data"]] == [(3, True), (2, False)]
    rest = signed_in.get(f"{path_of(made)}/versions", query={"cursor": page["next_cursor"]}).json
    assert [each["number"] for each in rest["data"]] == [1]
    shown = signed_in.get(f"{path_of(made)}/versions/1").json["data"]
    assert (shown["instructions"], shown["is_active"]) == ("one", False)
    assert shown["created_by"] == signed_in.user.username


def test_an_earlier_version_is_activated_and_changed_from_there(signed_in: ApiClient) -> None:
    made = make(signed_in, instructions="one", max_tokens=100)
    signed_in.put(path_of(made), {"instructions": "two", "max_tokens": 200})
    back = signed_in.post(f"{path_of(made)}/versions/1/activate").json["data"]
    assert (back["version"], back["latest_version"], back["instructions"]) == (1, 2, "one")
    third = signed_in.put(path_of(made), {"instructions": "three"}).json["data"]
    assert (third["version"], third["max_tokens"]) == (3, 100)
    assert numbers(signed_in, made) == [3, 2, 1]


@pytest.mark.parametrize("number", ["0", "2", "2147483648", "9" * 4000])
def test_a_version_that_is_not_there(signed_in: ApiClient, number: str) -> None:
    path = f"{path_of(make(signed_in))}/versions/{number}"
    for answer in (signed_in.get(path), signed_in.post(f"{path}/activate")):
        assert (answer.status_code, answer.json["code"]) == (404, "bot_version_not_found")


@pytest.mark.parametrize("number", ["-1", "one", "1.0", "1%00"])
def test_a_version_is_a_number(signed_in: ApiClient, number: str) -> None:
    assert signed_in.get(f"{path_of(make(signed_in))}/versions/{number}").status_code == 404


def test_a_version_whose_model_is_unknown_here_is_not_activated(signed_in: ApiClient) -> None:
    server = {"base_url": "https://models.example.com/v1"}
    made = make(signed_in, openai_model="our-own", model=server)
    changes = {"model": {"base_url": None}, "openai_model": "gpt-6-luna"}
    assert signed_in.put(path_of(made), changes).json["data"]["version"] == 2
    answer = signed_in.post(f"{path_of(made)}/versions/1/activate")
    assert set(reasons(answer)) == {"openai_model"}
    assert signed_in.get(path_of(made)).json["data"]["version"] == 2


def test_the_oldest_versions_are_deleted_but_not_the_active_one(
    signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manage, "MOST_VERSIONS", 3)
    made = make(signed_in, instructions="1")
    for words in ("2", "3", "4", "5"):
        signed_in.put(path_of(made), {"instructions": words})
    assert numbers(signed_in, made) == [5, 4, 3]
    signed_in.post(f"{path_of(made)}/versions/3/activate")
    signed_in.put(path_of(made), {"instructions": "6"})
    assert numbers(signed_in, made) == [6, 5, 4]


def test_the_database_refuses_to_change_a_version(tenant: Tenant) -> None:
    create_bot(tenant.id)
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        db.tenant_session(tenant.id) as session,
    ):
        session.execute(text("update recado.bot_versions set definition = '{}'"))


def test_a_bot_of_an_earlier_release_is_shown(signed_in: ApiClient, tenant: Tenant) -> None:
    bot: Bot = create_bot(tenant.id)
    with db.tenant_session(tenant.id) as session:
        session.execute(text("delete from recado.bot_versions"))
        session.execute(
            text(
                "insert into recado.bot_versions (tenant_id, id, bot_id, number, definition,"
                " created_by) select tenant_id, gen_random_uuid(), id, 1,"
                """ '{"openai_model": "gpt-99", "former": 1}', '' from recado.bots"""
            )
        )
    shown = signed_in.get(f"{PATH}/{bot.id}").json
    assert shown["data"]["max_tokens"] == 500
    assert "There is no model 'gpt-99'" in shown["warnings"][0]
