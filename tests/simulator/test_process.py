"""The process: options, the line it prints, persistence, the page, guards, load."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests
from twilio.rest import Client

from simulator.demo import (
    DEMO_ACCOUNT_SID,
    DEMO_AUTH_TOKEN,
    DEMO_SENDER,
    OTRA_ACCOUNT_SID,
    demo_accounts,
)
from simulator.eventlog import EventLog
from simulator.settings import OPTIONS, Settings, load_settings
from tests.simulator.harness import MESSAGES, PERSON, SENDER, Receiver, Simulator, running
from tests.simulator.harness import wait_until as wait

ROOT = Path(__file__).parents[2]


def test_the_process_prints_one_line_and_stops_cleanly() -> None:
    environment = {**os.environ, "SIMULATOR_PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "--host", "127.0.0.1"],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    match = re.fullmatch(r"simulator listening on (http://127\.0\.0\.1:\d+)\n", line)
    assert match
    assert requests.get(match[1], timeout=5).status_code == 200
    process.send_signal(signal.SIGTERM)
    rest, errors = process.communicate(timeout=10)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_each_option_has_a_variable() -> None:
    for option in OPTIONS:
        assert hasattr(Settings(), option.name)
    settings = load_settings(["--port", "9"], {"SIMULATOR_PORT": "8", "SIMULATOR_AUTO_READ": "off"})
    assert (settings.port, settings.auto_read) == (9, False)


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "x"), ("ACCOUNTS", "{"), ("WINDOW", "ajar"), ("AUTO_READ", "?")]
)
def test_a_wrong_value_is_refused(name: str, value: str) -> None:
    with pytest.raises(SystemExit):
        load_settings([], {"SIMULATOR_" + name: value})


def test_demonstration_values_look_like_the_vendors() -> None:
    accounts: list[Any] = demo_accounts("http://127.0.0.1:8000/webhook/twilio")
    assert [a["sid"] for a in accounts] == [DEMO_ACCOUNT_SID, OTRA_ACCOUNT_SID]
    assert all(re.fullmatch(r"AC[0-9a-f]{32}", a["sid"]) for a in accounts)
    assert accounts[0]["senders"][0]["number"] == DEMO_SENDER


def test_chats_and_messages_outlive_a_restart(receiver: Receiver, tmp_path: Path) -> None:
    state = str(tmp_path / "state.db")
    with running(receiver, state=state) as first:
        client = first.client()
        kept = str(client.messages.create(to=PERSON, from_=SENDER, body="kept").sid)
        wait(lambda: client.messages(kept).fetch().status == "read")
        first.control("PATCH", "/phones/+15551234567", {"online": False})
        waiting = str(client.messages.create(to=PERSON, from_=SENDER, body="waits").sid)
        wait(lambda: client.messages(waiting).fetch().status == "sent")
        first.write("+14155550142", body="hola")
        photo = first.write(kind="image")
        gone = str(client.messages.create(to=PERSON, from_=SENDER, body="gone").sid)
        wait(lambda: client.messages(gone).fetch().status == "sent")
        client.messages(gone).delete()
    with running(receiver, state=state) as second:
        client = second.client()
        bodies = [m.body for m in client.messages.list()]
        assert bodies == ["", "hola", "waits", "kept"]
        assert client.messages(kept).fetch().status == "read"
        data = requests.get(second.base + photo["media"][0]["url"], timeout=5).content
        assert data.startswith(b"\x89PNG")
        second.control("PATCH", "/phones/+15551234567", {"online": True})
        wait(lambda: client.messages(waiting).fetch().status == "read")
        sid = str(client.messages.create(to="whatsapp:+14155550142", from_=SENDER, body="x").sid)
        wait(lambda: client.messages(sid).fetch().status == "delivered")


def test_accounts_can_be_configured(receiver: Receiver) -> None:
    sid = "AC" + "1" * 32
    senders = [{"number": "+14155550177", "inbound_url": receiver.url, "status_url": None}]
    accounts = [{"sid": sid, "auth_token": "t", "senders": senders}]
    with running(receiver, accounts=accounts, window="open") as simulator:
        client = simulator.client(sid, "t")
        sender = "whatsapp:+14155550177"
        stranger = "whatsapp:+14155550142"
        made = client.messages.create(to=stranger, from_=sender, body="x")
        wait(lambda: client.messages(str(made.sid)).fetch().status == "delivered")


def test_the_page_is_served_with_a_strict_policy(simulator: Simulator) -> None:
    scripts = [file.name for file in (ROOT / "simulator/phone").glob("*.js")]
    for path in ("/", *(f"/phone/{name}" for name in scripts)):
        answer = requests.get(simulator.base + path, timeout=5)
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.status_code == 200
        assert "innerHTML" not in answer.text
        assert not re.search(r"(src|href|from)\s*=?\s*[\"']https?://", answer.text)


def test_the_page_hears_of_new_messages(client: Client, simulator: Simulator) -> None:
    with requests.get(simulator.base + "/phone/events", stream=True, timeout=5) as stream:
        lines = stream.iter_lines(chunk_size=1)
        assert next(lines) == b"retry: 1000"
        client.messages.create(to=PERSON, from_=SENDER, body="¡Hola!")
        line = next(line for line in lines if line.startswith(b"data: "))
    assert b'"type": "message"' in line
    assert "¡Hola!".encode() in line


def test_scripts_in_media_are_not_shown_as_pages(simulator: Simulator) -> None:
    message = simulator.write(
        kind="document", media_base64="PHNjcmlwdD4=", content_type="text/html"
    )
    answer = requests.get(simulator.base + message["media"][0]["url"], timeout=5)
    assert answer.headers["Content-Disposition"] == "attachment"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_log_is_read_in_parts(client: Client, simulator: Simulator) -> None:
    client.messages.create(to=PERSON, from_=SENDER, body="one")
    last = simulator.control("GET", "/log")["last"]
    sid = client.messages.create(to=PERSON, from_=SENDER, body="two").sid
    page = simulator.control("GET", f"/log?after={last}&kind=create")
    assert [entry["sid"] for entry in page["items"]] == [sid]
    assert page["items"][0]["form"] == {"To": PERSON, "From": SENDER, "Body": "two"}
    lines = requests.get(
        f"{simulator.base}/control/log?format=jsonl&kind=create", timeout=5
    ).text.splitlines()
    assert len(lines) == 2
    assert simulator.control("GET", "/counts")["outbound"] == 2
    (first, _) = simulator.control("GET", "/messages")["messages"]
    assert {"sid", "from", "to", "body", "status", "created_at", "StatusCallback"} <= set(first)


def test_the_log_is_bounded() -> None:
    log = EventLog(100)
    for _ in range(1000):
        log.add("create")
    lines = list(log.after(0, frozenset(), 10_000))
    assert 100 <= len(lines) <= 110
    assert lines[-1].startswith(b'{"n": 1000,')
    assert len(list(log.after(998, frozenset(), 10_000))) == 2


def test_a_reset_forgets_what_was_on_its_way(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    client.messages.create(to=PERSON, from_=SENDER, body="x", status_callback=receiver.url)
    simulator.control("POST", "/reset")
    time.sleep(0.3)
    assert receiver.statuses() == []
    assert simulator.control("GET", "/log")["items"] == []
    assert simulator.control("GET", "/messages")["messages"] == []


def test_phones_are_added_once(simulator: Simulator) -> None:
    made = simulator.control("POST", "/phones", {"number": "+14155550143", "window": "open"})
    assert made["windows"][SENDER]["open"]
    simulator.control("POST", "/phones", {"number": "+14155550143"}, status=409)
    simulator.control("POST", "/phones", {"number": "123"}, status=400)
    simulator.control("POST", "/phones", {}, status=400)
    listed = simulator.control("GET", "/phones")["phones"]
    assert "+14155550143" in {phone["key"] for phone in listed}


def test_two_hundred_creates_at_once_are_all_made_once(
    simulator: Simulator, receiver: Receiver
) -> None:
    simulator.control("PUT", "/latency", {"latency_ms": 50})

    async def load() -> list[str]:
        headers = {"Authorization": aiohttp.encode_basic_auth(DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN)}
        async with aiohttp.ClientSession(headers=headers) as session:

            async def one(number: int) -> str:
                form = {"To": PERSON, "From": SENDER, "Body": f"message {number}"}
                async with session.post(simulator.base + MESSAGES, data=form) as answer:
                    assert answer.status == 201
                    return str((await answer.json())["sid"])

            return await asyncio.gather(*(one(number) for number in range(200)))

    sids = asyncio.run(load())
    assert len(set(sids)) == 200
    listed = simulator.client().messages.list(page_size=70)
    assert {m.sid for m in listed} == set(sids)
    assert len({m.body for m in listed}) == 200
