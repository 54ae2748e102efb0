"""Where a check-in's record becomes durable: blocks appended, group-committed, sealed, recovered.

names     streams and journal files: the range is the name
format    the bytes of a journal file: writing a block, reading a file however damaged
stream    one worker's one UTC day: the open file, rolling, sealing, failure
writer    the worker's streams: which record goes where, and what happens when the disk says no
recover   after a death: cut the torn tail, say what was cut, seal
"""
