"""Seeing what happens: events, statistics, and lists of calls."""
