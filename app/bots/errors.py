from app.errors import AppError, Conflict, NotFound, Unavailable, Unprocessable


class KeywordReplyNotFound(NotFound):
    code = "keyword_reply_not_found"
    message = "There is no such keyword reply. List yours at GET /api/keyword-replies."


class BotNotFound(NotFound):
    code = "bot_not_found"
    message = "There is no such bot. List yours at GET /bots."


class ClientNotFound(NotFound):
    code = "client_not_found"
    message = (
        "Nobody has written to you from this address. Give a phone number with its country code, "
        "or a WhatsApp user id."
    )


class BotVersionNotFound(NotFound):
    code = "bot_version_not_found"
    message = "There is no such version. List those of a bot at GET /bots/{id}/versions."


class TurnNotFound(NotFound):
    code = "turn_not_found"
    message = (
        "This bot has no such turn that has ended. List those of a conversation at "
        "GET /api/whatsapp/conversations/{id}/turns."
    )


class BotExists(Conflict):
    code = "bot_exists"
    message = "This channel has a bot already: change that bot instead of adding another."


class UnknownChannel(Unprocessable):
    code = "unknown_channel"
    message = "This number is not one of your channels. List them at GET /channels."


class UnknownModelName(Unprocessable):
    code = "unknown_model"
    message = "There is no such model. Choose another with PUT /bots/{id}."


class NoModelKey(Conflict):
    code = "no_model_key"
    message = (
        "There is no key for the model. Give this bot one with PUT /bots/{id}: "
        "model.api_key. The operator can set OPENAI_API_KEY for all bots."
    )


class ModelMisconfigured(Conflict):
    code = "model_misconfigured"
    message = "The model's server refuses the key, the model or the address of this bot."


class ModelRefused(AppError):
    """502: the same request would be refused again."""

    status = 502
    code = "model_refused"
    message = "The model's server refuses this request."


class ModelUnavailable(Unavailable):
    code = "model_unavailable"
    message = "The model's server is busy, slow or away. Try again in a minute."


class BudgetReached(AppError):
    """429: until the day or the month is over, or the limit is raised."""

    status = 429
    code = "budget_reached"
    message = "The budget is used up, or what is left is too little for an answer."


class TooManyTries(AppError):
    """429: threads are kept free for other requests."""

    status = 429
    code = "too_many_tries"
    message = "Too many tries and imports of bots run at once. Wait until one has ended."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})
