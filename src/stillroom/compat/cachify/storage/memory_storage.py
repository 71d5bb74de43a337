"""The results that are kept in memory, to be cleared between tests."""

from ..decorating import forget

__all__ = ["MemoryStorage"]


class MemoryStorage:
    """Where ``cache`` keeps results. Of cachify's it has what its users need."""

    @classmethod
    def clear(cls) -> None:
        """Forget all results that are kept in memory, of all functions."""
        forget()
