"""Why a model did not answer, by what to do about it."""


class AiError(Exception):
    """`code` is the server's word for it, or ours; `text` may hold what the server says, so it goes
    into logs and to the tenant, never to a customer."""

    def __init__(self, code: str, text: str = "", request_id: str = "") -> None:
        super().__init__(f"{code}: {text}" if text else code)
        self.code = code
        self.text = text
        self.request_id = request_id


class Transient(AiError):
    """The server is busy, slow or away: try again. `retry_after` is in seconds; 0 if unknown."""

    def __init__(
        self, code: str, text: str = "", request_id: str = "", retry_after: float = 0.0
    ) -> None:
        super().__init__(code, text, request_id)
        self.retry_after = retry_after


class Misconfigured(AiError):
    """The key, the model, the quota or the address is wrong: nothing helps but a change by the
    tenant."""


class BadQuestion(AiError):
    """The server refuses this request; the same request will be refused again."""


class TooLong(BadQuestion):
    """The input is longer than the model's context: send less of it."""


class Canceled(AiError):
    """We ended the call ourselves."""
