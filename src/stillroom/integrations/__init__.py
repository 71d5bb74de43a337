"""What ties stillroom to other libraries.

Each module needs the extra of its name, and nothing imports it but its users; `following` is what they have in common.
"""
