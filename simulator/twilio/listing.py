"""The list of messages: newest first, filtered, in the vendor's pages."""

import asyncio
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from simulator.faults import Call, Rule
from simulator.records import Message
from simulator.runtime import RUNTIME
from simulator.twilio.auth import authenticate
from simulator.twilio.errors import bad_request, cut, forbidden, json_response, server_error
from simulator.twilio.resource import message_resource

_FILTERS: Final = ("To", "From", "DateSent", "DateSent<", "DateSent>")
_TOKEN: Final = re.compile(r"^PASM([0-9a-f]{32})$")

Test = Callable[[Message], bool]


def page_size(request: web.Request, default: int = 50, most: int = 1000) -> int:
    text = request.query.get("PageSize", "")
    return min(max(int(text), 1), most) if text.isdigit() else default


def page_number(request: web.Request) -> int:
    text = request.query.get("Page", "")
    return int(text) if text.isdigit() else 0


def _moment(text: str) -> tuple[float, bool]:
    """Return epoch seconds, and whether a day is meant: the official client writes it as
    midnight."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise bad_request(20001, f"{text} is not a valid date") from None
    moment = moment.replace(tzinfo=moment.tzinfo or UTC)
    return moment.timestamp(), (moment.hour, moment.minute, moment.second) == (0, 0, 0)


def _date_tests(request: web.Request) -> Iterator[Test]:
    """Dates have whole seconds; a day ends with its last second."""
    day = timedelta(days=1).total_seconds()
    for name, text in request.query.items():
        if not name.startswith("DateSent") or not text:
            continue
        at, whole_day = _moment(text)
        end = at + (day if whole_day else 1)
        if name == "DateSent":
            yield lambda m, a=at, e=end: m.sent is not None and a <= m.sent < e  # type: ignore[misc]
        elif name == "DateSent<":
            yield lambda m, e=end: m.sent is not None and m.sent < e  # type: ignore[misc]
        elif name == "DateSent>":
            yield lambda m, a=at: m.sent is not None and m.sent >= a  # type: ignore[misc]


def _tests(request: web.Request, lag: float) -> list[Test]:
    tests: list[Test] = [lambda m: not m.deleted]
    to, from_ = request.query.get("To"), request.query.get("From")
    if to:
        tests.append(lambda m: m.to_address == to)
    if from_:
        tests.append(lambda m: m.from_address == from_)
    if lag:
        newest = time.time() - lag
        tests.append(lambda m: m.created <= newest)
    tests.extend(_date_tests(request))
    return tests


def _newest_first(messages: list[Message], token: str | None) -> Iterator[Message]:
    end = len(messages)
    if token:
        match = _TOKEN.match(token)
        if match is None:
            raise bad_request(20001, "PageToken is not valid")
        end = bisect_left(messages, int(match[1], 16), key=lambda m: m.seq)
    for index in range(end - 1, -1, -1):
        yield messages[index]


def _take(found: Iterator[Message], skip: int, size: int) -> tuple[list[Message], bool]:
    taken: list[Message] = []
    for message in found:
        if skip > 0:
            skip -= 1
        elif len(taken) == size:
            return taken, True
        else:
            taken.append(message)
    return taken, False


def _uri(request: web.Request, page: int, size: int, token: str | None = None) -> str:
    query = [(name, request.query[name]) for name in _FILTERS if request.query.get(name)]
    query += [("PageSize", str(size)), ("Page", str(page))]
    if token:
        query.append(("PageToken", token))
    return f"{request.path}?{urlencode(query)}"


def envelope(
    request: web.Request, items: list[dict[str, Any]], size: int, next_token: str | None
) -> dict[str, Any]:
    """Return the page around `messages`; a token keeps pages stable while new messages arrive."""
    page = page_number(request)
    following = _uri(request, page + 1, size, next_token) if next_token else None
    return {
        "messages": items,
        "page": page,
        "page_size": size,
        "start": page * size,
        "end": page * size + max(len(items) - 1, 0),
        "first_page_uri": _uri(request, 0, size),
        "previous_page_uri": _uri(request, page - 1, size) if page else None,
        "next_page_uri": following,
        "uri": _uri(request, page, size, request.query.get("PageToken")),
    }


async def disturb(request: web.Request, rule: Rule | None) -> web.Response | None:
    """Apply the rule before the answer; return the answer if the rule gives one."""
    if rule is None:
        return None
    if rule.fault == "fail_500":
        raise server_error()
    if rule.fault == "forbidden":
        raise forbidden()
    await asyncio.sleep(rule.seconds)
    return cut(request) if rule.fault == "hang" else None


async def list_messages(request: web.Request) -> web.StreamResponse:
    runtime = request.app[RUNTIME]
    account = authenticate(request)
    await asyncio.sleep(runtime.faults.latency())
    query, size = request.query, page_size(request)
    address = query.get("To") or query.get("From") or None
    tests = _tests(request, runtime.faults.list_lag)
    token = query.get("PageToken")
    messages = runtime.world.account_messages(account, address)
    found = (m for m in _newest_first(messages, token) if all(test(m) for test in tests))
    taken, more = _take(found, 0 if token else page_number(request) * size, size)
    next_token = f"PASM{taken[-1].seq:032x}" if more else None
    runtime.log.add("list", account=account.sid, query=dict(query), count=len(taken))
    texts = (query.get("To", ""), query.get("From", ""), "\n".join(each.body for each in taken))
    rule = runtime.faults.on_listing("list", Call(account.sid, *texts))
    disturbed = await disturb(request, rule)
    if disturbed is not None:
        return disturbed
    return json_response(envelope(request, [message_resource(m) for m in taken], size, next_token))
