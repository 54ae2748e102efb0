"""The versions of what stands in a day's folder; apart, so that a start can ask for them without loading Arrow."""

SCHEMA_VERSION = 1
"""Of a segment's columns: raised whenever one is added, taken away or changes its meaning."""
MARKER_VERSION = 1
"""Of the day's marker."""
