"""The decorators that store results, each in a module of its name, as in cashews."""
