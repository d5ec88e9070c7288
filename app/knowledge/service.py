"""What other features know of the documents of bots: how to search in them."""

from app.knowledge.search import Found, look_up

__all__ = ["Found", "look_up"]
