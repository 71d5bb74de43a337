"""Templates of keys and tags, such as ``"user:{user.id}"``.

Two calls render alike exactly if the values of all fields are of the same types and equal. Three rules see to that:

- A field's text tells its value: numbers and ordinary strings are written plainly, a string that reads like anything else in
  quotes (``5`` is ``5``, ``"5"`` is ``'5'``), everything else as `encode` writes it.
- What stands between two fields must hold a character besides letters and digits: a separator. In the texts of fields all
  separators of the template, and the percent sign, are written as percent escapes.
- So the first separator after a field's text is the one that follows it in the template, and where one field ends is never in
  doubt.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from ..errors import ConfigurationError
from .context import values_now
from .digest import LONGEST, digest, shorten
from .encode import encode
from .fields import Field, Piece, parse
from .scalars import WORDS

__all__ = ["Template"]

# Of the texts of other values, all but numbers and words hold a quote or an opening bracket.
_ORDINARY = re.compile("[^\x00-\x1f\x7f-\x9f'\"([{<\ud800-\udfff]+")
_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?(?:e[-+][0-9]+)?|0x[0-9a-f]+|inf)")
_PLAIN_INT: Final = 10**18  # up to here an int is written by its decimal digits, whatever Python's settings


class Template:
    """A checked template.

    Args:
        source: the template: text with fields in braces. A field names a parameter, with attributes (``{user.id}``) and items
            (``{doc[slug]}``) if need be; with an ``@``, a value of the key context (``{@tenant}``). ``{query!hash}`` stands for
            a digest. A brace itself is written twice.
        parameters: the names that fields may start with.
        setting: what users call the template, for errors.

    Raises:
        ConfigurationError: the template makes no sense.

    Attributes:
        source: the template as given.
        fields: the parameters it uses.
        context: the values of the key context it uses.
    """

    __slots__ = ("_escaped", "_pieces", "_plain_words", "context", "fields", "source")

    def __init__(self, source: str, parameters: Sequence[str], setting: str = "key") -> None:
        self._pieces = parse(source, parameters, setting)
        separators = _separators(self._pieces, source, setting)
        self.source = source
        fields = [piece for piece in self._pieces if isinstance(piece, Field)]
        self.fields = tuple(dict.fromkeys(field.root for field in fields if field.context is None))
        self.context = tuple(dict.fromkeys(field.context for field in fields if field.context is not None))
        self._escaped = re.compile(f"[{re.escape(''.join(sorted({*separators, '%'})))}]")
        # The quickest test for strings that are written as they are; identifiers hold "_" and marks, which may be separators.
        is_in_names = any(f"a{separator}".isidentifier() for separator in separators)
        self._plain_words = "isalpha" if is_in_names else "isidentifier"

    def __repr__(self) -> str:
        return f"Template({self.source!r})"

    @property
    def skeleton(self) -> str:
        """The template with its fields left blank: templates of one skeleton make the same keys."""
        return "".join([piece if isinstance(piece, str) else "{}" for piece in self._pieces])

    def render(self, arguments: Mapping[str, object]) -> str:
        """Return the text for the given values of the parameters, shortened if it is long.

        Raises:
            UncacheableArgument: a field leads to nothing, or to a value that cannot be keyed.
            MissingKeyContext: a value of the key context is not set.
        """
        pieces = self._pieces
        return shorten("".join([p if isinstance(p, str) else self._text(p, p.start(arguments)) for p in pieces]))

    def expression(self, variables: Mapping[str, str], prefix: str = "_key_") -> tuple[str, dict[str, object]]:
        """Return Python source that gives what `render` gives, from variables.

        Args:
            variables: from the parameters that the template uses to the local variables that hold their values.
            prefix: how the names that the expression uses begin; underscores are added should a variable begin like this, too.

        Returns:
            An expression, which assigns local variables on the way, and the globals that it needs.
        """
        while any(variable.startswith(prefix) for variable in variables.values()):
            prefix += "_"
        scope: dict[str, object] = {f"{prefix}{name}": value for name, value in _HELPERS.items()}
        parts: list[str] = []
        for index, piece in enumerate(self._pieces):
            if isinstance(piece, str):
                parts.append(_quoted(piece))
            else:
                scope[f"{prefix}part{index}"] = self._texts_of(piece)
                if piece.context is not None:
                    scope |= {f"{prefix}context": values_now, f"{prefix}name{index}": piece.context}
                parts.append(f"{{{self._inline(piece, variables, prefix, index)}}}")
        text = f'{prefix}text := f"{"".join(parts)}"'
        return f"({prefix}text if {prefix}len({text}) <= {LONGEST} else {prefix}shorten({prefix}text))", scope

    def _inline(self, field: Field, variables: Mapping[str, str], prefix: str, index: int) -> str:
        p = prefix
        if field.context is None:
            first = variable = variables[field.root]
        else:
            variable = f"{p}value{index}"
            first = f"({variable} := {p}context()[{p}name{index}])"
        if field.steps or field.is_hashed:
            return f"{p}part{index}({first})"
        is_int = f"{p}type({first}) is {p}int and -1 < {variable} < {_PLAIN_INT}"
        is_word = f"{p}type({variable}) is {p}str and {variable}.{self._plain_words}() and {variable} not in {p}words"
        return f"{variable} if {is_int} else {variable} if {is_word} else {p}part{index}({variable})"

    def _texts_of(self, field: Field) -> Callable[[object], str]:
        return lambda value: self._text(field, value)

    def _text(self, field: Field, argument: object) -> str:
        value = field.lookup(argument)
        if field.is_hashed:
            return digest(encode(value, field.path))
        return self._escaped.sub(_escape, _spelled(value, field.path))


def _spelled(value: object, path: str) -> str:
    return value if type(value) is str and _is_ordinary(value) else encode(value, path)


def _is_ordinary(text: str) -> bool:
    return bool(_ORDINARY.fullmatch(text)) and text not in WORDS and not _NUMBER.fullmatch(text)


def _separators(pieces: Sequence[Piece], source: str, setting: str) -> set[str]:
    """Return the characters that separate the fields of a template."""
    found: set[str] = set()
    fields = [index for index, piece in enumerate(pieces) if isinstance(piece, Field)]
    for left, right in itertools.pairwise(fields):
        between = {character for text in pieces[left + 1 : right] for character in _separating(str(text))}
        if not between:
            raise _not_separated(pieces, left, right, source, setting)
        found |= between
    return found


def _separating(text: str) -> Iterable[str]:
    # The percent sign begins an escape, so it cannot tell where a field ends.
    return (character for character in text if not character.isalnum() and character != "%")


def _not_separated(pieces: Sequence[Piece], left: int, right: int, source: str, setting: str) -> ConfigurationError:
    shown = [f"{{{piece.source}}}" for piece in (pieces[left], pieces[right]) if isinstance(piece, Field)]
    message = (
        f"{setting} template {source!r} could not tell where {shown[0]} ends: "
        f"put a separator such as ':' between {shown[0]} and {shown[1]}"
    )
    return ConfigurationError(message, setting=setting, given=source)


def _escape(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def _quoted(text: str) -> str:
    """Return text as it is written within the quotes of an f-string."""
    escaped = text.encode("unicode_escape").decode("ascii")
    return escaped.replace('"', '\\"').replace("{", "{{").replace("}", "}}")


_HELPERS: Final[dict[str, object]] = {"type": type, "int": int, "str": str, "len": len, "words": WORDS, "shorten": shorten}
"""What expressions use besides their variables, under names of their own: a parameter may be called ``len``."""
