"""The Content API: templates, rich messages, and their WhatsApp approval."""

import asyncio
import json
import re
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from simulator.records import Account, Content
from simulator.runtime import RUNTIME, Runtime
from simulator.twilio.auth import authenticate
from simulator.twilio.errors import Refusal, bad_request, json_response, not_found
from simulator.twilio.resource import iso8601
from simulator.twilio.senders import base_of, meta_page
from simulator.world import new_sid

_REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "twilio/text": ("body",),
    "twilio/media": ("media",),
    "twilio/location": ("latitude", "longitude"),
    "twilio/list-picker": ("body", "button", "items"),
    "twilio/call-to-action": ("body", "actions"),
    "twilio/quick-reply": ("body", "actions"),
    "twilio/card": (),
    "twilio/carousel": ("body", "cards"),
    "twilio/catalog": (),
    "twilio/schedule": (),
    "twilio/flows": ("body", "button_text", "pages", "type"),
    "whatsapp/card": ("body",),
    "whatsapp/authentication": ("actions",),
    "whatsapp/flows": ("body", "button_text", "flow_id"),
}
_LENGTHS: Final = {
    "twilio/list-picker": ("items", 10, (("item", 24), ("description", 72), ("id", 200))),
    "twilio/quick-reply": ("actions", 10, (("title", 20), ("id", 200))),
}
_APPROVED_AFTER: Final = 2.0


def content_resource(base: str, content: Content) -> dict[str, Any]:
    url = f"{base}/v1/Content/{content.sid}"
    return {
        "sid": content.sid,
        "account_sid": content.account_sid,
        "friendly_name": content.friendly_name,
        "language": content.language,
        "variables": content.variables,
        "types": content.types,
        "date_created": iso8601(content.created),
        "date_updated": iso8601(content.updated),
        "url": url,
        "links": {
            "approval_fetch": f"{url}/ApprovalRequests",
            "approval_create": f"{url}/ApprovalRequests/whatsapp",
        },
    }


def _with_approval(base: str, content: Content) -> dict[str, Any]:
    shown = content_resource(base, content)
    return shown | {"approval_requests": content.approval}


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        data = await request.json()
    except json.JSONDecodeError:
        raise bad_request(20001, "The body must be JSON") from None
    if not isinstance(data, dict):
        raise bad_request(20001, "The body must be a JSON object")
    return data


def check_types(types: Any) -> dict[str, dict[str, Any]]:
    """Required fields and WhatsApp's limits. Raises Refusal."""
    if not isinstance(types, dict) or not types:
        raise bad_request(20001, "types is required")
    for name, fields in types.items():
        if name not in _REQUIRED or not isinstance(fields, dict):
            raise bad_request(20001, f"{name} is not a content type")
        missing = [field for field in _REQUIRED[name] if fields.get(field) in (None, "", [])]
        if missing:
            raise bad_request(20001, f"{name} lacks {', '.join(missing)}")
        if name in _LENGTHS:
            _check_lengths(name, fields)
    return types


def _check_lengths(name: str, fields: dict[str, Any]) -> None:
    key, most, limits = _LENGTHS[name]
    if len(fields[key]) > most or len(str(fields["body"])) > 1024:
        raise bad_request(20001, f"{name}: body ≤ 1024 characters, {key} ≤ {most}")
    for item in fields[key]:
        for field, length in limits:
            if len(str(item.get(field) or "")) > length:
                raise bad_request(20001, f"{name}: {field} ≤ {length} characters")


def _found(request: web.Request) -> tuple[Runtime, Content]:
    runtime = request.app[RUNTIME]
    account = authenticate(request)
    content = runtime.world.contents.get((account.sid, request.match_info["sid"]))
    if content is None:
        raise not_found(request)
    return runtime, content


async def create_content(request: web.Request) -> web.StreamResponse:
    runtime = request.app[RUNTIME]
    account, data, now = authenticate(request), await _json(request), time.time()
    if not data.get("language"):
        raise bad_request(20001, "language is required")
    content = Content(
        sid=new_sid("HX"),
        account_sid=account.sid,
        friendly_name=str(data.get("friendly_name") or ""),
        language=str(data["language"]),
        variables={str(k): str(v) for k, v in (data.get("variables") or {}).items()},
        types=check_types(data.get("types")),
        created=now,
        updated=now,
    )
    runtime.world.put_content(content)
    return json_response(content_resource(base_of(request), content), 201)


async def fetch_content(request: web.Request) -> web.StreamResponse:
    _, content = _found(request)
    return json_response(content_resource(base_of(request), content))


