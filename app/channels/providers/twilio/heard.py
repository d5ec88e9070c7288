"""Twilio's list of incoming messages: its rows are converted to the form of their webhooks."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import structlog

from app.channels.providers.base import HeardMessage, HeardPage
from app.channels.providers.twilio.parser import event_key

log = structlog.get_logger(__name__)


def refuse_foreign(page: str, pages: str) -> None:
    """Raises ValueError for a page whose address does not begin like those of `pages`."""
    if not page.startswith(pages):
        raise ValueError("a page of another list")


def path_of(url: str | None, base_url: str) -> str | None:
    """Return the address of a page without the host, to be stored."""
    return None if url is None else url.removeprefix(base_url.rstrip("/"))


def read_page(page: Any, next_page: str | None) -> HeardPage:
    """Return the incoming messages of a page. Rows that cannot be read are logged and counted."""
    messages, unreadable = [], 0
    for row in _rows(page):
        if row is not None and str(row.direction).startswith("outbound"):
            continue
        message = _message(row)
        if message is None:
            unreadable += 1
            log.warning("unreadable_listed_message", sid=str(getattr(row, "sid", None)))
        else:
            messages.append(message)
    return HeardPage(messages, next_page, unreadable)


def _rows(page: Any) -> Iterator[Any]:
    """Yields None for a row that the library cannot read."""
    rows = iter(page)
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except (ValueError, TypeError, KeyError, AttributeError):
            yield None


def _message(row: Any) -> HeardMessage | None:
    if row is None or row.direction != "inbound" or not row.sid:
        return None
    written = row.date_created or row.date_sent or row.date_updated
    if written is None:
        return None
    media = str(row.num_media or "0")
    form = {
        "MessageSid": row.sid,
        "SmsMessageSid": row.sid,
        "AccountSid": row.account_sid or "",
        "From": row.from_ or "",
        "To": row.to or "",
        "Body": row.body or "",
        "NumMedia": media,
    }
    raw = urlencode(form) + "\n"
    return HeardMessage(row.sid, event_key(raw), raw, written, is_whole=media == "0")


def read_media(items: Sequence[Any], home: str) -> dict[str, str]:
    """Return the parameters that a webhook has for these media; `home` is the API's own URL."""
    found: dict[str, str] = {}
    for index, item in enumerate(items):
        found[f"MediaUrl{index}"] = home + str(item.uri).removesuffix(".json")
        found[f"MediaContentType{index}"] = item.content_type or ""
    return found


def with_media(message: HeardMessage, media: dict[str, str]) -> HeardMessage:
    form = message.raw.removesuffix("\n")
    more = f"&{urlencode(media)}" if media else ""
    return replace(message, raw=f"{form}{more}\n", is_whole=True)
