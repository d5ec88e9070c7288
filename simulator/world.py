"""The state of the simulator, in memory; the store keeps a copy."""

import asyncio
import json
import secrets
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from simulator.demo import READY_MADE_PHONES
from simulator.outcomes import outcome_for
from simulator.records import NUMBER, PREFIX, USER_ID, Account, Content, Media, Message, Phone
from simulator.settings import Settings
from simulator.store import Store

WINDOW_SECONDS: Final = 24 * 3600
_LISTED_BY_THEMSELVES: Final = 40
_MOST_UNREAD: Final = 300
_ON_PHONE: Final = frozenset({"received", "delivered", "read"})


def new_sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


class World:
    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._seq = 0
        self._listeners: set[asyncio.Queue[str]] = set()
        self.accounts: dict[str, Account] = {}
        self.phones: dict[str, Phone] = {}
        self.messages: dict[str, Message] = {}
        self.media: dict[str, Media] = {}
        self.contents: dict[tuple[str, str], Content] = {}
        self.last_inbound: dict[tuple[str, str], float] = {}
        self._by_account: dict[str, list[Message]] = {}
        self._by_pair: dict[tuple[str, str], list[Message]] = {}
        self._by_phone: dict[str, list[Message]] = {}
        self._by_user_id: dict[str, Phone] = {}

    # The next methods fill the world at the start.

    def populate(self) -> None:
        """Load the accounts and ready-made phones of the settings, then what the store has saved.

        The ready-made phones are always the first of the list.
        """
        for config in self._settings.accounts:
            self.put_account(Account.from_config(config))
        for number, user_id, name in READY_MADE_PHONES:
            phone = Phone(number, user_id, name, self._settings.auto_read, True, True, True)
            self.phones[phone.key] = phone
        for kind, record in self._store.load():
            self._remember(kind, record)
        for place, phone in enumerate(self.phones.values(), 1):
            phone.seq = place
            if phone.ready_made:
                self.add_phone(phone)
                self.join(phone)

    def _remember(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "message":
            message = Message.from_json(data)
            self._seq = max(self._seq, message.seq)
            self._index(message)
        elif kind == "phone":
            phone = Phone.from_json(data)
            self.phones[phone.key] = phone
            if phone.user_id:
                self._by_user_id[phone.user_id] = phone
        elif kind == "media":
            media = Media.from_json(data)
            self.media[media.sid] = media
        elif kind == "content":
            content = Content.from_json(data)
            self.contents[content.account_sid, content.sid] = content
        elif kind == "window":
            self.last_inbound[data["phone"], data["sender"]] = data["at"]

    def reset(self) -> None:
        """Remove everything that happened; restore the accounts and phones of the start."""
        self._store.clear()
        for table in (
            self.accounts, self.phones, self.messages, self.media, self.contents,
            self.last_inbound, self._by_account, self._by_pair, self._by_phone, self._by_user_id,
        ):  # fmt: skip
            table.clear()
        self.populate()
        self.publish({"type": "reset"})

    # Accounts and senders.

    def put_account(self, account: Account) -> None:
        self.accounts[account.sid] = account

    def account_of_sender(self, address: str) -> Account | None:
        return next((a for a in self.accounts.values() if address in a.senders), None)

    # Phones.

    def add_phone(self, phone: Phone) -> Phone:
        phone.seq = phone.seq or len(self.phones) + 1
        self.phones[phone.key] = phone
        if phone.user_id:
            self._by_user_id[phone.user_id] = phone
        self.save_phone(phone)
        return phone

    def save_phone(self, phone: Phone) -> None:
        self._store.put("phone", phone.key, phone)
        if self._listeners and phone.listed:
            self.publish({"type": "phone", "phone": self.describe(phone)})

    def describe(self, phone: Phone) -> dict[str, Any]:
        """Return a phone as the page and the control API show it."""
        script = outcome_for(phone.key)
        senders = [sender for account in self.accounts.values() for sender in account.senders]
        return phone.to_json() | {
            "key": phone.key,
            "address": phone.address,
            "windows": {sender: self._window(phone, sender) for sender in senders},
            "script": script.text if script else None,
            "script_es": script.text_es if script else None,
            **self._chat_state(phone),
        }

    def _chat_state(self, phone: Phone) -> dict[str, Any]:
        """Return the last message on the phone, and how many the person has not read."""
        latest = list(islice(reversed(self._by_phone.get(phone.key, [])), _MOST_UNREAD))
        shown = [m for m in latest if not m.deleted and m.status in _ON_PHONE]
        return {
            "last_message": self.bubble(shown[0]) if shown else None,
            "unread": sum(m.status == "delivered" for m in shown),
        }

    def find_phone(self, key: str) -> Phone | None:
        key = key.removeprefix(PREFIX)
        return self.phones.get(key) or self._by_user_id.get(key)

    def phone_for(self, address: str) -> Phone:
        """Return the phone of an address; a number that was not added yet is taken as existing.

        The page lists only the first few of these: thousands, in a load test, would hide the
        others.
        """
        key = address.removeprefix(PREFIX)
        found = self.find_phone(key)
        if found:
            return found
        listed = len(self.phones) < _LISTED_BY_THEMSELVES
        if USER_ID.match(key):
            return self.add_phone(Phone(None, key, listed=listed))
        if not NUMBER.match(key):
            raise ValueError(f"{key!r} is neither an E.164 number nor a WhatsApp user id")
        return self.add_phone(Phone(key, None, listed=listed))

    # The 24-hour window.

    def set_window(self, phone: Phone, sender: str, last_inbound: float) -> None:
        self.last_inbound[phone.key, sender] = last_inbound
        value = {"phone": phone.key, "sender": sender, "at": last_inbound}
        self._store.put("window", f"{phone.key} {sender}", value)

    def join(self, phone: Phone) -> None:
        """Open the window with every sender, as joining the vendor's sandbox does."""
        now = time.time()
        for account in self.accounts.values():
            for sender in account.senders:
                self.set_window(phone, sender, now)
        self.save_phone(phone)

    def _window(self, phone: Phone, sender: str) -> dict[str, Any]:
        at = self.last_inbound.get((phone.key, sender))
        return {
            "open": self.window_open(phone, sender),
            "last_inbound": at,
            "closes_at": None if at is None else at + WINDOW_SECONDS,
        }

    def window_open(self, phone: Phone, sender: str) -> bool:
        at = self.last_inbound.get((phone.key, sender))
        if at is None:
            return self._settings.window == "open" or outcome_for(phone.key) is not None
        return time.time() - at < WINDOW_SECONDS

    # Messages.

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def _index(self, message: Message) -> None:
        self.messages[message.sid] = message
        self._by_account.setdefault(message.account_sid, []).append(message)
        for address in (message.from_address, message.to_address):
            self._by_pair.setdefault((message.account_sid, address), []).append(message)
        self._by_phone.setdefault(message.phone, []).append(message)

    def add_message(self, message: Message) -> None:
        self._index(message)
        self.save_message(message)

    def knows(self, message: Message) -> bool:
        """Return False for a message that a reset or a delete has removed while it was on its
        way."""
        return self.messages.get(message.sid) is message and not message.deleted

    def save_message(self, message: Message) -> None:
        if self.messages.get(message.sid) is not message:
            return
        self._store.put("message", message.sid, message)
        phone = self.phones[message.phone]
        if self._listeners and phone.listed:
            event = {"type": "message", "phone": phone.key, "message": self.bubble(message)}
            self.publish(event | self._chat_state(phone))

    def message(self, account: Account, sid: str) -> Message | None:
        found = self.messages.get(sid)
        if found is None or found.deleted or found.account_sid != account.sid:
            return None
        return found

    def account_messages(self, account: Account, address: str | None) -> list[Message]:
        """Return messages oldest first, deleted ones included; `address` restricts them to messages
        from or to it."""
        if address is not None:
            return self._by_pair.get((account.sid, address), [])
        return self._by_account.get(account.sid, [])

    def chat(self, phone: Phone, sender: str | None = None) -> Iterator[Message]:
        for message in self._by_phone.get(phone.key, ()):
            if not message.deleted and sender in (None, message.sender):
                yield message

    def bubble(self, message: Message) -> dict[str, Any]:
        """Return a message as the phone page and the control API show it."""
        shown = message.to_json()
        shown["from"], shown["to"] = message.from_address, message.to_address
        shown["media"] = [
            {
                "sid": sid,
                "content_type": media.content_type,
                "url": f"/media/{sid}" if media.size else None,
                "source_url": media.source_url,
            }
            for sid in message.media
            if (media := self.media.get(sid))
        ]
        return shown

    # Media and content.

    def add_media(self, media: Media, data: bytes) -> None:
        media.size = len(data)
        self.media[media.sid] = media
        self._store.put("media", media.sid, media)
        self._store.put_blob(media.sid, data)

    def media_bytes(self, sid: str) -> bytes | None:
        return self._store.blob(sid)

    def remove_media(self, sid: str) -> None:
        self.media.pop(sid, None)
        self._store.remove("media", sid)
        self._store.remove_blob(sid)

    def put_content(self, content: Content) -> None:
        self.contents[content.account_sid, content.sid] = content
        self._store.put("content", f"{content.account_sid} {content.sid}", content)

    def remove_content(self, content: Content) -> None:
        del self.contents[content.account_sid, content.sid]
        self._store.remove("content", f"{content.account_sid} {content.sid}")

    def account_contents(self, account: Account) -> Iterable[Content]:
        return [c for (sid, _), c in self.contents.items() if sid == account.sid]

    # Live pages.

    def subscribe(self) -> asyncio.Queue[str]:
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=1000)
        self._listeners.add(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[str]) -> None:
        self._listeners.discard(queue)

    def publish(self, event: dict[str, Any]) -> None:
        """Notify the open pages. A page that is too slow is dropped; it reconnects and reloads."""
        if not self._listeners:
            return
        text = json.dumps(event, ensure_ascii=False)
        for queue in list(self._listeners):
            try:
                queue.put_nowait(text)
            except asyncio.QueueFull:
                self._listeners.discard(queue)
