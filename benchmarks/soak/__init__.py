"""A soak: several processes on one server, faults every few seconds, and a checker that knows which values are allowed.

``python -m benchmarks.soak 180`` prints what happened, and fails if anybody was given a wrong answer or an exception.
"""
