"""The interfaces of other libraries, with stillroom underneath: code written for them changes the import and nothing else.

A facade translates names, parameters and defaults. It has no engine, no store and no commands of its own, and knows the public
names of stillroom only, as any other program does. Whatever a facade needs is there for everybody.
"""
