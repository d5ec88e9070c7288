"""What bots remember of a contact: GET and DELETE /bots/clients/{phone}."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from app.common import clock
from app.models import Bot, Channel, Conversation, Role, Tenant
from tests.bots.turning import hear, rows, run, said, take_over
from tests.conftest import SignIn
from tests.factories import (
    Answer,
    ApiClient,
    create_bot,
    create_channel,
    create_contact,
    create_conversation,
    create_message,
)

PHONE = "+15557770001"
USER_ID = "US.13491208655302741918"


@pytest.fixture
def talk(tenant: Tenant, channel: Channel, bot: Bot, sent: list[Any]) -> Conversation:
    """A conversation of PHONE with the bot."""
    contact = create_contact(tenant.id, address=PHONE, name="Ana")
    return create_conversation(
        tenant.id, channel=channel, contact=contact, address=PHONE, last_inbound_at=clock.now()
    )


def show(api: ApiClient, phone: str = PHONE) -> dict[str, Any]:
    answer = api.get(f"/bots/clients/{phone}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json["data"]
    return found


def forget(api: ApiClient, phone: str = PHONE) -> Answer:
    return api.delete(f"/bots/clients/{phone}")


def texts(found: dict[str, Any]) -> list[str]:
    (conversation,) = found["conversations"]
    return [each["text"] for each in conversation["newest"]]


def test_it_shows_what_the_bot_would_read(
    talk: Conversation, bot: Bot, signed_in: ApiClient
) -> None:
    hear(talk, "hola")
    run(talk)
    found = show(signed_in)
    last_turn_at = found.pop("last_turn_at")
    assert found == {
        "phone": PHONE,
        "user_id": None,
        "contact_id": str(talk.contact_id),
        "name": "Ana",
        "turns": 1,
        "conversations": [
            {
                "id": str(talk.id),
                "channel_id": str(talk.channel_id),
                "bot_id": str(bot.id),
                "owner": "bot",
                "history_from": None,
                "summary": "",
                "remembered_messages": 2,
                "newest": [
                    {"role": "user", "text": "hola"},
                    {"role": "assistant", "text": "¡Hola!"},
                ],
            }
        ],
    }
    ((armed_at,),) = rows(talk, "select armed_at from recado.turns")
    assert last_turn_at.removesuffix("Z") == armed_at.isoformat().removesuffix("+00:00")


@pytest.mark.parametrize(
    "spelled", [PHONE, quote(PHONE), f"whatsapp:{PHONE}", PHONE.removeprefix("+")]
)
def test_the_phone_may_be_spelled_in_any_way(
    talk: Conversation, signed_in: ApiClient, spelled: str
) -> None:
    assert show(signed_in, spelled)["contact_id"] == str(talk.contact_id)


@pytest.mark.parametrize("spelled", [USER_ID, f"whatsapp:{USER_ID}"])
def test_a_contact_may_have_no_phone(
    tenant: Tenant, channel: Channel, bot: Bot, signed_in: ApiClient, spelled: str
) -> None:
    contact = create_contact(tenant.id, address=USER_ID, kind="user_id")
    create_conversation(
        tenant.id,
        channel=channel,
        contact=contact,
        address=USER_ID,
        last_inbound_at=clock.now(),
    )
    found = show(signed_in, spelled)
    assert (found["phone"], found["user_id"]) == (None, USER_ID)
    assert (found["turns"], found["last_turn_at"]) == (0, None)


def test_only_as_much_is_remembered_as_the_bot_reads(
    tenant: Tenant, sent: list[Any], signed_in: ApiClient
) -> None:
    channel = create_channel(tenant.id)
    create_bot(tenant.id, channel=channel, history_messages=7)
    contact = create_contact(tenant.id, address=PHONE)
    talk = create_conversation(
        tenant.id, channel=channel, contact=contact, last_inbound_at=clock.now()
    )
    for number in range(9):
        hear(talk, f"line {number}", wait=timedelta(seconds=4))
    found = show(signed_in)
    assert found["conversations"][0]["remembered_messages"] == 7
    assert texts(found) == [f"line {number}" for number in range(4, 9)]


def test_each_conversation_is_shown_and_only_a_bot_remembers(
    talk: Conversation, tenant: Tenant, signed_in: ApiClient
) -> None:
    other = create_conversation(
        tenant.id,
        contact_id=talk.contact_id,
        last_inbound_at=clock.now(),
    )
    for conversation in (talk, other):
        create_message(
            tenant.id,
            conversation=conversation,
            body="hola",
            direction="incoming",
            status="received",
            sender="contact",
        )
    found = {each["id"]: each for each in show(signed_in)["conversations"]}
    assert set(found) == {str(talk.id), str(other.id)}
    assert found[str(talk.id)]["remembered_messages"] == 1
    silent = found[str(other.id)]
    assert (silent["bot_id"], silent["remembered_messages"], silent["newest"]) == (None, 0, [])


def test_what_a_person_settled_is_not_remembered(talk: Conversation, signed_in: ApiClient) -> None:
    hear(talk, "before")
    take_over(talk)
    assert signed_in.post(f"/api/whatsapp/conversations/{talk.id}/release", {}).status_code == 200
    hear(talk, "after", wait=timedelta(seconds=4))
    found = show(signed_in)
    assert found["conversations"][0]["history_from"]
    assert texts(found) == ["after"]


@pytest.mark.parametrize("phone", ["+15557770002", "hello", "12", "%00", "US.", "+" + "1" * 300])
def test_who_never_wrote_is_not_found(talk: Conversation, signed_in: ApiClient, phone: str) -> None:
    for answer in (signed_in.get(f"/bots/clients/{phone}"), forget(signed_in, phone)):
        assert (answer.status_code, answer.json["code"]) == (404, "client_not_found")


def test_who_was_only_written_to_is_not_found(tenant: Tenant, signed_in: ApiClient) -> None:
    contact = create_contact(tenant.id, address=PHONE)
    talk = create_conversation(tenant.id, contact=contact)
    create_message(tenant.id, conversation=talk)
    assert signed_in.get(f"/bots/clients/{PHONE}").status_code == 404
    assert forget(signed_in).status_code == 404
    assert rows(talk, "select history_from from recado.conversations") == [(None,)]
    assert signed_in.get("/tenants/me/audit").json["items"] == []


def test_a_bot_that_forgot_reads_nothing_of_before(
    talk: Conversation, tenant: Tenant, signed_in: ApiClient
) -> None:
    other = create_conversation(
        tenant.id,
        contact_id=talk.contact_id,
        last_inbound_at=clock.now(),
    )
    stranger = create_conversation(tenant.id, last_inbound_at=clock.now())
    hear(talk, "my name is Ana")
    run(talk)
    assert forget(signed_in).status_code == 204
    found = {each["id"]: each for each in show(signed_in)["conversations"]}
    assert found[str(talk.id)]["remembered_messages"] == 0
    assert found[str(talk.id)]["owner"] == "bot"
    assert found[str(other.id)]["history_from"]
    query = f"select history_from from recado.conversations where id = '{stranger.id}'"
    assert rows(stranger, query) == [(None,)]

    read: list[list[str]] = []

    def think(_: Any, work: Any) -> Any:
        read.append([line.body for line in work.lines])
        raise SystemExit

    hear(talk, "what is my name?")
    with pytest.raises(SystemExit):
        run(talk, think)
    assert read == [["what is my name?"]]
    assert len(rows(talk, "select id from recado.messages")) == 3, "nothing is deleted"


def test_a_message_that_waits_is_answered_all_the_same(
    talk: Conversation, signed_in: ApiClient
) -> None:
    hear(talk, "hola")
    assert forget(signed_in).status_code == 204
    run(talk)
    assert said(talk) == ["¡Hola!"]


def test_forgetting_is_audited_without_the_phone(talk: Conversation, signed_in: ApiClient) -> None:
    assert forget(signed_in).status_code == 204
    (entry,) = signed_in.get("/tenants/me/audit").json["items"]
    assert entry["action"] == "contact.forgotten_by_bots"
    assert (entry["subject_type"], entry["subject_id"]) == ("contact", str(talk.contact_id))
    assert entry["changes"] == {"conversations": 1}


@pytest.mark.parametrize(
    ("role", "may_read", "may_forget"),
    [(Role.VIEWER, 200, 403), (Role.AGENT, 200, 403), (Role.ADMIN, 200, 204)],
)
def test_permissions(
    talk: Conversation, sign_in: SignIn, role: Role, may_read: int, may_forget: int
) -> None:
    api = sign_in(role)
    assert api.get(f"/bots/clients/{PHONE}").status_code == may_read
    assert forget(api).status_code == may_forget


def test_test_callers_learn_nothing_of_live_conversations(
    talk: Conversation, signed_in: ApiClient
) -> None:
    hear(talk, "secret")
    for answer in (
        signed_in.get(f"/bots/clients/{PHONE}", headers={"Recado-Mode": "test"}),
        signed_in.delete(f"/bots/clients/{PHONE}", headers={"Recado-Mode": "test"}),
    ):
        assert answer.status_code == 404, answer.text
    assert rows(talk, "select history_from from recado.conversations") == [(None,)]
