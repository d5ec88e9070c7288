"""From a checked prompt to the model's reply, and what it cost."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from simulator.openai.brain import think
from simulator.openai.catalogue import REASONING_TOKENS
from simulator.openai.errors import bad_request
from simulator.openai.obedient import obey
from simulator.openai.prompt import STANDING_ROLES, Prompt, Reply, fit
from simulator.openai.script import ANSWERS, BRAINS, Rule
from simulator.openai.serving import Exchange

_BRAINS: Final[dict[str, Callable[[Prompt], Reply]]] = {"default": think, "obedient": obey}


def check_context(exchange: Exchange, prompt: Prompt, param: str, *, cut: bool) -> Prompt:
    """Return the prompt, with `cut` without its oldest turns if it is too long. Raises ApiError
    context_length_exceeded."""
    longest = min(prompt.model.context, exchange.key.context_tokens or prompt.model.context)
    while prompt.input_tokens > longest:
        oldest = next((t for t in prompt.turns if t.role not in STANDING_ROLES), None)
        if not cut or oldest is None:
            message = (
                f"Your input of {prompt.input_tokens} tokens exceeds the context window of this "
                f"model, {longest} tokens. Please adjust your input and try again."
            )
            raise bad_request(message, "context_length_exceeded", param)
        prompt = replace(prompt, turns=tuple(t for t in prompt.turns if t is not oldest))
    return prompt


def reply_to(exchange: Exchange, prompt: Prompt, rule: Rule | None) -> Reply:
    """Return what the rule or the key's brain says, within the greatest output, and charge the key
    for it. A failure costs nothing."""
    if rule is not None and rule.do in ANSWERS:
        reply = rule.reply()
    else:
        brain = rule.do if rule is not None and rule.do in BRAINS else exchange.key.brain
        reply = _BRAINS[brain](prompt)
        if rule is not None:
            reply = replace(reply, usage=rule.usage)
    if reply.status == "completed":
        reply = fit(reply, REASONING_TOKENS[prompt.effort], prompt.limit)
    if reply.status != "failed":
        written = reasoning_tokens(prompt) + reply.tokens
        exchange.state.charge(exchange.key, prompt.input_tokens, written)
    return reply


def reasoning_tokens(prompt: Prompt) -> int:
    spent = REASONING_TOKENS[prompt.effort]
    return spent if prompt.limit is None else min(spent, prompt.limit)


def cached_tokens(exchange: Exchange, prompt: Prompt) -> int:
    """Return the tokens of the prompt's beginning that this key has sent before."""
    scope = f"{exchange.key.key} {prompt.model.name} {exchange.body.get('prompt_cache_key')}"
    return exchange.state.prefixes.cached_tokens(scope, prompt.text)
