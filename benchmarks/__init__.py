"""stillroom against its alternatives and against its targets: ``make bench``."""
