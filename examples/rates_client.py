"""A client of a web service whose answers are kept: slow and unreliable origins are asked as seldom as possible.

The service is played by `RatesService`, so that the example runs anywhere; put an HTTP client in its place.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from stillroom import Cache
from stillroom.testing import FakeClock


class RatesService:
    """Plays the web service: it takes a moment to answer, and can be down."""

    def __init__(self) -> None:
        self.requests = 0
        self.is_down = False

    async def get(self, base: str, quote: str) -> dict[str, str]:
        self.requests += 1
        await asyncio.sleep(0.01)
        if self.is_down:
            raise ConnectionError("the service is down")
        return {"pair": base + quote, "rate": "1.08"}


clock = FakeClock()  # so that the example need not wait; leave it out in a program
cache = Cache(clock=clock)
service = RatesService()


@cache(ttl="10m", stale_if_error="1d", errors=ConnectionError, retry_after="30s", tags=["rates:{base}"])
async def exchange_rate(base: str, quote: str = "USD") -> Decimal:
    """Return how much of one currency another one is worth."""
    answer = await service.get(base, quote)
    return Decimal(answer["rate"])


async def main() -> None:
    """Ask a hundred times at once, survive an outage, and ask for several pairs in one go."""
    await asyncio.gather(*(exchange_rate("EUR") for _ in range(100)))
    print(f"100 calls at once: {service.requests} request")

    service.is_down = True
    clock.advance("11m")
    rates = [await exchange_rate("EUR") for _ in range(100)]
    print(f"100 calls in an outage: {service.requests - 1} request, all answered with {rates[-1]}")

    service.is_down = False
    clock.advance("30s")
    found = await exchange_rate.many([("EUR",), ("GBP", "USD"), {"base": "EUR", "quote": "CHF"}])
    print(f"3 pairs: {len(found)} rates, {service.requests - 2} requests")


if __name__ == "__main__":
    asyncio.run(main())
