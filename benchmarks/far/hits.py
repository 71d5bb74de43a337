"""Who takes part where hits in Redis are timed.

Every call asks for another one of a hundred keys. What is timed is the decorated function as its users call it.
"bare socket" is what no library can go below: the same bytes there and back, which nobody looks at.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice, repeat
from typing import Any

from ..contenders import Build, present
from ..timing import Contender
from .findings import CROWD
from .peers import BLOCKING, TASKS, TTL, aload, bare, bare_async, bare_socket, load, stillroom
from .servers import Server

__all__ = ["blocking", "crowd", "many", "near", "tasks"]

ASKED = 100
SCATTERED = 10_000
TURNS = 5
TAGS = ("users", "team:{b}")
CALL = "f(key, 2)"


def blocking(url: str, *, peers: bool = True) -> list[Contender]:
    """Hits of one blocking caller."""

    def of(name: str, decorated: Callable[[], Any], asked: int = ASKED) -> Build:
        return lambda: Contender(name, CALL, {"f": _filled(decorated(), asked)}, keys=_over(asked))

    def alone() -> Contender:
        names = {"get": bare(url, ASKED), "loads": pickle.loads}
        return Contender("bare redis-py", 'loads(get(f"user:{key}:2"))', names, keys=_over(ASKED))

    def floor() -> Contender:
        names = {"ask": bare_socket(url), "request": b"GET user:1:2\r\n"}
        return Contender("bare socket", "ask(request)", names)

    cache = stillroom(url)
    return present(
        alone,
        floor,
        of("stillroom", lambda: cache(ttl=TTL)(load)),
        of("stillroom, two tags", lambda: cache(ttl=TTL, tags=TAGS, name="tagged")(load)),
        of("stillroom, 10,000 keys", lambda: cache(ttl=TTL, name="scattered")(load), SCATTERED),
        *(of(name, lambda peer=peer: peer(url)(load)) for name, peer in BLOCKING.items() if peers),  # type: ignore[misc]
    )


def tasks(url: str, *, peers: bool = True) -> list[Contender]:
    """Hits of one caller on an event loop."""

    def of(name: str, decorated: Callable[[], Any]) -> Build:
        return lambda: Contender(name, CALL, {"f": decorated()}, awaited=True, keys=_over(ASKED), warm_up=2 * ASKED)

    return present(*(of(name, decorated) for name, decorated in _coroutine_functions(url, ASKED, peers).items()))


def crowd(url: str) -> list[Contender]:
    """Hits of many callers on one event loop, each of whom asks for a key of its own a few times."""

    async def caller(f: Any, key: int) -> None:
        for _ in range(TURNS):
            await f(key, 2)

    def together(f: Any) -> Any:
        return asyncio.gather(*[caller(f, key) for key in range(CROWD)])

    def of(name: str, decorated: Callable[[], Any]) -> Build:
        names = {"together": together, "f": decorated()}
        return lambda: Contender(
            name, "together(f)", names, awaited=True, keys=lambda number: repeat(None, number), each=CROWD * TURNS
        )

    return present(*(of(name, decorated) for name, decorated in _coroutine_functions(url, CROWD).items()))


def _coroutine_functions(url: str, size: int, peers: bool = True) -> dict[str, Callable[[], Any]]:
    cache = stillroom(url)
    bare(url, size)
    return {
        "bare redis-py": lambda: bare_async(url),
        "stillroom": lambda: cache(ttl=TTL)(aload),
        "stillroom, two tags": lambda: cache(ttl=TTL, tags=TAGS, name="tagged")(aload),
        **{name: lambda peer=peer: peer(url)(aload) for name, peer in TASKS.items() if peers},  # type: ignore[misc]
    }


def near(server: Server) -> list[Contender]:
    """Hits in the near store, which Redis has no part in."""
    memory, nearby = stillroom("memory://"), stillroom(server.url, near="memory://?max_entries=1000")

    def of(name: str, cache: Any, function: Any, call: str = "f(1, 2)", **settings: Any) -> Build:
        f = cache(ttl=TTL, name=name, **settings)(function)
        return lambda: Contender(name, call, {"f": f}, awaited=function is aload)

    contenders = present(
        of("memory", memory, load),
        of("near", nearby, load),
        of("memory, two tags", memory, load, tags=TAGS),
        of("near, two tags", nearby, load, tags=TAGS),
        of("memory async", memory, aload),
        of("near async", nearby, aload),
    )
    for contender in contenders:
        if contender.name.startswith("near"):
            _wait_until_near(server, contender)
    return contenders


def many(url: str, where: str = "") -> list[Contender]:
    """A hundred hits, in one call and in a hundred."""
    cache = stillroom(url)
    f, af = cache(ttl=TTL, name="f")(load), cache(ttl=TTL, name="af")(aload)
    calls = [(key, 2) for key in range(ASKED)]

    def singles() -> None:
        for a, b in calls:
            f(a, b)

    async def asingles() -> None:
        for a, b in calls:
            await af(a, b)

    def of(name: str, call: str, awaited: bool = False) -> Contender:
        names = {"f": f, "af": af, "calls": calls, "singles": singles, "asingles": asingles}
        return Contender(f"{name}{where}", call, names, awaited, lambda number: repeat(None, number), ASKED, 2)

    return [
        of("single", "singles()"),
        of("many", "f.many(calls)"),
        of("single async", "asingles()", True),
        of("many async", "af.many(calls)", True),
    ]


def _wait_until_near(server: Server, contender: Contender) -> None:
    """Call until the server hears nothing of it: then the feed is live and there is a near copy."""
    f = contender.names["f"]

    async def awaited() -> None:
        await f(1, 2)

    for _ in range(1000):
        server.reset_stats()
        if contender.awaited:
            asyncio.run(awaited())
        else:
            f(1, 2)
        if not any(name in server.commandstats() for name in ("mget", "evalsha", "set")):
            return
    raise AssertionError(f"{contender.name}: there is no near copy")


def _filled(f: Any, size: int) -> Any:
    for key in range(size):
        f(key, 2)
    return f


def _over(size: int) -> Callable[[int], Iterable[object]]:
    endless: Iterator[int] = cycle(range(size))
    return lambda calls: list(islice(endless, calls))
