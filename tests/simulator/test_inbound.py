"""Every kind of incoming message arrives with the vendor's parameters."""

from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from simulator.demo import BSUID_PHONE, DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN
from tests.simulator.harness import PERSON, SENDER, Receiver, Simulator, wait_until

AUTH = (DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN)


def _written(simulator: Simulator, receiver: Receiver, **data: Any) -> dict[str, str]:
    simulator.write(**data)
    return receiver.inbound()[-1].form


def test_a_text(simulator: Simulator, receiver: Receiver) -> None:
    form = _written(simulator, receiver, body="hola")
    assert form["MessageSid"] == form["SmsSid"] == form["SmsMessageSid"]
    assert (form["From"], form["To"]) == (PERSON, SENDER)
    assert (form["WaId"], form["NumMedia"], form["Body"]) == ("15551234567", "0", "hola")
    assert (form["MessageType"], form["SmsStatus"]) == ("text", "received")
    assert (form["AccountSid"], form["ApiVersion"]) == (DEMO_ACCOUNT_SID, "2010-04-01")
    assert form["NumSegments"] == "1"


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("image", "image/png"),
        ("audio", "audio/ogg"),
        ("video", "video/mp4"),
        ("document", "application/pdf"),
        ("sticker", "image/webp"),
        ("contacts", "text/vcard"),
    ],
)
def test_media_is_fetched_with_authentication(
    simulator: Simulator, receiver: Receiver, kind: str, content_type: str
) -> None:
    form = _written(simulator, receiver, kind=kind, name="Ana", phone="+14155550123")
    assert (form["MessageType"], form["NumMedia"]) == (kind, "1")
    assert form["MediaContentType0"] == content_type
    assert form["MessageSid"].startswith("MM")
    url = form["MediaUrl0"]
    assert f"/Accounts/{DEMO_ACCOUNT_SID}/Messages/{form['MessageSid']}/Media/ME" in url
    assert requests.get(url, timeout=5).status_code == 401
    redirect = requests.get(url, auth=AUTH, timeout=5, allow_redirects=False)
    assert redirect.status_code == 307
    data = requests.get(redirect.headers["Location"], timeout=5)
    assert data.headers["Content-Type"] == content_type
    assert len(data.content) > 20
    if kind == "contacts":
        assert b"FN:Ana" in data.content


