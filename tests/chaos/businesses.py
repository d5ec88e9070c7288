"""Set-up before the chaos: three senders of two tenants, each with a key and a webhook that
retries."""

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import requests

from simulator.demo import DEMO_SENDER, OTRA_SENDER
from tests.chaos.load import Business
from tests.chaos.outside import Outside

SECOND_SENDER = "+14155550177"
SECOND_ACCOUNT = "AC0000000000000000000000000000de32"
SECOND_TOKEN = "de320000000000000000000000000000"
PASSWORD = "correct horse battery staple"
AGAIN_SECONDS = 0.5
PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class Tenant:
    """A tenant of the proof's own, with the username of its owner."""

    id: str
    owner: str
    api_key: str


@dataclass(frozen=True)
class Sender:
    """A channel, its account at the provider, and how its tenant posts."""

    channel_id: str
    account: str
    business: Business


@dataclass
class Opener:
    """Creates tenants and channels of the proof's own."""

    web_url: str
    outside: Outside
    admin: str = ""
    tenants: list[Tenant] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.admin = sign_in(self.web_url, "admin")

    def tenant(self) -> Tenant:
        name = f"trouble-{uuid.uuid4().hex[:10]}"
        new = {"name": name, "owner": {"username": name, "password": PASSWORD}}
        tenant = ask(self.web_url, self.admin, "POST", "/tenants", new)
        key = ask(self.web_url, self.token(name), "POST", "/auth/api-keys", {"name": "chaos"})
        made = Tenant(tenant["id"], name, key["key"])
        self.tenants.append(made)
        return made

    def token(self, owner: str) -> str:
        body = {"username": owner, "password": PASSWORD}
        return str(ask(self.web_url, None, "POST", "/auth/login", body)["access_token"])

    def sender(self, tenant: Tenant, rate: int, token: str = "") -> Sender:
        account, secret = f"AC{uuid.uuid4().hex}", uuid.uuid4().hex
        number = f"+1417{uuid.uuid4().int % 10_000_000:07d}"
        senders = [{"number": f"whatsapp:{number}", "inbound_url": self.web_url}]
        self.outside.call("PUT", f"/accounts/{account}", {"auth_token": secret, "senders": senders})
        new = {
            "provider": "twilio",
            "phone_number": number,
            "messages_per_second": rate,
            "credentials": {"account_sid": account, "auth_token": secret},
        }
        made = ask(self.web_url, token or self.token(tenant.owner), "POST", "/channels", new)
        hook = {"inbound_url": made["webhook_url"]}
        self.outside.call("PUT", f"/senders/whatsapp:{number}", hook)
        return Sender(made["id"], account, Business("trouble", tenant.api_key, number))


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
    for bot in ask(web_url, demo, "GET", "/bots")["data"]:
        # It would answer the letters.
        ask(web_url, demo, "PUT", f"/bots/{bot['id']}", {"is_enabled": False})
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


def retry(action: Callable[[], None], seconds: float = PATIENCE_SECONDS) -> None:
    """While everything breaks, a call may fail. Raises the last failure after this time."""
    until = time.monotonic() + seconds
    while True:
        try:
            action()
        except (requests.RequestException, RuntimeError):
            if time.monotonic() > until:
                raise
            time.sleep(AGAIN_SECONDS)
        else:
            return
