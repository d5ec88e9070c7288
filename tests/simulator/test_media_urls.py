"""Media that the vendor could not fetch, and the simulator's own, which it can."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from simulator.samples import SAMPLES
from simulator.settings import Settings
from simulator.twilio.media_urls import is_fetchable, is_loopback
from tests.simulator.harness import PERSON, SENDER, Receiver, Simulator, running, wait_until

SETTINGS = Settings(port=8001, public_url="https://phones.example")


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001",
     "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"],
)  # fmt: skip
def test_every_spelling_of_the_loopback_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["example.com", "localhost.example", "10.0.0.7", "2001:db8::1"])
def test_other_hosts_are_no_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "url",
    ["https://example.com/a.png", "http://127.0.0.1:8001/samples/photo.png",
     "http://localhost:8001/samples/voice.ogg", "http://[::1]:8001/media/ME0123456789abcdef",
     "https://phones.example/samples/photo.png"],
)  # fmt: skip
def test_public_urls_and_the_simulators_own_files_can_be_fetched(url: str) -> None:
    assert is_fetchable(SETTINGS, url)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8002/samples/photo.png", "http://127.0.0.1/samples/photo.png",
     "http://127.0.0.1:8001/control/accounts", "http://127.0.0.1:8001/samples/../control/accounts",
     "https://127.0.0.1:8001/samples/photo.png", "http://[::1", "ftp://example.com/a.png"],
)  # fmt: skip
def test_other_loopback_urls_cannot_be_fetched(url: str) -> None:
    assert not is_fetchable(SETTINGS, url)


def test_loopback_media_are_refused_as_the_vendor_does(client: Client, receiver: Receiver) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(to=PERSON, from_=SENDER, media_url=[receiver.base + "/photo.png"])
    assert (refused.value.status, refused.value.code) == (400, 21620)


def test_loopback_media_of_a_webhooks_answer_fail(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    twiml = f"<Response><Message><Media>{receiver.base}/a.png</Media></Message></Response>"
    receiver.answers.append((200, "text/xml", twiml))
    simulator.write(body="hola")
    reply = wait_until(lambda: [m for m in client.messages.list() if m.error_code])[0]
    assert (reply.status, reply.error_code) == ("failed", 63019)
    assert simulator.log("media_fetch")[-1]["error"]


class Redirect(BaseHTTPRequestHandler):
    """Sends the caller to a loopback address."""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", "http://127.0.0.1:9/control/accounts")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def test_a_redirect_to_the_loopback_is_not_followed(receiver: Receiver) -> None:
    with HTTPServer(("127.0.0.1", 0), Redirect) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        with running(receiver, public_url=base) as simulator:
            client, url = simulator.client(), f"{base}/samples/photo.png"
            sid = str(client.messages.create(to=PERSON, from_=SENDER, media_url=[url]).sid)
            wait_until(lambda: client.messages(sid).fetch().error_code == 63019)
            (entry,) = simulator.log("media_fetch")
            assert entry["error"] == "the vendor cannot reach http://127.0.0.1:9/control/accounts"


@pytest.mark.parametrize("name", [sample.name for sample in SAMPLES.values()])
def test_each_sample_can_be_sent(client: Client, simulator: Simulator, name: str) -> None:
    url = f"{simulator.base}/samples/{name}"
    sid = str(client.messages.create(to=PERSON, from_=SENDER, media_url=[url]).sid)
    wait_until(lambda: client.messages(sid).fetch().status == "read")


def test_a_player_can_ask_for_a_part_of_a_recording(simulator: Simulator) -> None:
    url = simulator.base + simulator.write(kind="audio")["media"][0]["url"]
    whole = requests.get(url, timeout=5)
    part = requests.get(url, headers={"Range": "bytes=4-9"}, timeout=5)
    assert (part.status_code, part.content) == (206, whole.content[4:10])
    assert part.headers["Content-Range"] == f"bytes 4-9/{len(whole.content)}"
    beyond = requests.get(url, headers={"Range": "bytes=999999-"}, timeout=5)
    assert beyond.content == whole.content
