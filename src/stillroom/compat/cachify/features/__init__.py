"""Holds `never_die`, where cachify has it."""
