"""Additional businesses whose provider, channel or account does not work.

Each business sends like all others and its messages are judged like all others, with two
differences: a business whose provider can never report the outcome of a message may end it
`unknown`, and nothing may be sent while a channel is disabled or a tenant closed.
"""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from app.delivery.reconcile import MOST_SENDS
from tests.chaos.books import UNSETTLED, Oracle, Records
from tests.chaos.businesses import Opener, Sender, ask, retry, sign_in
from tests.chaos.load import Letter
from tests.chaos.outside import Outside
from tests.chaos.plan import Plan
from tests.chaos.verdict import Promise

CROWD = 80
ENOUGH_QUOTA = 1_000_000


@dataclass
class Troubles:
    """The troubles of one run, and when they began and ended (Unix times)."""

    plan: Plan
    web_url: str
    outside: Outside
    letters: list[Letter] = field(default_factory=list)
    rules: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0
    pairs: list[tuple[str, str]] = field(default_factory=list)
    _numbers: int = 0
    _opener: Opener = field(init=False)

    def open(self) -> None:
        """Before the load: create the tenants, their channels, and what they are going to send."""
        self._opener = Opener(self.web_url, self.outside)
        count = max(10, self.plan.messages // 50)
        self._refusing = self._opener.sender(self._opener.tenant(), 80)
        self._unreadable = self._opener.sender(self._opener.tenant(), 80)
        self._disabled = self._opener.sender(tenant := self._opener.tenant(), 1)
        self._disabled_tenant = tenant
        self._closed_tenant = self._opener.tenant()
        self._closed = self._opener.sender(self._closed_tenant, 1)
        for sender in (self._disabled, self._closed):
            self.letters += self._texts(sender, count, people=count)
        for sender in (self._refusing, self._unreadable):
            self.letters += self._texts(sender, count // 2, people=count // 2)
        crowd = self._opener.tenant()
        token = self._opener.token(crowd.owner)
        for _ in range(CROWD):
            self.letters += self._texts(self._opener.sender(crowd, 1, token), 3, people=3)
        self._open_pairs(max(3, count // 4))
        self._limit("demo")
        refusing, unreadable = self._refusing.account, self._unreadable.account
        self.rules = {
            "create": [
                {"fault": "fail_500", "account": refusing},
                {"fault": "accept_then_reset", "account": unreadable},
            ],
            "callback": [{"fault": "lost", "account": unreadable}],
            "list": [{"fault": "forbidden", "account": unreadable}],
        }

    def begin(self) -> None:
        """In the middle of the load: disable a channel, close a tenant, merge people."""
        retry(lambda: self._set_channel("disabled"))
        retry(lambda: self._set_tenant("closed"))
        self.began = time.time()
        for number, user_id in self.pairs:
            self.outside.call("PATCH", f"/phones/{number}", {"user_id": user_id})
        self._show_both()

    def end(self) -> None:
        """Before settling: everything may be sent again."""
        self.ended = time.time()
        retry(lambda: self._set_channel("active"))
        retry(lambda: self._set_tenant("active"))
        # No webhook may have come through before, and a list has no user ids.
        self._show_both()

    def mend(self) -> None:
        """After settling: the provider works for everybody."""
        self.outside.call("DELETE", "/faults")

    def tokens(self) -> Iterator[str]:
        """Return a token of each business in trouble."""
        return (self._opener.token(tenant.owner) for tenant in self._opener.tenants)

    @property
    def excused(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the numbers of businesses whose messages may end `unknown`, and of those that
        could not answer for a time."""
        doubtful = frozenset({self._number(self._refusing), self._number(self._unreadable)})
        return doubtful, self._silenced

    @property
    def _silenced(self) -> frozenset[str]:
        return frozenset({self._number(self._disabled), self._number(self._closed)})

    def _show_both(self) -> None:
        """Each person of a pair writes from both addresses at once."""
        for number, user_id in self.pairs:
            self.outside.write(number, self._first.business.sender, f"It is me, {user_id}.")

    def promises(self, records: Records, oracle: Oracle) -> list[Promise]:
        ids = {row.id: row for row in records.rows}
        refused = [row for row in ids.values() if row.from_number == self._number(self._refusing)]
        often = [f"{row.id}: {row.sends}" for row in refused if row.sends > MOST_SENDS]
        undecided = [row.id for row in refused if row.status in UNSETTLED]
        split = [
            number
            for number, user_id in self.pairs
            if records.people.get(number) != records.people.get(user_id)
        ]
        return [
            Promise("messages that are always answered 500", str(len(refused))),
            Promise("sent more often than the cap", str(len(often)), tuple(often[:5])),
            Promise("without a decided fate", str(len(undecided)), tuple(undecided[:5])),
            self._silence(ids, oracle),
            Promise("people of two addresses, merged", str(len(self.pairs)), tuple(split[:5])),
        ]

    def _silence(self, rows: dict[str, Any], oracle: Oracle) -> Promise:
        """A claim of a process that was frozen with it may still be sent within its lease."""
        margin = float(self.plan.settings["CLAIM_LEASE_SECONDS"])
        left = [
            message_id
            for message_id, at in oracle.handed.items()
            if message_id in rows
            and rows[message_id].from_number in self._silenced
            and self.began + margin < at < self.ended
        ]
        return Promise("sent while disabled or closed", str(len(left)), tuple(left[:5]))

    def _number(self, sender: Sender) -> str:
        return sender.business.sender

    def _open_pairs(self, count: int) -> None:
        """Create people who are known by a number on one channel and by a user id on another."""
        tenant = self._opener.tenant()
        self._first, self._second = self._opener.sender(tenant, 80), self._opener.sender(tenant, 80)
        for index in range(count):
            number, user_id = f"+1405{5_000_000 + index}", f"US.{77_000_000 + index}"
            self.pairs.append((number, user_id))
            self.outside.add_phone(number)
            self.outside.call("POST", "/phones", {"user_id": user_id, "window": "open"})
            self.outside.write(user_id, self._second.business.sender, "Hidden number.")
        for turn in range(4):
            for number, user_id in self.pairs:
                for sender in (self._first, self._second):
                    for address in (number, user_id):
                        self.letters.append(self._letter(sender, address, f"Turn {turn}."))

    def _texts(self, sender: Sender, count: int, people: int) -> list[Letter]:
        found = []
        start = self._numbers
        self._numbers += people
        for index in range(count):
            to = f"+1404{5_000_000 + start + index % people}"
            found.append(self._letter(sender, to, f"Trouble {index}."))
        return found

    def _letter(self, sender: Sender, to: str, body: str) -> Letter:
        return Letter(str(uuid.uuid4()), sender.business, to, body, "default")

    def _limit(self, username: str) -> None:
        """Give the tenant of the main load a quota, so that it is counted under two-way traffic."""
        token = sign_in(self.web_url, username)
        tenant_id = ask(self.web_url, token, "GET", "/auth/me")["tenant"]["id"]
        body = {"daily_message_quota": ENOUGH_QUOTA}
        ask(self.web_url, self._opener.admin, "PUT", f"/tenants/{tenant_id}", body)

    def _set_channel(self, status: str) -> None:
        token = self._opener.token(self._disabled_tenant.owner)
        path = f"/channels/{self._disabled.channel_id}"
        ask(self.web_url, token, "PUT", path, {"status": status})

    def _set_tenant(self, status: str) -> None:
        path = f"/tenants/{self._closed_tenant.id}"
        ask(self.web_url, sign_in(self.web_url, "admin"), "PUT", path, {"status": status})
