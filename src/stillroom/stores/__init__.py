"""Where entries live: stores, and what they are made of."""
