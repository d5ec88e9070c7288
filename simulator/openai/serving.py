"""What every endpoint does: authenticate, check, apply the script, answer, write the log."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from aiohttp import web

from simulator.eventlog import shortened
from simulator.openai.catalogue import MODELS, Model
from simulator.openai.errors import ApiError, bad_request, json_response, missing, wrong_type
from simulator.openai.script import FAULTS, Rule
from simulator.openai.state import Key, OpenAIState
from simulator.runtime import RUNTIME
from simulator.twilio.errors import cut

_LIMIT_REQUESTS: Final = 10_000
_LIMIT_TOKENS: Final = 2_000_000


class Question(Protocol):
    """A checked request."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What `contains` of a rule is matched against."""

    @property
    def input_tokens(self) -> int: ...

    def answer(self, rule: Rule | None) -> dict[str, Any]: ...


class Exchange:
    """One request, from its key to its log entry."""

    def __init__(self, request: web.Request, endpoint: str) -> None:
        self.request, self.endpoint = request, endpoint
        self.state: OpenAIState = request.app[RUNTIME].openai
        self.key = Key("")
        self.body: dict[str, Any] = {}
        self.rule: Rule | None = None

    def authenticate(self) -> None:
        scheme, _, given = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            message = (
                "You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
            )
            raise ApiError(401, message)
        self.key = self.state.keys.get(given) or Key(given)
        if given not in self.state.keys:
            hidden = f"{given[:7]}***{given[-4:]}" if len(given) > 16 else "***"
            message = f"Incorrect API key provided: {hidden}."
            raise ApiError(401, message, "invalid_api_key")

    def check_quota(self) -> None:
        """Without a quota a key may still list the models."""
        if not self.key.quota and self.endpoint != "models":
            raise no_quota()

    def model(self, kind: str) -> Model:
        """Return the model of the body. Raises ApiError if it is missing, unknown, shut down, of
        another kind, or not allowed for the key."""
        name = self.body.get("model")
        if name is None:
            raise missing("model")
        if not isinstance(name, str):
            raise wrong_type("model", "a string", name)
        return find_model(self, name, kind)

    def log(self, outcome: str, error: ApiError | None = None) -> None:
        self.state.log.add(
            "openai",
            endpoint=self.endpoint,
            method=self.request.method,
            path=self.request.path,
            key=self.key.fingerprint if self.key.key else None,
            model=self.body.get("model"),
            outcome=outcome,
            http_status=error.status if error else 200,
            code=error.code if error else None,
            param=error.param if error else None,
            rule=self.rule.do if self.rule else None,
            body=shortened(self.body),
        )


def find_model(exchange: Exchange, name: str, kind: str | None = None) -> Model:
    model = MODELS.get(name)
    if model is None or (kind is not None and model.kind != kind):
        message = f"The model `{name}` does not exist or you do not have access to it."
        raise ApiError(404, message, "model_not_found", "model")
    if model.is_shut_down(exchange.state.today):
        message = f"The model `{name}` was shut down on {model.shutdown}."
        raise ApiError(404, message, "model_not_found", "model")
    if exchange.key.models is not None and name not in exchange.key.models:
        message = f"Project `proj_simulator` does not have access to model `{name}`."
        raise ApiError(403, message, "model_not_found", "model")
    return model


def no_quota() -> ApiError:
    message = "You exceeded your current quota, please check your plan and billing details."
    return ApiError(429, message, "insufficient_quota", kind="insufficient_quota")


async def read_json_body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        message = "We could not parse the JSON body of your request."
        raise bad_request(message, None, None) from None
    if not isinstance(body, dict):
        raise bad_request("The body of the request must be a JSON object.", None, None)
    return body


async def serve(
    request: web.Request,
    endpoint: str,
    prepare: Callable[[Exchange], Question],
    read: Callable[[web.Request], Awaitable[dict[str, Any]]] = read_json_body,
) -> web.StreamResponse:
    """`prepare` checks the body and raises ApiError for what the vendor refuses."""
    exchange = Exchange(request, endpoint)
    try:
        exchange.authenticate()
        exchange.body = await read(request)
        question = prepare(exchange)
        exchange.check_quota()
        model = str(exchange.body.get("model", ""))
        rule = exchange.state.script.take(endpoint, exchange.key.key, model, question.texts)
        exchange.rule = rule
        if rule is not None and rule.do in ("hang", "cut"):
            question.answer(rule)  # it is charged, though nobody receives it
            return await _vanish(exchange, rule)
        await asyncio.sleep(rule.seconds or 0 if rule else 0)
        if rule is not None and rule.do in FAULTS - {"malformed"}:
            raise _scripted(rule)
        answer = question.answer(rule)
    except ApiError as error:
        exchange.log("refused", error)
        raise
    exchange.log("answered")
    return _rendered(answer, question.input_tokens, rule)


async def _vanish(exchange: Exchange, rule: Rule) -> web.StreamResponse:
    exchange.log(rule.do)
    if rule.do == "hang":
        await asyncio.sleep(30 if rule.seconds is None else rule.seconds)
    return cut(exchange.request)


def _rendered(answer: dict[str, Any], tokens: int, rule: Rule | None) -> web.Response:
    response = json_response(answer, headers=_rate_limit(tokens))
    if rule is not None and rule.do == "malformed" and isinstance(response.body, bytes):
        response.body = response.body[: len(response.body) // 2]
    return response


def _rate_limit(tokens: int) -> dict[str, str]:
    """Return the vendor's headers; nobody else uses the key, so only this request counts."""
    return {
        "openai-version": "2020-10-01",
        "openai-processing-ms": "1",
        "x-ratelimit-limit-requests": str(_LIMIT_REQUESTS),
        "x-ratelimit-remaining-requests": str(_LIMIT_REQUESTS - 1),
        "x-ratelimit-reset-requests": "6ms",
        "x-ratelimit-limit-tokens": str(_LIMIT_TOKENS),
        "x-ratelimit-remaining-tokens": str(max(_LIMIT_TOKENS - tokens, 0)),
        "x-ratelimit-reset-tokens": "1s",
    }


def _scripted(rule: Rule) -> ApiError:
    error = _KNOWN.get(rule.do, _own)(rule)
    error.code, error.param = rule.code or error.code, rule.param or error.param
    error.message, error.kind = rule.message or error.message, rule.type or error.kind
    if rule.retry_after is not None:
        error.headers["Retry-After"] = f"{rule.retry_after:g}"
    return error


def _rate_limited(_: Rule) -> ApiError:
    message = "Rate limit reached in organization simulator on requests per min (RPM)."
    error = ApiError(429, message, "rate_limit_exceeded", kind="requests")
    error.headers = {**_rate_limit(0), "x-ratelimit-remaining-requests": "0"}
    return error


def _failed(_: Rule) -> ApiError:
    message = "The server had an error while processing your request. Sorry about that!"
    return ApiError(500, message, kind="server_error")


def _own(rule: Rule) -> ApiError:
    return ApiError(rule.status, "The simulator was told to refuse this request.")


_KNOWN: Final[dict[str, Callable[[Rule], ApiError]]] = {
    "rate_limit": _rate_limited,
    "no_quota": lambda _: no_quota(),
    "fail_500": _failed,
}
