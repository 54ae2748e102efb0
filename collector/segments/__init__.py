"""Sealed journals become Parquet, one UTC day a folder; the folder's listing is the catalogue.

segment    the name of a segment file: the day, the stream and the range of records it holds
text       addresses as text, many at a time
table      records become the columns of `events`
write      a run of records becomes a segment file, whole or not at all
scope      a second look: rows that came outside of their order
turn       who may seal, set aside or delete now
versions   the versions of both
catalogue  what stands in a day's folder, and the marker that seals it

pyarrow and numpy are imported by these modules and nowhere else; importing this package alone costs nothing.
"""
