"""What other features may ask of delivery."""

from app.delivery.pacing import slow_down

__all__ = ["slow_down"]
