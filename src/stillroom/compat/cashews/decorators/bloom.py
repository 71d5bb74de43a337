"""``bloom(backend, capacity=...)``, and one with two filters."""

from __future__ import annotations

from ._handed import handed

__all__ = ["bloom", "dual_bloom"]

bloom = handed("bloom")
dual_bloom = handed("dual_bloom")
