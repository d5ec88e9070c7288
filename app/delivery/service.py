"""The functions of delivery that other features use."""

from app.delivery.pacing import slow_down

__all__ = ["slow_down"]
