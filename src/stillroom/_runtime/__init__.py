"""The only place where blocking callers and asyncio callers differ."""
