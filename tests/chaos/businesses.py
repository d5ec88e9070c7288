"""Set-up before the chaos: three senders of two tenants, each with a key and a webhook that
retries."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import requests

from simulator.demo import DEMO_SENDER, OTRA_SENDER
from tests.chaos.load import Business
from tests.chaos.outside import Outside

SECOND_SENDER = "+14155550177"
SECOND_ACCOUNT = "AC0000000000000000000000000000de32"
SECOND_TOKEN = "de320000000000000000000000000000"


def open_businesses(web_url: str, outside: Outside) -> list[Business]:
    """Create tenant demo with two channels of two accounts, tenant otra with one."""
    demo, otra = sign_in(web_url, "demo"), sign_in(web_url, "otra")
    outside.call(
        "PUT",
        f"/accounts/{SECOND_ACCOUNT}",
        {
            "auth_token": SECOND_TOKEN,
            "senders": [{"number": f"whatsapp:{SECOND_SENDER}", "inbound_url": web_url}],
        },
    )
    credentials = {"account_sid": SECOND_ACCOUNT, "auth_token": SECOND_TOKEN}
    new = {"provider": "twilio", "phone_number": SECOND_SENDER, "credentials": credentials}
    ask(web_url, demo, "POST", "/channels", new)
    found = []
    for tenant, token in (("demo", demo), ("otra", otra)):
        key = ask(web_url, token, "POST", "/auth/api-keys", {"name": "chaos"})["key"]
        for channel in ask(web_url, token, "GET", "/channels")["items"]:
            number: str = channel["phone_number"]
            # As an operator pastes it at the provider: with the fragment that makes it retry.
            hook = {"inbound_url": channel["webhook_url"]}
            outside.call("PUT", f"/senders/whatsapp:{number}", hook)
            found.append(Business(tenant, key, number))
    expected = {DEMO_SENDER, OTRA_SENDER, f"whatsapp:{SECOND_SENDER}"}
    if {f"whatsapp:{each.sender}" for each in found} != expected:
        raise RuntimeError(f"unexpected channels: {found}")
    return found


def ask_for_repair(web_url: str, since: datetime, others: Iterable[str]) -> None:
    """Request the provider's lists, as after an outage: for the businesses of the load, and for the
    `others`, each with its token."""
    for token in (*(sign_in(web_url, tenant) for tenant in ("demo", "otra")), *others):
        ask(web_url, token, "POST", "/api/inbox/repair", {"since": since.isoformat()})


def sign_in(web_url: str, username: str) -> str:
    body = {"username": username, "password": "password"}
    token: str = ask(web_url, None, "POST", "/auth/login", body)["access_token"]
    return token


def ask(web_url: str, token: str | None, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if method == "POST" and token:
        headers["Idempotency-Key"] = str(uuid.uuid4())
    answer = requests.request(method, web_url + path, json=body, headers=headers, timeout=30)
    if not answer.ok:
        raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
    return answer.json()
