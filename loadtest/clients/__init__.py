"""Playing infected machines: what they say, when, from where, and what must become of it."""