def test_media_of_ones_own_with_a_caption(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    form = _written(
        simulator, receiver, kind="image", body="mira", media_base64="R0lGODlh",
        content_type="image/gif",
    )  # fmt: skip
    assert (form["Body"], form["MediaContentType0"]) == ("mira", "image/gif")
    assert requests.get(form["MediaUrl0"], auth=AUTH, timeout=5).content == b"GIF89a"
    sid = form["MessageSid"]
    (media,) = client.messages(sid).media.list()
    assert client.messages(sid).media(str(media.sid)).fetch().content_type == "image/gif"
    assert client.messages(sid).media(str(media.sid)).delete()
    assert client.messages(sid).media.list() == []
    assert requests.get(form["MediaUrl0"], auth=AUTH, timeout=5).status_code == 404


def test_a_location(simulator: Simulator, receiver: Receiver) -> None:
    form = _written(
        simulator, receiver, kind="location", latitude=19.43, longitude=-99.13, label="Zócalo"
    )
    assert (form["Latitude"], form["Longitude"], form["Label"]) == ("19.43", "-99.13", "Zócalo")
    assert (form["Body"], form["MessageType"]) == ("", "location")


def test_a_tap_on_a_template_button(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    sid = client.messages.create(to=PERSON, from_=SENDER, content_sid=f"HX{1:032x}").sid
    form = _written(
        simulator, receiver, kind="button", text="Confirmar", payload="confirm", reply_to=sid
    )
    assert (form["ButtonText"], form["ButtonPayload"]) == ("Confirmar", "confirm")
    assert (form["Body"], form["MessageType"]) == ("Confirmar", "button")
    assert form["OriginalRepliedMessageSid"] == sid
    assert form["OriginalRepliedMessageSender"] == SENDER


def test_a_tap_inside_the_window_is_interactive(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    sid = client.messages.create(to=PERSON, from_=SENDER, body="x").sid
    form = _written(simulator, receiver, kind="button", text="Sí", reply_to=sid)
    assert (form["MessageType"], form["ButtonPayload"]) == ("interactive", "Sí")


def test_a_choice_from_a_list(simulator: Simulator, receiver: Receiver) -> None:
    form = _written(simulator, receiver, kind="list", id="sales", title="Ventas", description="P")
    assert (form["ListId"], form["ListTitle"], form["ListDescription"]) == ("sales", "Ventas", "P")
    assert (form["Body"], form["MessageType"]) == ("Ventas", "interactive")


def test_a_click_on_an_ad(simulator: Simulator, receiver: Receiver) -> None:
    referral = {"headline": "Offer", "source_id": "1", "source_type": "ad", "ctwa_clid": "c"}
    form = _written(simulator, receiver, kind="referral", body="info", referral=referral)
    assert (form["ReferralHeadline"], form["ReferralSourceType"]) == ("Offer", "ad")
    assert (form["ReferralCtwaClid"], form["Body"]) == ("c", "info")


def test_a_reaction_has_no_parameter_of_its_own(simulator: Simulator, receiver: Receiver) -> None:
    form = _written(simulator, receiver, kind="reaction", emoji="👍")
    assert (form["MessageType"], form["Body"]) == ("reaction", "")
    assert "emoji" in form["ChannelMetadata"]


def test_a_flow_answer_and_raw_parameters(simulator: Simulator, receiver: Receiver) -> None:
    form = _written(
        simulator, receiver, kind="flow", response={"a": 1}, params={"OptOutType": "STOP"}
    )
    assert form["FlowData"] == '{"flowResponse": {"a": 1}}'
    assert form["OptOutType"] == "STOP"


def test_a_user_without_a_number(simulator: Simulator, receiver: Receiver) -> None:
    form = _written(simulator, receiver, key=BSUID_PHONE, body="hola")
    assert form["From"] == form["ExternalUserId"] == f"whatsapp:{BSUID_PHONE}"
    assert "WaId" not in form


def test_a_user_with_both(simulator: Simulator, receiver: Receiver) -> None:
    form = _written(simulator, receiver, key="+525512345679", body="hola")
    assert form["From"] == "whatsapp:+525512345679"
    assert form["ExternalUserId"] == "whatsapp:MX.20418893377105562031"
    assert form["WaId"] == "525512345679"


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "nonsense"},
        {"to": "+14155550000"},
        {"kind": "location"},
        {"body": "x" * 4097},
        {"kind": "image", "media_base64": "%%%"},
    ],
)
def test_what_cannot_be_written_is_said(simulator: Simulator, data: dict[str, Any]) -> None:
    body = {"to": SENDER, **data}
    answer = simulator.control("POST", "/phones/+15551234567/messages", body, status=400)
    assert answer["error"]


def test_typing_marks_the_message_read(client: Client, simulator: Simulator) -> None:
    sid = simulator.write(body="hola")["sid"]
    assert client.messaging.v2.typing_indicator.create(channel="whatsapp", message_id=sid).success
    (message,) = simulator.control("GET", "/phones/+15551234567/messages")["messages"]
    assert message["details"]["read_by_business"]
    assert [entry["sid"] for entry in simulator.log("typing")] == [sid]


def test_typing_is_refused_for_what_the_person_did_not_write(
    client: Client, simulator: Simulator
) -> None:
    simulator.write(body="hola")
    ours = client.messages.create(to=PERSON, from_=SENDER, body="hi")
    for sid in (str(ours.sid), f"SM{'0' * 32}"):
        with pytest.raises(TwilioRestException) as refused:
            client.messaging.v2.typing_indicator.create(channel="whatsapp", message_id=sid)
        assert (refused.value.status, refused.value.code) == (400, 20001)
    assert simulator.log("typing") == []


def test_typing_needs_the_account_of_the_message(simulator: Simulator) -> None:
    form = {"channel": "whatsapp", "messageId": simulator.write(body="hola")["sid"]}
    answer = simulator.post("/v2/Indicators/Typing.json", form, auth=("AC1", "wrong"))
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


def test_outbound_media_is_downloaded(client: Client, simulator: Simulator) -> None:
    url = simulator.base + "/samples/photo.png"
    message = client.messages.create(to=PERSON, from_=SENDER, media_url=[url], body="foto")
    assert str(message.sid).startswith("MM")
    assert message.num_media == "1"
    wait_until(lambda: client.messages(str(message.sid)).fetch().status == "read")
    (shown,) = simulator.control("GET", "/phones/+15551234567/messages")["messages"]
    got = requests.get(simulator.base + shown["media"][0]["url"], timeout=5)
    assert got.content.startswith(b"\x89PNG")


def test_media_that_cannot_be_downloaded_fails(client: Client, simulator: Simulator) -> None:
    url = simulator.base + "/samples/nothing.png"
    sid = str(client.messages.create(to=PERSON, from_=SENDER, media_url=[url]).sid)
    wait_until(lambda: client.messages(sid).fetch().error_code == 63019)
