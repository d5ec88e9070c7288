"""Webhooks: how fast a signed status or incoming message is stored and answered, while the load
rises."""

from collections.abc import Callable, Iterator
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from flask import Flask
from twilio.request_validator import RequestValidator

from app.messages import attempt_token
from app.messages.attempt_token import AttemptRef
from bench import limits, processes, tape
from bench.application import quiet_app
from bench.figures import Figure, Sheet
from bench.load import Outcome, Shot, at_rate
from bench.scale import Scale
from bench.world import BenchChannel, Seeded, World

BAR_RATE = 320
MOST_MS = {320: (None, 250.0), 500: (50.0, 1_000.0)}
"""Rate → the bars of the median (None: no bar) and of the 99th percentile."""

STATUSES = ("sent", "delivered", "read")
PEOPLE = 1_000


async def measure(world: World, scale: Scale, sheet: Sheet) -> None:
    (place,) = await world.tenant()
    people = [number for _, _, number in world.seed_people(place, PEOPLE)]
    posts = sum(rate * int(scale.webhook_seconds + 1) for rate in scale.webhook_rates) + 200
    receipts = world.seed_messages(place, posts // 4 + 1, "accepted")
    # Prepared in advance: signing is the provider's work, not this machine's.
    shots = iter(list(_take(signed_posts(place, receipts, people), posts)))
    empty = await limits.empty_route(b"", 32, scale.limit_seconds)
    post = one_inbound(quiet_app(), place, people[0])
    bare = tape.limit(post, world.connect, scale.limit_seconds)
    # The recorded transaction had locked its events' rows when a worker queried for them; it
    # retries after its lease.
    world.forget_received(place)
    for rate in scale.webhook_rates:
        with processes.cost() as cost:
            outcome = await at_rate(shots, rate, scale.webhook_seconds)
        await world.quiet(place)
        _tell(sheet, rate, outcome)
        if rate == BAR_RATE:
            reached = _is_prompt(outcome, rate)
            bar = f"≥ {BAR_RATE}/s"
            name = "Webhooks acknowledged"
            limit = "an empty Flask route"
            sheet.add(Figure(name, outcome.rate, "/s", limit, empty.rate, bar, reached))
            sheet.add(
                Figure(
                    name,
                    outcome.rate,
                    "/s",
                    "their SQL by bare psycopg2",
                    bare,
                    note=cost.each(outcome.good),
                )
            )


def _tell(sheet: Sheet, rate: int, outcome: Outcome) -> None:
    median, p99 = MOST_MS.get(rate, (None, None))
    bars = [f"≤ {p99:.0f} ms"] if p99 else []
    bars += [f"median ≤ {median:.0f} ms"] if median else []
    sheet.add(
        Figure(
            f"Webhook at {rate}/s, p99",
            outcome.percentile(0.99),
            "ms",
            bar=", ".join(bars),
            reached=_is_prompt(outcome, rate) if bars else None,
            note=f"median {outcome.percentile(0.5):.0f} ms, {outcome.rate:.0f}/s answered,"
            f" {outcome.bad} not 2xx",
        )
    )


def _is_prompt(outcome: Outcome, rate: int) -> bool:
    median, p99 = MOST_MS[rate]
    is_median_good = median is None or outcome.percentile(0.5) <= median
    return not outcome.bad and is_median_good and outcome.percentile(0.99) <= p99


def signed_receipts(place: BenchChannel, sent: list[Seeded]) -> Iterator[Shot]:
    """Return the three receipts of each message."""
    for message in sent:
        token = attempt_token.make(place.tenant_id, AttemptRef(message.message_id, 1))
        url = f"{place.webhook_url}?{token}"
        base = {
            "AccountSid": place.account,
            "MessageSid": message.provider_id or "",
            "From": f"whatsapp:{place.number}",
            "To": f"whatsapp:{message.to}",
        }
        for status in STATUSES:
            yield signed(place, url, {**base, "MessageStatus": status, "SmsStatus": status})


def signed_posts(place: BenchChannel, sent: list[Seeded], people: list[str]) -> Iterator[Shot]:
    """Return, for each message, its three receipts and an incoming message."""
    for index, message in enumerate(sent):
        yield from signed_receipts(place, [message])
        yield signed(place, place.webhook_url, inbound(place, people[index % len(people)]))


def inbound(place: BenchChannel, number: str) -> dict[str, str]:
    sid = f"SM{uuid4().hex}"
    return {
        "AccountSid": place.account,
        "MessageSid": sid,
        "SmsMessageSid": sid,
        "SmsStatus": "received",
        "From": f"whatsapp:{number}",
        "To": f"whatsapp:{place.number}",
        "Body": "bench",
        "NumMedia": "0",
        "WaId": number.removeprefix("+"),
        "ProfileName": "Bench",
        "MessageType": "text",
    }


def signed(place: BenchChannel, url: str, form: dict[str, str]) -> Shot:
    signature = RequestValidator(place.auth_token).compute_signature(url, form)
    headers = {
        "X-Twilio-Signature": signature,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return Shot(url, urlencode(form).encode(), headers)


def one_inbound(app: Flask, place: BenchChannel, number: str) -> Callable[[], object]:
    def post() -> object:
        shot = signed(place, place.webhook_url, inbound(place, number))
        path = urlsplit(shot.url).path
        answer = app.test_client().post(path, data=shot.body, headers=dict(shot.headers))
        if answer.status_code != 200:
            raise RuntimeError(f"A webhook was answered {answer.status_code}.")
        return answer

    return post


def _take(shots: Iterator[Shot], count: int) -> Iterator[Shot]:
    for _, shot in zip(range(count), shots, strict=False):
        yield shot
