"""Every kind of webhook, as Twilio's pages and captures show it."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.channels.providers.base import Ignored, InboundMessage, StatusReceipt
from app.channels.providers.twilio.parser import event_key, parse
from app.common.phone import Address, AddressKind
from app.models import Status

SID = f"SM{'8' * 32}"
PHONE = Address(AddressKind.PHONE, "+628123456789")
USER_ID = Address(AddressKind.USER_ID, "ID.1234567890123456")
INBOUND = {
    "SmsMessageSid": SID,
    "NumMedia": "0",
    "ProfileName": "Example",
    "MessageType": "text",
    "SmsSid": SID,
    "WaId": "628123456789",
    "SmsStatus": "received",
    "Body": "Hello",
    "To": "whatsapp:+14155238886",
    "NumSegments": "1",
    "ReferralNumMedia": "0",
    "MessageSid": SID,
    "AccountSid": f"AC{'0' * 32}",
    "From": "whatsapp:+628123456789",
    "ApiVersion": "2010-04-01",
    "Forwarded": "false",
    "FrequentlyForwarded": "false",
}
STATUS = {
    "MessageSid": SID,
    "SmsSid": SID,
    "MessageStatus": "delivered",
    "SmsStatus": "delivered",
    "AccountSid": f"AC{'0' * 32}",
    "From": "whatsapp:+14155238886",
    "To": "whatsapp:+628123456789",
    "ApiVersion": "2010-04-01",
    "ChannelPrefix": "whatsapp",
    "EventType": "DELIVERED",
}
MEDIA = "https://api.twilio.com/2010-04-01/Accounts/AC/Messages/MM/Media/ME"


def inbound(**changes: str | None) -> InboundMessage:
    given = {name: value for name, value in {**INBOUND, **changes}.items() if value is not None}
    found = parse(urlencode(given) + "\n")
    assert isinstance(found, InboundMessage)
    return found


def receipt(query: str = "", **changes: str) -> StatusReceipt:
    found = parse(urlencode({**STATUS, **changes}) + "\n" + query)
    assert isinstance(found, StatusReceipt)
    return found


def test_a_text() -> None:
    found = inbound(Body=" ¡Hola! \n")
    assert (found.type, found.body) == ("text", " ¡Hola! \n")
    assert found.content == {"type": "text", "body": " ¡Hola! \n"}
    assert found.provider_message_id == SID
    assert found.to_number == "+14155238886"
    assert found.profile_name == "Example"
    assert found.aliases == (PHONE,)


def test_phone_and_user_id_are_two_names_of_one_person_phone_first() -> None:
    found = inbound(
        ExternalUserId="whatsapp:ID.1234567890123456",
        ParentExternalUserId="whatsapp:ID.ENT.77",
    )
    assert found.aliases == (PHONE, USER_ID, Address(AddressKind.USER_ID, "ID.ENT.77"))


def test_a_person_without_a_visible_phone() -> None:
    found = inbound(
        From="whatsapp:ID.1234567890123456",
        ExternalUserId="whatsapp:ID.1234567890123456",
        WaId=None,
    )
    assert found.aliases == (USER_ID,)


def test_a_number_only_in_wa_id_is_found() -> None:
    assert inbound(From="whatsapp:ID.1234567890123456").aliases == (PHONE, USER_ID)


@pytest.mark.parametrize(
    ("message_type", "mime_type", "expected"),
    [
        ("image", "image/jpeg", "image"),
        ("audio", "audio/ogg", "audio"),
        ("video", "video/mp4", "video"),
        ("document", "application/pdf", "document"),
        ("sticker", "image/webp", "sticker"),
        ("contacts", "text/vcard", "contacts"),
        (None, "image/jpeg", "image"),
        (None, "audio/ogg; codecs=opus", "audio"),
        (None, "TEXT/X-VCARD", "contacts"),
        (None, "", "document"),
        ("text", "application/pdf", "document"),
    ],
)
def test_media(message_type: str | None, mime_type: str, expected: str) -> None:
    found = inbound(
        MessageType=message_type,
        NumMedia="1",
        Body="a caption",
        MediaUrl0=MEDIA,
        MediaContentType0=mime_type,
    )
    assert (found.type, found.body) == (expected, "a caption")
    assert found.content["media"] == [{"url": MEDIA, "mime_type": mime_type}]


def test_several_media_are_all_kept() -> None:
    found = inbound(
        MessageType="image",
        NumMedia="2",
        MediaUrl0=f"{MEDIA}0",
        MediaContentType0="image/png",
        MediaUrl1=f"{MEDIA}1",
        MediaContentType1="image/jpeg",
    )
    assert [item["url"] for item in found.content["media"]] == [f"{MEDIA}0", f"{MEDIA}1"]


def test_a_location() -> None:
    found = inbound(
        MessageType="location",
        Body="",
        Latitude="19.4326",
        Longitude="-99.1332",
        Address="Zócalo",
        Label="Plaza",
    )
    assert found.content == {
        "type": "location",
        "body": "",
        "latitude": 19.4326,
        "longitude": -99.1332,
        "address": "Zócalo",
        "label": "Plaza",
    }


@pytest.mark.parametrize("latitude", ["nan", "inf", "north", ""])
def test_a_location_without_coordinates_is_kept_whole(latitude: str) -> None:
    found = inbound(MessageType="location", Body="", Latitude=latitude, Longitude="1")
    assert found.type == "unknown"
    assert found.content["raw"]["Latitude"] == latitude


def test_a_quick_reply_tap_inside_the_window() -> None:
    metadata = {"type": "whatsapp", "data": {"context": {"WaId": "628123456789"}}}
    found = inbound(
        MessageType="interactive",
        Body="Confirm",
        ButtonText="Confirm",
        ButtonPayload='{"order": 7}',
        ButtonType="REPLY",
        OriginalRepliedMessageSender="whatsapp:+14155238886",
        OriginalRepliedMessageSid=f"MM{'5' * 32}",
        ChannelMetadata=json.dumps(metadata),
    )
    assert found.content == {
        "type": "button_reply",
        "body": "Confirm",
        "id": '{"order": 7}',
        "title": "Confirm",
        "button_type": "REPLY",
        "reply_to": {"provider_message_id": f"MM{'5' * 32}", "from": "+14155238886"},
    }


def test_a_template_s_quick_reply_without_a_payload() -> None:
    found = inbound(MessageType="button", Body="", ButtonText="Yes")
    assert (found.type, found.body, found.content["id"]) == ("button_reply", "Yes", "")


def test_a_list_row() -> None:
    found = inbound(
        MessageType="interactive",
        Body="",
        ListId="r1",
        ListTitle="Large",
        ListDescription="40 cm",
    )
    assert found.content == {
        "type": "list_reply",
        "body": "Large",
        "id": "r1",
        "title": "Large",
        "description": "40 cm",
    }


@pytest.mark.parametrize("name", ["InteractiveData", "FlowData"])
def test_a_flow(name: str) -> None:
    answer = {"flowResponse": {"name": "Ana", "size": 3}}
    found = inbound(MessageType="interactive", Body="", **{name: json.dumps(answer)})
    assert found.content["response"] == {"name": "Ana", "size": 3}
    assert found.type == "flow_reply"


@pytest.mark.parametrize("kind", ["reaction", "order"])
def test_what_only_the_channel_s_event_shows(kind: str) -> None:
    metadata = {"type": "whatsapp", "data": {kind: {"emoji": "👍"}}}
    found = inbound(MessageType=kind, Body="", ChannelMetadata=json.dumps(metadata))
    assert found.content == {"type": kind, "body": "", kind: {"emoji": "👍"}}


@pytest.mark.parametrize("kind", ["reaction", "order"])
def test_a_reaction_without_its_event_is_kept_whole(kind: str) -> None:
    found = inbound(MessageType=kind, Body="")
    assert found.type == kind
    assert found.content["raw"]["MessageSid"] == SID


def test_an_advertisement_that_led_here() -> None:
    found = inbound(
        ReferralHeadline="Sale",
        ReferralSourceId="1",
        ReferralSourceType="ad",
        ReferralCtwaClid="c",
        ReferralNumMedia="1",
    )
    assert found.type == "text"
    assert found.content["referral"] == {
        "headline": "Sale",
        "source_id": "1",
        "source_type": "ad",
        "ctwa_clid": "c",
        "num_media": "1",
    }


def test_forwarded_marks_and_opt_out() -> None:
    found = inbound(Forwarded="true", FrequentlyForwarded="true", OptOutType="stop", Body="STOP")
    assert found.content["forwarded"] is True
    assert found.content["frequently_forwarded"] is True
    assert found.content["opt_out"] == "STOP"


def test_parameters_that_we_do_not_know_are_kept() -> None:
    assert inbound(Brandnew="1").content["extra"] == {"Brandnew": "1"}


def test_an_unknown_kind_is_kept_whole() -> None:
    found = inbound(MessageType="hologram", Body="", Beam="7")
    assert found.type == "unknown"
    assert found.content["raw"]["Beam"] == "7"


def test_text_that_postgres_cannot_store_is_made_storable() -> None:
    found = inbound(
        Body="a\x00b",
        ProfileName="\x00",
        InteractiveData='{"flowResponse": {"a": "\\u0000\\ud800", "n": NaN, "big": 1e999}}',
    )
    text = json.dumps([found.content, found.profile_name], allow_nan=False, ensure_ascii=False)
    assert "\x00" not in text
    assert "\\u0000" not in text
    text.encode()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("accepted", Status.ACCEPTED),
        ("queued", Status.ACCEPTED),
        ("scheduled", Status.ACCEPTED),
        ("sending", Status.ACCEPTED),
        ("sent", Status.SENT),
        ("delivered", Status.DELIVERED),
        ("read", Status.READ),
        ("failed", Status.FAILED),
        ("undelivered", Status.FAILED),
        ("canceled", Status.FAILED),
    ],
)
def test_each_status(word: str, expected: Status) -> None:
    found = receipt(MessageStatus=word)
    assert found.status is expected
    assert (found.error is not None) is (expected is Status.FAILED)


def test_a_receipt_brings_our_own_query_back() -> None:
    found = receipt("message=1&attempt=2&proof=&x=%C3%B1")
    assert found.token == "message=1&attempt=2&proof=&x=%C3%B1"


def test_a_receipt_may_tell_another_name_of_the_person() -> None:
    found = receipt(ExternalUserId="whatsapp:ID.1234567890123456")
    assert found.aliases == (PHONE, USER_ID)


def test_a_failure_says_why_in_our_words() -> None:
    error = receipt(MessageStatus="undelivered", ErrorCode="63016").error
    assert error is not None
    assert (error.code, error.provider_code, error.closes_window) == (
        "outside_window",
        "63016",
        True,
    )


def test_a_status_that_we_do_not_know_is_ignored() -> None:
    found = parse(urlencode({**STATUS, "MessageStatus": "partially_delivered"}) + "\n")
    assert isinstance(found, Ignored)


def test_event_keys_tell_messages_and_statuses_apart() -> None:
    assert event_key(urlencode(INBOUND) + "\n") == f"in:{SID}"
    assert event_key(urlencode(STATUS) + "\nmessage=1") == f"st:{SID}:delivered"


@pytest.mark.parametrize(
    "raw",
    ["", "\n", "Body=hello\n", "MessageSid=%00\n", f"MessageSid={SID}&From=nobody&To=+14155238886"],
)
def test_what_is_no_webhook_is_a_value_error_and_still_has_a_key(raw: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the promise is this very class
        parse(raw)
    assert event_key(raw)


JSONS = ("InteractiveData", "FlowData", "ChannelMetadata", "ErrorCode", "ExternalUserId")
NAMES = st.sampled_from(
    [*INBOUND, *STATUS, "MediaUrl0", "Latitude", "Longitude", "ListId", "ButtonPayload", *JSONS]
)
VALUES = st.text(max_size=30) | st.sampled_from(
    ["NaN", "{}", "[" * 5000, '{"flowResponse": [1e999]}', "9" * 5000, "whatsapp:+14155238886", SID]
)


def assert_storable(found: Any) -> None:
    text = json.dumps(found, allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in text
    text.encode()


@given(st.dictionaries(NAMES, VALUES), st.text(max_size=20))
def test_whatever_comes_is_read_or_a_value_error(changes: dict[str, str], query: str) -> None:
    form = urlencode({**INBOUND, **changes}, errors="surrogatepass")
    raw = f"{form}\n{query}"
    assert event_key(raw) == event_key(raw)
    assert len(event_key(raw)) < 200
    try:
        found = parse(raw)
    except ValueError:
        return
    if isinstance(found, InboundMessage):
        assert_storable([found.content, found.body, found.profile_name, found.type])
    if isinstance(found, StatusReceipt):
        assert found.token == query


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_arbitrary_text_never_breaks_it(raw: str) -> None:
    assert event_key(raw)
    try:
        parse(raw)
    except ValueError:
        return


def test_a_mexican_number_with_the_old_1_is_heard() -> None:
    found = inbound(From="whatsapp:+5215512345678", WaId="5215512345678")
    assert found.aliases == (Address(AddressKind.PHONE, "+5215512345678"),)
