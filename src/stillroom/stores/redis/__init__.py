"""Entries on Redis or Valkey: a single server, one found through Sentinel, or a Cluster.

From top to bottom: `opening` puts everything together; `store` does what the `Store` protocol asks in terms of commands, with
`looking`, `writing` and `search`, and `glance` is its shortest way to a hit; `wire` brings commands to the nodes that they
belong to; `threads` and `loops` hold the connections of blocking callers and of event loops; `client` makes those with
redis-py. Beside them `layout` says how keys are called, `envelope` how an entry is written, and ``scripts`` what the server
does in one step.
"""