async def update_content(request: web.Request) -> web.StreamResponse:
    runtime, content = _found(request)
    data = await _json(request)
    if content.status not in ("unsubmitted", "rejected"):
        raise Refusal(409, 20409, "A submitted template cannot be changed")
    if "types" in data:
        content.types = check_types(data["types"])
    content.friendly_name = str(data.get("friendly_name") or content.friendly_name)
    content.language = str(data.get("language") or content.language)
    if "variables" in data:
        content.variables = {str(k): str(v) for k, v in data["variables"].items()}
    content.updated = time.time()
    runtime.world.put_content(content)
    return json_response(content_resource(base_of(request), content))


async def delete_content(request: web.Request) -> web.StreamResponse:
    runtime, content = _found(request)
    runtime.world.remove_content(content)
    return web.Response(status=204)


async def fetch_approval(request: web.Request) -> web.StreamResponse:
    _, content = _found(request)
    return json_response(
        {
            "sid": content.sid,
            "account_sid": content.account_sid,
            "whatsapp": content.approval,
            "url": f"{base_of(request)}/v1/Content/{content.sid}/ApprovalRequests",
        }
    )


async def submit(request: web.Request) -> web.StreamResponse:
    """Approve for the channel; a name that ends in `_rejected` is rejected."""
    runtime, content = _found(request)
    data = await _json(request)
    name, category = str(data.get("name") or ""), str(data.get("category") or "")
    if not re.fullmatch(r"[a-z0-9_]{1,512}", name):
        raise bad_request(20001, "name must be lower-case letters, digits and underscores")
    if category not in ("UTILITY", "MARKETING", "AUTHENTICATION"):
        raise bad_request(20001, "category must be UTILITY, MARKETING or AUTHENTICATION")
    content.approval = {
        "type": "whatsapp",
        "name": name,
        "category": category,
        "content_type": next(iter(content.types)),
        "status": "received",
        "rejection_reason": "",
        "allow_category_change": bool(data.get("allow_category_change", True)),
    }
    runtime.world.put_content(content)
    runtime.spawn(_review(runtime, content))
    return json_response(content.approval, 201)


async def _review(runtime: Runtime, content: Content) -> None:
    for status in ("pending", "approved"):
        await asyncio.sleep(runtime.scaled(_APPROVED_AFTER / 2))
        rejected = status == "approved" and str(content.approval["name"]).endswith("_rejected")
        content.approval["status"] = "rejected" if rejected else status
        content.approval["rejection_reason"] = "INVALID_FORMAT" if rejected else ""
        runtime.world.put_content(content)


def _created(content: Content, text: str | None, sign: int) -> bool:
    if not text:
        return True
    try:
        at = datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise bad_request(20001, f"{text} is not a valid date") from None
    return (content.created - at) * sign >= 0


def _matches(text: str, pattern: str | None) -> bool:
    try:
        return not pattern or re.search(pattern, text, re.IGNORECASE) is not None
    except re.error:
        raise bad_request(20001, f"{pattern} is not a valid pattern") from None


def _filtered(request: web.Request, contents: Iterable[Content]) -> list[Content]:
    """The filters of the v2 lists."""
    query = request.query
    languages, types = query.getall("Language", []), query.getall("ContentType", [])
    eligible = [value.partition(":")[2] for value in query.getall("ChannelEligibility", [])]
    found = [
        c
        for c in contents
        if _matches(c.friendly_name, query.get("ContentName"))
        and _matches(json.dumps(c.types, ensure_ascii=False), query.get("Content"))
        and (not languages or c.language in languages)
        and (not types or set(types) & set(c.types))
        and (not eligible or c.status in eligible)
        and _created(c, query.get("DateCreatedAfter"), 1)
        and _created(c, query.get("DateCreatedBefore"), -1)
    ]
    if query.get("SortByContentName"):
        down = query["SortByContentName"].lower() == "desc"
        return sorted(found, key=lambda c: c.friendly_name, reverse=down)
    if query.get("SortByDate"):
        return sorted(found, key=lambda c: c.updated, reverse=query["SortByDate"].lower() == "desc")
    return found


def _list(request: web.Request) -> tuple[str, list[Content]]:
    account: Account = authenticate(request)
    contents = request.app[RUNTIME].world.account_contents(account)
    filtered = _filtered(request, contents) if request.path.startswith("/v2") else list(contents)
    return base_of(request), filtered


async def list_contents(request: web.Request) -> web.StreamResponse:
    base, contents = _list(request)
    items = [content_resource(base, content) for content in contents]
    return json_response(meta_page(request, base, "contents", items))


async def list_approvals(request: web.Request) -> web.StreamResponse:
    base, contents = _list(request)
    items = [_with_approval(base, content) for content in contents]
    return json_response(meta_page(request, base, "contents", items))
