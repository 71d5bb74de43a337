"""Where the values of a cache are: what a middleware is handed, and what `register_backend` takes."""
