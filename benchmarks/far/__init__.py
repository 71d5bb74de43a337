"""The same on Redis: what hits, batches, invalidations and shared loads cost there, beside the peers and bare redis-py.

Servers are started for the run, on loopback, and ended with it. All caches of stillroom here raise what the server does to them
instead of falling back, and are patient: a busy machine must not look like an outage, nor memory be timed in place of Redis.
"""
