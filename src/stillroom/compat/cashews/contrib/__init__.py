"""What goes with other packages: each module imports the one that it is for, and nothing else does."""
