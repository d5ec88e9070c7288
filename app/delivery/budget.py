"""The budget of calls to providers: how many may run at once in this process, and of which
channels.

A call occupies a thread until the provider answers, for up to PROVIDER_TIMEOUT_SECONDS. A channel
is *fast* once its provider has answered it within SLOW_SECONDS, *slow* once a call took longer, and
*new* before either. New and slow channels together get only a part of the threads, so they never
keep a fast channel waiting, however many they are. A new channel begins with few calls at once;
slow channels share their part evenly.
"""

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from cachetools import TTLCache

from app.delivery.claims import Queue

SLOW_SECONDS = 1.0

MOST_AT_ONCE = 32
"""Calls of one channel: enough for 80 messages a second if each call takes less than 0.4 s."""

FIRST_AT_ONCE = 2
"""Calls of a new channel. Each fast answer doubles the number."""

MOST_CALLS = 640
"""Calls of this process."""

MOST_NOT_FAST = 512
"""Of those, calls of new and slow channels."""

MOST_NEW = 128
"""Of those, calls of new channels that have not become slow."""

MOST_NOT_FAST_OF_TENANT = 64
"""Of those, calls of one tenant."""

MOST_SLOW = 192
"""Calls of slow channels; more only of channels that were fast or new when they began."""

REMEMBERED_SECONDS = 600.0
MOST_REMEMBERED = 20_000


class Speed(StrEnum):
    NEW = "new"
    FAST = "fast"
    SLOW = "slow"


@dataclass
class Account:
    """The budget of one drain: at most `at_once` calls at a time, of which `calls` are in
    progress."""

    key: Queue
    speed: Speed = Speed.NEW
    at_once: int = FIRST_AT_ONCE
    calls: int = 0
    is_waiting: bool = False


@dataclass(eq=False)
class Ticket:
    """The permission to make one call, which counts against the limit of `speed`."""

    account: Account
    speed: Speed
    is_back: bool = False


@dataclass
class Budget:
    """The tickets of one engine, which holds its lock during each call of these methods."""

    used: dict[Speed, int] = field(default_factory=lambda: dict.fromkeys(Speed, 0))
    not_fast: Counter[UUID] = field(default_factory=Counter)
    slow: set[Queue] = field(default_factory=set)
    waiting: dict[Speed, deque[Account]] = field(
        default_factory=lambda: {speed: deque() for speed in Speed}
    )
    known: TTLCache[Queue, tuple[Speed, int]] = field(
        default_factory=lambda: TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS, time.monotonic)
    )

    def open(self, key: Queue) -> Account:
        """Return the account of a channel that has something to send, with its remembered speed."""
        speed, at_once = self.known.get(key, (Speed.NEW, FIRST_AT_ONCE))
        if speed is Speed.SLOW:
            self.slow.add(key)
        return Account(key, speed, at_once)

    def close(self, account: Account) -> None:
        """Close the account of a channel that has nothing more to send."""
        self.known[account.key] = (account.speed, account.at_once)
        self.slow.discard(account.key)

    def grant(self, account: Account, most: int) -> list[Ticket]:
        """Return up to `most` tickets. If none are free, the account is put on the waiting list."""
        room = min(most, self._own_room(account), self._room(account.speed))
        if account.speed is not Speed.FAST:
            room = min(room, MOST_NOT_FAST_OF_TENANT - self.not_fast[account.key.tenant_id])
        if room <= 0 < self._own_room(account) and not account.is_waiting:
            account.is_waiting = True
            self.waiting[account.speed].append(account)
        tickets = [Ticket(account, account.speed) for _ in range(max(0, room))]
        account.calls += len(tickets)
        self._count(account, account.speed, len(tickets))
        return tickets

    def give_back(self, ticket: Ticket, seconds: float | None = None) -> None:
        """Return a ticket after its call, which took `seconds`; None when no call was made."""
        ticket.is_back = True
        ticket.account.calls -= 1
        self._count(ticket.account, ticket.speed, -1)
        if seconds is not None and seconds < SLOW_SECONDS:
            self._set_speed(ticket.account, Speed.FAST)
            ticket.account.at_once = min(MOST_AT_ONCE, 2 * ticket.account.at_once)

    def age(self, ticket: Ticket) -> None:
        """Count the call as slow: it has been in progress for SLOW_SECONDS."""
        if not ticket.is_back and ticket.speed is not Speed.SLOW:
            self._count(ticket.account, ticket.speed, -1)
            ticket.speed = Speed.SLOW
            self._count(ticket.account, Speed.SLOW, 1)
            self._set_speed(ticket.account, Speed.SLOW)
            ticket.account.at_once = FIRST_AT_ONCE

    def admit(self) -> list[Account]:
        """Return the waiting accounts that may ask again, the longest waiting first."""
        found = []
        for speed in (Speed.FAST, Speed.NEW, Speed.SLOW):
            queue = self.waiting[speed]
            for _ in range(min(len(queue), max(0, self._room(speed)))):
                account = queue.popleft()
                account.is_waiting = False
                found.append(account)
        return found

    def _own_room(self, account: Account) -> int:
        if account.speed is Speed.SLOW:
            share = MOST_SLOW // max(1, len(self.slow))
            return max(1, min(MOST_AT_ONCE, share)) - account.calls
        return account.at_once - account.calls

    def _room(self, speed: Speed) -> int:
        not_fast = self.used[Speed.NEW] + self.used[Speed.SLOW]
        room = MOST_CALLS - not_fast - self.used[Speed.FAST]
        if speed is not Speed.FAST:
            room = min(room, MOST_NOT_FAST - not_fast)
        if speed is Speed.NEW:
            room = min(room, MOST_NEW - self.used[Speed.NEW])
        if speed is Speed.SLOW:
            room = min(room, MOST_SLOW - self.used[Speed.SLOW])
        return room

    def _count(self, account: Account, speed: Speed, calls: int) -> None:
        self.used[speed] += calls
        tenant_id = account.key.tenant_id
        if calls and speed is not Speed.FAST:
            self.not_fast[tenant_id] += calls
            if not self.not_fast[tenant_id]:
                del self.not_fast[tenant_id]

    def _set_speed(self, account: Account, speed: Speed) -> None:
        account.speed = speed
        if speed is Speed.SLOW:
            self.slow.add(account.key)
        else:
            self.slow.discard(account.key)
