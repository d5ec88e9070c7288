"""The models: what each accepts, and when the vendor shuts it down."""

from dataclasses import dataclass
from datetime import date
from typing import Final

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

#: What a model spends on reasoning, in tokens: fixed, so that limits can be tested.
REASONING_TOKENS: Final = dict(zip(EFFORTS, (0, 16, 64, 256, 1024, 2048, 4096), strict=True))

_FROM_NONE: Final = ("none", "low", "medium", "high", "xhigh", "max")
_FROM_LOW: Final = _FROM_NONE[1:]
_FIRST_GPT_5: Final = ("minimal", "low", "medium", "high")
_O_SERIES: Final = ("low", "medium", "high")


@dataclass(frozen=True)
class Model:
    """`efforts` is empty for a model that does not reason. `samples`: whether it takes temperature,
    top_p and logprobs at all. `context` is the greatest input in tokens. `chat_tools`: whether
    functions work in Chat Completions while it reasons. `old_max_tokens`: whether it takes
    `max_tokens` there. `dimensions` is the length of an embedding."""

    name: str
    efforts: tuple[str, ...] = ()
    reasons_by_default: bool = True
    kind: str = "text"
    samples: bool = True
    shutdown: date | None = None
    context: int = 272_000
    chat_tools: bool = True
    old_max_tokens: bool = False
    dimensions: int = 0

    @property
    def default_effort(self) -> str:
        return "medium" if self.efforts and self.reasons_by_default else "none"

    def is_shut_down(self, today: date) -> bool:
        return self.shutdown is not None and today >= self.shutdown


def _never_samples(name: str, efforts: tuple[str, ...], shutdown: date) -> Model:
    return Model(name, efforts, samples=False, shutdown=shutdown)


def _plain(name: str, shutdown: date, context: int = 128_000) -> Model:
    return Model(name, shutdown=shutdown, context=context, old_max_tokens=True)


def _audio(name: str, shutdown: date | None = None) -> Model:
    return Model(name, kind="transcription", shutdown=shutdown)


_OCTOBER_2026: Final = date(2026, 10, 23)
_DECEMBER_2026: Final = date(2026, 12, 11)
_JANUARY_2027: Final = date(2027, 1, 14)
_FEBRUARY_2027: Final = date(2027, 2, 26)
_APRIL_2027: Final = date(2027, 4, 1)

MODELS: Final = {
    model.name: model
    for model in (
        Model("gpt-6-luna", _FROM_NONE, context=922_000, chat_tools=False),
        Model("gpt-6.1-terra", _FROM_NONE),
        Model("gpt-6.1-sol", _FROM_LOW),
        Model("gpt-6-sol", _FROM_NONE),
        Model("gpt-6-astra", _FROM_LOW),
        Model("gpt-5.6-luna", _FROM_NONE),
        Model("gpt-5.6-terra", _FROM_NONE),
        Model("gpt-5.6-sol", _FROM_NONE),
        Model("gpt-5.4-mini", _FROM_NONE[:-1], reasons_by_default=False),
        Model("gpt-5.4-nano", _FROM_NONE[:-1], reasons_by_default=False, shutdown=_APRIL_2027),
        Model("gpt-5.1", _FROM_NONE[:-2], reasons_by_default=False, shutdown=_APRIL_2027),
        _never_samples("gpt-5", _FIRST_GPT_5, _DECEMBER_2026),
        _never_samples("gpt-5-mini", _FIRST_GPT_5, _DECEMBER_2026),
        _never_samples("gpt-5-nano", _FIRST_GPT_5, _DECEMBER_2026),
        _never_samples("o3", _O_SERIES, _DECEMBER_2026),
        _never_samples("o1", _O_SERIES, _OCTOBER_2026),
        _never_samples("o3-mini", _O_SERIES, _OCTOBER_2026),
        _never_samples("o4-mini", _O_SERIES, _OCTOBER_2026),
        _plain("gpt-4.1", _JANUARY_2027, 1_000_000),
        _plain("gpt-4.1-mini", _JANUARY_2027, 1_000_000),
        _plain("gpt-4o", _JANUARY_2027),
        _plain("gpt-4o-mini", _JANUARY_2027),
        _plain("gpt-4.1-nano", _OCTOBER_2026, 1_000_000),
        _plain("gpt-4o-2024-05-13", _OCTOBER_2026),
        _plain("gpt-4-turbo", _OCTOBER_2026),
        _plain("gpt-4", _OCTOBER_2026, 8_192),
        _plain("gpt-4-0613", _OCTOBER_2026, 8_192),
        _plain("gpt-3.5-turbo", _OCTOBER_2026, 16_385),
        _plain("gpt-3.5-turbo-0125", _OCTOBER_2026, 16_385),
        _plain("gpt-3.5-turbo-1106", date(2026, 9, 28), 16_385),
        _plain("gpt-5.2-chat-latest", date(2026, 8, 10)),
        _plain("gpt-5.3-chat-latest", date(2026, 8, 10)),
        _audio("gpt-transcribe"),
        _audio("whisper-1", _FEBRUARY_2027),
        _audio("gpt-4o-transcribe", _FEBRUARY_2027),
        _audio("gpt-4o-mini-transcribe", _FEBRUARY_2027),
        _audio("gpt-4o-transcribe-diarize", _FEBRUARY_2027),
        Model("text-embedding-3-small", kind="embedding", context=8_192, dimensions=1536),
        Model("text-embedding-3-large", kind="embedding", context=8_192, dimensions=3072),
    )
}
