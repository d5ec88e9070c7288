"""Which model answers for a definition, and what its owner should know about that."""

from dataclasses import dataclass

from app.ai.catalogue import NONE, Model, UnknownModel, catalogue
from app.bots.definition import Definition
from app.common import clock

__all__ = ["Choice", "UnknownModel", "choose", "default_model"]


@dataclass(frozen=True)
class Choice:
    """`model` is None for a server of the tenant's own, whose models we do not know."""

    name: str
    model: Model | None
    warnings: tuple[str, ...] = ()


def default_model() -> str:
    return catalogue().default


def choose(definition: Definition, base_url: str | None) -> Choice:
    """Return the model that answers today. At an address of the bot's own, any name is accepted.

    Raises UnknownModel, whose text names those that can be chosen.
    """
    if base_url is not None:
        return Choice(definition.openai_model, None)
    resolved = catalogue().resolve(definition.openai_model, clock.now().date())
    model = catalogue().find(resolved.name)
    warnings = [resolved.warning] if resolved.warning else []
    if model is not None:
        warnings += _settings_not_used(definition, model)
    return Choice(resolved.name, model, tuple(warnings))


def _settings_not_used(definition: Definition, model: Model) -> list[str]:
    effort, found = definition.reasoning_effort, []
    if effort not in model.efforts:
        effort = model.efforts[0]
        found.append(
            f"{model.name} has no reasoning effort {definition.reasoning_effort}: {effort} is used."
        )
    if definition.temperature is not None and (effort != NONE or not model.takes_temperature):
        found.append("The temperature is not used: the model takes one with the effort none only.")
    return found
