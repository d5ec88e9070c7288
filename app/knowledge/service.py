"""What other features know of the documents of bots: how to search in them and to embed them."""

from app.knowledge.meaning import Meaning, Waiting, has_extension, learn, waiting
from app.knowledge.search import Found, look_up

__all__ = ["Found", "Meaning", "Waiting", "has_extension", "learn", "look_up", "waiting"]
