"""Actions that a customer has to agree to: the question, and the yes.

The question is put together here, out of the action and the arguments of the call, not by the
model: a model that was talked into it could ask for a yes to something else.
"""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from app.bots.definition import Action, Json, Texts
from app.common.wording import normalise

VALID_FOR = timedelta(minutes=10)
"""After so long a yes no longer belongs to the question."""

YES = frozenset({"si", "yes", "confirmo", "si confirmo", "yes i confirm", "acepto", "de acuerdo"})
POLITE = ("por favor", "please", "gracias", "thank you", "thanks")
LONGEST_VALUE = 200
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
FORMATTING = re.compile(r"[*_~`\s]+")

DEFAULT: Texts = {"es": "Esto es lo que haré: *{}*", "en": "This is what I will do: *{}*"}
HOW: Texts = {
    "es": "Responde *sí* para confirmarlo. Con otra respuesta no se hace.",
    "en": "Answer *yes* to confirm it. With any other answer it is not done.",
}


def is_yes(texts: Iterable[str]) -> bool:
    """Return whether each of the customer's messages says yes, and nothing else."""
    said = [_without_manners(normalise(text)) for text in texts]
    return bool(said) and YES.issuperset(said)


def _without_manners(text: str) -> str:
    for words in POLITE:
        text = text.removesuffix(words).strip()
    return text


def question(action: Action, arguments: Json, language: str) -> str:
    """Return what the customer is asked, in this language (`es` or `en`).

    `{name}` in the text of the action stands for an argument. An action without a text is described
    by its name and all arguments.
    """
    language = language if language in HOW else "es"
    template = action.confirmation.get(language) or next(iter(action.confirmation.values()), "")
    if template:
        asked = PLACEHOLDER.sub(lambda found: _shown(arguments.get(found[1], "")), template)
    else:
        lines = [f"{_shown(name)}: {_shown(value)}" for name, value in arguments.items()]
        named = DEFAULT[language].replace("{}", _shown(action.name))
        asked = "\n".join([named, *lines])
    return f"{asked}\n\n{HOW[language]}"


def _shown(value: Any) -> str:
    """Return a value as one line without WhatsApp's formatting."""
    return FORMATTING.sub(" ", str(value)).strip()[:LONGEST_VALUE]
