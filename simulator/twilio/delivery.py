"""The progress of an outbound message: queued, sent, delivered, read, or its failure."""

import asyncio
import time
from typing import Final

import aiohttp

from simulator.faults import Call
from simulator.outcomes import Outcome, error_message, outcome_for
from simulator.records import Media, Message, Phone
from simulator.runtime import Runtime
from simulator.twilio.media_urls import is_fetchable
from simulator.twilio.status import StatusCallbacks
from simulator.world import new_sid

FINAL: Final = frozenset({"failed", "undelivered", "read", "canceled"})
_NOT_SENT: Final = frozenset({"accepted", "queued", "scheduled"})
_MAX_MEDIA: Final = 16 * 1024 * 1024
_MEDIA_TYPES: Final = ("image/", "audio/", "video/", "application/", "text/vcard", "text/x-vcard")


class Delivery:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._callbacks = StatusCallbacks(runtime)

    def start(self, message: Message) -> None:
        """Start the message's progress; a scheduled one waits for its time first."""
        wait = self._runtime.scaled(self._runtime.settings.sent_after)
        if message.send_at is not None:
            wait = max(wait, message.send_at - time.time())
        self._later(wait, message)

    async def start_early(self, message: Message) -> None:
        """Make the first callback arrive before the create call is answered."""
        task = self._send(message)
        if task is not None:
            await asyncio.wait([task], timeout=5)

    def resume(self) -> None:
        """Continue the messages that were on their way when the last run stopped."""
        for message in list(self._runtime.world.messages.values()):
            if message.inbound or message.deleted:
                continue
            if message.status in _NOT_SENT:
                self.start(message)
            elif message.status == "sent":
                self._after_sent(message)
            elif message.status == "delivered":
                self._read_later(message)

    def is_early(self, message: Message) -> bool:
        outcome = outcome_for(message.phone)
        if outcome is not None and outcome.callbacks == "early":
            return True
        call = Call(message.account_sid, message.to_address, message.from_address, message.body)
        return self._runtime.faults.on_callback(call, early=True) is not None

    def phone_online(self, phone: Phone) -> None:
        """Deliver what waited while the phone was off."""
        for message in list(self._runtime.world.chat(phone)):
            if not message.inbound and message.status == "sent":
                self._deliver(message)

    def read_waiting(self, phone: Phone) -> None:
        """Read what was delivered before the phone was switched to read by itself."""
        for message in list(self._runtime.world.chat(phone)):
            if message.status == "delivered":
                self._read_later(message)

    def read(self, message: Message) -> bool:
        """Mark as read by the person; return False if it is not on the phone or read already."""
        if message.status != "delivered" or message.inbound:
            return False
        if not self._runtime.world.knows(message):
            return False
        self._move(message, "read")
        self._runtime.log.add("read", sid=message.sid, phone=message.phone)
        return True

    def _later(self, wait: float, message: Message) -> None:
        loop = asyncio.get_running_loop()
        if message.media and self._runtime.settings.fetch_media:
            loop.call_later(wait, lambda: self._runtime.spawn(self._fetch_then_send(message)))
        else:
            loop.call_later(wait, self._send, message)

    async def _fetch_then_send(self, message: Message) -> None:
        for sid in message.media:
            media = self._runtime.world.media.get(sid)
            if media and not await self._fetch(media):
                message.doomed = message.doomed or 63019
        self._send(message)

    async def _fetch(self, media: Media) -> bool:
        """Download the media as the vendor does. A type that WhatsApp does not accept counts as a
        failure."""
        if media.source_url is None:
            return True
        try:
            timeout = aiohttp.ClientTimeout(total=10)
            async with self._runtime.session.get(
                media.source_url, timeout=timeout, middlewares=(self._refuse_loopback,)
            ) as response:
                data = await response.content.read(_MAX_MEDIA + 1)
                while len(data) <= _MAX_MEDIA and not response.content.at_eof():
                    data += await response.content.read(_MAX_MEDIA + 1 - len(data))
                status, media.content_type = response.status, response.content_type
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            self._runtime.log.add("media_fetch", url=media.source_url, error=str(error))
            return False
        self._runtime.log.add("media_fetch", url=media.source_url, http_status=status)
        known = media.content_type.startswith(_MEDIA_TYPES)
        if status != 200 or not known or len(data) > _MAX_MEDIA:
            return False
        self._runtime.world.add_media(media, data)
        return True

    async def _refuse_loopback(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Refuse what the vendor cannot reach, also behind a redirect."""
        if not is_fetchable(self._runtime.settings, str(request.url)):
            raise aiohttp.ClientError(f"the vendor cannot reach {request.url}")
        return await handler(request)

    def _send(self, message: Message) -> asyncio.Task[None] | None:
        world = self._runtime.world
        if not world.knows(message) or message.status not in _NOT_SENT:
            return None
        phone = world.phone_for(message.person_address)
        outcome = outcome_for(phone.key) or _ORDINARY
        code = message.doomed
        if code is None and message.content_sid is None:
            code = None if world.window_open(phone, message.sender) else 63016
        if code is None and outcome.ends == "failed":
            code = outcome.error_code
        if code is not None:
            return self._fail(message, "failed", code)
        message.sent = time.time()
        task = self._move(message, "sent")
        self._after_sent(message)
        return task

    def _after_sent(self, message: Message) -> None:
        outcome = outcome_for(message.phone) or _ORDINARY
        wait = self._runtime.scaled(self._runtime.settings.delivered_after + outcome.slow)
        loop = asyncio.get_running_loop()
        if outcome.ends == "undelivered":
            code = outcome.error_code or 30008
            loop.call_later(wait, self._fail, message, "undelivered", code)
        elif outcome.ends != "sent":
            loop.call_later(wait, self._deliver, message)

    def _deliver(self, message: Message) -> None:
        if message.status != "sent" or not self._runtime.world.knows(message):
            return
        phone = self._runtime.world.phone_for(message.person_address)
        if not phone.online:
            return
        self._move(message, "delivered")
        self._read_later(message)

    def _read_later(self, message: Message) -> None:
        if self._reads_by_itself(message):
            wait = self._runtime.scaled(self._runtime.settings.read_after)
            asyncio.get_running_loop().call_later(wait, self._read_by_itself, message)

    def _read_by_itself(self, message: Message) -> None:
        """Read, unless the phone was switched to not read by itself, or off, in the meantime."""
        if self._runtime.world.knows(message) and self._reads_by_itself(message):
            self.read(message)

    def _reads_by_itself(self, message: Message) -> bool:
        outcome = outcome_for(message.phone)
        if outcome is not None:
            return outcome.ends == "read"
        phone = self._runtime.world.phones[message.phone]
        return phone.auto_read and phone.online

    def _fail(self, message: Message, status: str, code: int) -> asyncio.Task[None] | None:
        if message.status in FINAL or not self._runtime.world.knows(message):
            return None
        message.error_code, message.error_message = code, error_message(code)
        return self._move(message, status)

    def _move(self, message: Message, status: str) -> asyncio.Task[None] | None:
        message.status, message.updated = status, time.time()
        self._runtime.world.save_message(message)
        self._runtime.log.add(
            "status", sid=message.sid, status=status, error_code=message.error_code
        )
        return self._callbacks.emit(message, status)


_ORDINARY: Final = Outcome("delivered")


def attach_media(runtime: Runtime, message: Message, urls: list[str]) -> None:
    """Create media records for MediaUrl values; the bytes are fetched when the message is sent."""
    for url in urls:
        sid = new_sid("ME")
        media = Media(sid, message.account_sid, message.sid, "image/jpeg", message.created, url)
        runtime.world.media[sid] = media
        message.media.append(sid)
