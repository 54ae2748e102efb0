"""What the first bytes of a connection say: bytes come in here, a verdict of three small values goes out."""
