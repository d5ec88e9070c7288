"""The models that a bot may use: what each accepts, what it costs, and what replaces the ones that
are gone."""

import tomllib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources

NONE = "none"
"""The reasoning effort of a model that answers at once."""

MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens."""

    input: Decimal
    cached: Decimal
    cache_write: Decimal
    output: Decimal


@dataclass(frozen=True)
class Model:
    """`efforts`: the reasoning efforts that it accepts, the cheapest first. `context`: the most
    tokens of input. `takes_temperature`: with the effort "none"."""

    name: str
    price: Price
    efforts: tuple[str, ...]
    context: int
    takes_temperature: bool


@dataclass(frozen=True)
class EmbeddingModel:
    """A model that makes vectors of texts, with as many `dimensions` as we ask for. `input` is its
    price in US dollars for a million tokens."""

    name: str
    input: Decimal
    dimensions: int

    @property
    def key(self) -> str:
        """What vectors must have in common to be compared."""
        return f"{self.name}/{self.dimensions}"

    @property
    def price(self) -> Price:
        return Price(input=self.input, cached=self.input, cache_write=self.input, output=Decimal(0))


@dataclass(frozen=True)
class Usage:
    """Tokens of one or several calls. `input` includes `cached` and `cache_written`; `output`
    includes `reasoning`."""

    input: int = 0
    cached: int = 0
    cache_written: int = 0
    output: int = 0
    reasoning: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input + other.input,
            self.cached + other.cached,
            self.cache_written + other.cache_written,
            self.output + other.output,
            self.reasoning + other.reasoning,
        )


@dataclass(frozen=True)
class Shutdown:
    on: date
    successor: str


@dataclass(frozen=True)
class Resolved:
    """The model that answers for a name, and what the person who chose the name must know."""

    name: str
    warning: str | None = None


class UnknownModel(ValueError):
    """No model ever had this name. The text names those that can be chosen."""


@dataclass(frozen=True)
class Catalogue:
    models: dict[str, Model]
    shutdowns: dict[str, Shutdown]
    default: str
    prices_of: date
    embedding: EmbeddingModel

    def resolve(self, name: str, today: date) -> Resolved:
        """Return the model that answers for `name` on this day.

        A name that is gone, or will be and has no price here, is answered by its successor.
        Raises UnknownModel.
        """
        shutdown = self.shutdowns.get(name)
        if name in self.models and (shutdown is None or today < shutdown.on):
            return Resolved(name, _ends(name, shutdown) if shutdown else None)
        if shutdown is None:
            choices = ", ".join(sorted(self.models))
            raise UnknownModel(f"There is no model {name[:80]!r}. Choose one of {choices}.")
        successor = self.resolve(shutdown.successor, today).name
        return Resolved(successor, _replaced(name, shutdown, successor, today))

    def find(self, name: str) -> Model | None:
        return self.models.get(name)


def _ends(name: str, shutdown: Shutdown) -> str:
    return (
        f"OpenAI shuts {name} down on {shutdown.on}. Change to {shutdown.successor} before then; "
        "from that day on it answers by itself."
    )


def _replaced(name: str, shutdown: Shutdown, successor: str, today: date) -> str:
    verb = "shut" if shutdown.on <= today else "shuts"
    return f"OpenAI {verb} {name} down on {shutdown.on}. {successor} answers in its place."


def cost(price: Price, usage: Usage) -> Decimal:
    """Return the US dollars that these tokens cost, at full precision."""
    plain = usage.input - usage.cached - usage.cache_written
    spent = (
        price.input * max(plain, 0)
        + price.cached * usage.cached
        + price.cache_write * usage.cache_written
        + price.output * usage.output
    )
    return spent / MILLION


@cache
def catalogue() -> Catalogue:
    """Return the models of models.toml."""
    text = resources.files("app.ai").joinpath("models.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text, parse_float=Decimal)
    models = {
        name: Model(
            name=name,
            price=Price(**{part: Decimal(each) for part, each in entry["price"].items()}),
            efforts=tuple(entry["efforts"]),
            context=entry["context"],
            takes_temperature=entry["temperature"],
        )
        for name, entry in found["models"].items()
    }
    shutdowns = {name: Shutdown(**entry) for name, entry in found["shutdowns"].items()}
    embedding = EmbeddingModel(**found["embedding"])
    return Catalogue(models, shutdowns, found["default"], found["prices_of"], embedding)
