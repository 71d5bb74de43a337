"""From values to bytes and back, for stores outside of this process.

`serializer_for` makes what a decorated function's setting asks for. The default, ``"auto"``, stores known types exactly and can
build nothing else: bytes that were tampered with may give a wrong value, never run code. `register_type` names classes that it
may build besides those that a function's return annotation names. `signing.Signer` seals bytes, so that only holders of a
secret can have made them.

Two rules hold for everything here. What would not come back as it is, is refused with
`stillroom.errors.UncacheableValue` when it is stored. Bytes that nothing here has made give a ``ValueError``, whatever they
are.

Nothing is imported from outside the standard library until a serializer needs it, and little from it: every program that
imports stillroom comes by here.
"""

from .registration import register_type
from .setting import serializer_for

__all__ = ["register_type", "serializer_for"]
