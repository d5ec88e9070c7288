"""The vendor's paths. Its hosts (api, content, messaging) are distinguished by path alone."""

from aiohttp import web

from simulator.twilio import content, listing, media, messages, senders, typing

_ACCOUNT = "/2010-04-01/Accounts/{account}"
_MESSAGE = _ACCOUNT + "/Messages/{sid:[A-Za-z0-9]+}"


def twilio_routes() -> list[web.RouteDef]:
    return [
        web.get(_ACCOUNT + ".json", senders.fetch_account),
        web.post(_ACCOUNT + "/Messages.json", messages.create),
        web.get(_ACCOUNT + "/Messages.json", listing.list_messages),
        web.get(_MESSAGE + ".json", messages.fetch),
        web.post(_MESSAGE + ".json", messages.update),
        web.delete(_MESSAGE + ".json", messages.delete),
        web.post(_MESSAGE + "/Feedback.json", messages.feedback),
        web.get(_MESSAGE + "/Media.json", media.list_media),
        web.get(_MESSAGE + "/Media/{media:[A-Za-z0-9]+}.json", media.fetch_media),
        web.delete(_MESSAGE + "/Media/{media:[A-Za-z0-9]+}.json", media.delete_media),
        web.get(_MESSAGE + "/Media/{media:[A-Za-z0-9]+}", media.redirect_media),
        web.delete(_MESSAGE + "/Media/{media:[A-Za-z0-9]+}", media.delete_media),
        web.get("/media/{media:[A-Za-z0-9]+}", media.serve_bytes),
        web.get("/v1/Content", content.list_contents),
        web.post("/v1/Content", content.create_content),
        web.get("/v1/Content/{sid}", content.fetch_content),
        web.put("/v1/Content/{sid}", content.update_content),
        web.delete("/v1/Content/{sid}", content.delete_content),
        web.get("/v1/Content/{sid}/ApprovalRequests", content.fetch_approval),
        web.post("/v1/Content/{sid}/ApprovalRequests/whatsapp", content.submit),
        web.get("/v1/ContentAndApprovals", content.list_approvals),
        web.get("/v2/Content", content.list_contents),
        web.get("/v2/ContentAndApprovals", content.list_approvals),
        web.get("/v2/Channels/Senders", senders.list_senders),
        web.get("/v2/Channels/Senders/{sid}", senders.fetch_sender),
        web.post("/v2/Indicators/Typing.json", typing.start_typing),
    ]
