"""Every kind of message that a phone can send, from the simulator's webhook to the API."""

from typing import Any

import pytest

from tests.world import World

PERSON = "+15551234567"


def heard(world: World, phone: str = PERSON, **what: Any) -> dict[str, Any]:
    """Write a message as the person, apply it, and return it as the API shows it."""
    written = world.write(phone, **what)
    assert written["webhook_status"] == 200, written
    world.apply()
    listed = world.owner.get("/api/messages", query={"direction": "incoming"}).json["messages"]
    found: dict[str, Any] = listed[0]
    assert (found["status"], found["sender"]) == ("received", "contact")
    assert found["to_number"] == world.channel.phone_number
    return found


def test_a_text_keeps_every_character(world: World) -> None:
    body = "¡Hola! 👩‍👩‍👧 & más <b>=+%\n línea dos "
    found = heard(world, body=body)
    assert (found["type"], found["body"], found["from_number"]) == ("text", body, PERSON)


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        ("image", "image/"),
        ("audio", "audio/"),
        ("video", "video/"),
        ("document", "application/pdf"),
        ("sticker", "image/webp"),
    ],
)
def test_media_keep_their_kind_type_and_caption(world: World, kind: str, family: str) -> None:
    found = heard(world, kind=kind, body="a caption")
    assert (found["type"], found["body"]) == (kind, "a caption")
    (media,) = found["media"]
    assert media["mime_type"].startswith(family)
    assert media["url"].startswith("http")


def test_a_contact_card_is_contacts(world: World) -> None:
    found = heard(world, kind="contacts", name="Luz", phone="+573009998877")
    assert found["type"] == "contacts"
    assert found["media"][0]["mime_type"] in {"text/vcard", "text/x-vcard"}


def test_a_location_has_its_coordinates(world: World) -> None:
    place: dict[str, Any] = {"latitude": 19.4326, "longitude": -99.1332}
    place |= {"label": "Zócalo", "address": "Centro"}
    content = heard(world, kind="location", **place)["content"]
    assert {name: content[name] for name in place} == place
    assert content["type"] == "location"


def test_a_button_says_which(world: World) -> None:
    found = heard(world, kind="button", text="Confirmar", payload="confirm")
    assert (found["type"], found["body"]) == ("button_reply", "Confirmar")
    assert (found["content"]["id"], found["content"]["title"]) == ("confirm", "Confirmar")


def test_a_row_of_a_list_says_which(world: World) -> None:
    found = heard(world, kind="list", id="row-7", title="Martes", description="10:00")
    assert found["type"] == "list_reply"
    assert (found["content"]["id"], found["content"]["title"]) == ("row-7", "Martes")


def test_a_message_from_an_advertisement_names_it(world: World) -> None:
    advertisement = {"source_id": "123", "source_type": "ad", "headline": "Oferta"}
    found = heard(world, kind="referral", body="Info please", referral=advertisement)
    assert (found["type"], found["body"]) == ("text", "Info please")
    assert found["content"]["referral"].items() >= advertisement.items()


def test_a_reaction_is_no_text(world: World) -> None:
    sent = world.send()
    world.deliver()
    sid = world.message(sent).provider_message_id
    found = heard(world, kind="reaction", emoji="👍", reply_to=sid)
    assert found["type"] == "reaction"
    assert "👍" in str(found["content"])


@pytest.mark.parametrize(("kind", "type_"), [("order", "order"), ("flow", "flow_reply")])
def test_orders_and_flows_keep_what_they_hold(world: World, kind: str, type_: str) -> None:
    found = heard(world, kind=kind, response={"colour": "red"})
    assert found["type"] == type_


def test_an_answer_names_what_it_answers(world: World) -> None:
    sent = world.send()
    world.deliver()
    sid = world.message(sent).provider_message_id
    found = heard(world, body="Yes", reply_to=sid)
    assert found["content"]["reply_to"]["provider_message_id"] == sid


def test_parameters_that_nobody_knows_are_kept(world: World) -> None:
    found = heard(world, body="x", params={"BrandNewThing": "7"})
    assert found["content"]["extra"] == {"BrandNewThing": "7"}


@pytest.mark.parametrize(
    ("body", "kept"),
    [("", ""), ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"), ("ñ" * 10_000, "ñ" * 10_000)],
)
def test_no_text_of_a_customer_is_lost(world: World, body: str, kept: str) -> None:
    assert heard(world, body="x", params={"Body": body})["body"] == kept


def contact_of(world: World) -> dict[str, Any]:
    (conversation,) = world.conversations()
    contact: dict[str, Any] = conversation["contact"]
    return contact


def test_a_person_without_a_number_is_answered_by_user_id(world: World) -> None:
    user_id = "CO.13491208655302741918"
    found = heard(world, user_id, body="hola")
    assert found["from_number"] == user_id
    contact = contact_of(world)
    assert (contact["phone"], contact["user_id"]) == (None, user_id)
    answer = {"conversation_id": found["conversation_id"], "body": "¡Hola!"}
    sent = world.owner.post("/api/send", answer)
    world.deliver()
    shown = world.owner.get(f"/api/messages/{sent.json['message_id']}").json
    assert shown["to_number"] == user_id
    assert shown["message_sid"] is not None


def test_a_person_with_both_is_one_contact(world: World) -> None:
    found = heard(world, "+525512345679", body="hola")
    assert found["from_number"] == "+525512345679"
    contact = contact_of(world)
    assert (contact["phone"], contact["user_id"]) == (
        "+525512345679",
        "MX.20418893377105562031",
    )


def test_a_mexican_number_with_the_old_1_is_heard(world: World) -> None:
    assert heard(world, "+5215512345678", body="hola")["from_number"] == "+5215512345678"


def test_writing_opens_the_window_and_counts(world: World) -> None:
    heard(world, body="one")
    heard(world, body="two")
    (conversation,) = world.conversations()
    assert (conversation["window"], conversation["message_count"]) == ("open", 2)
    assert conversation["window_expires_at"] > conversation["last_message_at"]


def test_a_keyword_is_answered_on_the_phone(world: World) -> None:
    made = {"keywords": ["hola"], "reply": "¡Hola! 👋"}
    assert world.owner.post("/api/keyword-replies", made).status_code == 201
    heard(world, body="¡HÓLA!! amigos")
    world.deliver()
    bubbles = world.simulator.control("GET", f"/phones/{PERSON}/messages")["messages"]
    assert bubbles[-1]["body"] == "¡Hola! 👋"
    sent = world.owner.get("/api/messages", query={"direction": "outgoing"}).json["messages"]
    assert [(each["sender"], each["body"]) for each in sent] == [("bot", "¡Hola! 👋")]
