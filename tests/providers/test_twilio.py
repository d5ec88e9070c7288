"""Twilio fulfills the contract of providers, with the simulator in its place."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import pytest
from flask import Flask

from app.channels.providers.base import Json
from app.common.ids import new_id
from app.models import Status
from tests.providers.contract import ProviderContract
from tests.providers.outside import Fate, Receipt, Written
from tests.simulator.harness import Simulator
from tests.webhook.twilio_posts import Signed, sign
from tests.world import outside as simulated

PEOPLE = {
    Fate.ACCEPTED: "+15551234567",
    Fate.REFUSED: "+15550021610",
    Fate.NOT_NOW: "+15550020429",
    Fate.BAD_CREDENTIALS: "+15550020003",
    Fate.PROCESSED_WITHOUT_ANSWER: "+15550100013",
    Fate.LOST_WITHOUT_ANSWER: "+15550020500",
}
WORDS = {Status.FAILED: "undelivered"}


class TwilioOutside:
    provider = "twilio"

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._account, self._token = f"AC{new_id().hex}", new_id().hex
        self.phone_number = f"+1415{new_id().int % 10_000_000:07d}"
        self.credentials: Json = {"account_sid": self._account, "auth_token": self._token}
        sender = {"number": f"whatsapp:{self.phone_number}", "inbound_url": ""}
        account = {"auth_token": self._token, "senders": [sender]}
        simulator.control("PUT", f"/accounts/{self._account}", account)
        # The suite sends the status callbacks itself, so those of the simulator are dropped.
        lost = {"fault": "lost", "account": self._account}
        simulator.control("PUT", "/faults", {"callback": [lost]})

    def person(self, fate: Fate) -> str:
        return PEOPLE[fate]

    def processed(self) -> Sequence[str]:
        return [
            urlsplit(entry["form"]["StatusCallback"]).query
            for entry in self._simulator.log("create")
            if entry["account"] == self._account and entry["processed"]
        ]

    def tell(self, webhook_path: str, facts: Sequence[Receipt | Written]) -> Sequence[Signed]:
        return [self._tell(webhook_path, fact) for fact in facts]

    def _tell(self, path: str, fact: Receipt | Written) -> Signed:
        ours = f"whatsapp:{self.phone_number}"
        form = {"AccountSid": self._account, "MessageSid": fact.provider_message_id}
        if isinstance(fact, Written):
            person = f"whatsapp:{fact.person}"
            form |= {"From": person, "To": ours, "Body": fact.body, "SmsStatus": "received"}
        else:
            path = f"{path}?{fact.token}" if fact.token else path
            form |= {"From": ours, "To": f"whatsapp:{PEOPLE[Fate.ACCEPTED]}"}
            form |= {"MessageStatus": WORDS.get(fact.status, str(fact.status))}
            form |= {"ErrorCode": "30008"} if fact.status is Status.FAILED else {}
        return sign(path, form, secret=self._token)

    def handshake(self, webhook_path: str, *, is_right: bool) -> str | None:
        return None


@pytest.fixture(scope="module")
def simulator(app: Flask) -> Iterator[Simulator]:
    with simulated(app) as (simulator, _):
        yield simulator


class TestTwilio(ProviderContract):
    @pytest.fixture
    def outside(self, simulator: Simulator) -> TwilioOutside:
        return TwilioOutside(simulator)
