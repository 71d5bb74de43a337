"""Guards limit what runs; they store no results. Their state never shares an eviction domain with values."""
