from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
from dataclasses import dataclass
from enum import Enum
from stillroom.keys import Template, encode, local_key, shorten, text_of

class Colour(Enum):
    RED = 1

@dataclass(frozen=True)
class Point:
    x: object
    y: object

words = "the quick brown fox jumps over the lazy dog".split()
values = [
    set(words),
    frozenset(words),
    {word: {letter: {word, letter, 1, None, Colour.RED} for letter in word} for word in words},
    {Point(word, frozenset(word)) for word in words},
    Point({1, "1", b"1", 1.5, None, True}, [{Colour.RED: {int, str, len}}]),
]
for value in values:
    print(encode(value, "x"))
    print(text_of(("x",), local_key(("x",), (value,)), shared=True))
    print(Template("{x}:{x!hash}", ["x"]).render({"x": value}))
print(shorten("x" * 500))
"""


def test_texts_are_the_same_in_every_process() -> None:
    """Rule 7: sets, dicts and nested containers under different seeds of ``hash``."""
    seeds = ("0", "1", "2", "12345")
    assert len({_output(seed) for seed in seeds}) == 1


def test_the_seeds_do_change_the_order_of_sets() -> None:
    program = "print({'a', 'b', 'c', 'd', 'e', 'f', 'g'})"
    assert len({_output(str(seed), program) for seed in range(4)}) > 1


def _output(seed: str, program: str = PROGRAM) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout
    return done.stdout
