"""How a call is answered: pure decisions, and the one piece of code that acts on them.

Nothing here does I/O, looks at a clock, starts a thread or knows an event loop. What may wait is written as ``async def``
against the runtime and the store that it is given.
"""
