"""Holds `errors`, where cachify has it."""
