"""From a call to its key.

A call has two keys, and both answer one question: are the arguments of two calls of the same types and equal?

- The **local key** is for the memory of this process: a tuple that holds the arguments themselves where that is safe
  (`local_key`).
- The **text key** is for everything else: a canonical text, the same in every process and on every run (`encode`, `text_of`),
  or what a `Template` makes of the arguments.

Local keys are equal exactly if their texts are, so it never matters which of the two a store goes by. What cannot be told apart
reliably is refused with `stillroom.errors.UncacheableArgument`; nothing here falls back on ``repr``, ``hash`` or an address.

Templates may also name values that are no arguments: those of the key context (`key_context`).

`Instances` numbers what a method is called on, where that is not a value itself.
"""

from .context import Held, default_key_context, key_context, values_now
from .digest import LONGEST, digest, is_shortened, may_stand_for, shorten
from .encode import encode, has_value_identity
from .fields import Field, parse_field
from .instances import InstanceNumber, Instances, instances
from .local import ENCODED, FLAT, INSTANCE, LocalKey, local_key, text_of
from .refusals import alternatives
from .registration import register_key_type
from .template import Template

__all__ = [
    "ENCODED",
    "FLAT",
    "INSTANCE",
    "LONGEST",
    "Field",
    "Held",
    "InstanceNumber",
    "Instances",
    "LocalKey",
    "Template",
    "alternatives",
    "default_key_context",
    "digest",
    "encode",
    "has_value_identity",
    "instances",
    "is_shortened",
    "key_context",
    "local_key",
    "may_stand_for",
    "parse_field",
    "register_key_type",
    "shorten",
    "text_of",
    "values_now",
]
