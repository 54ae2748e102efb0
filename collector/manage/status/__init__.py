"""The status page: whether all is well, at one look. Values in, text out: nothing here knows a clock, a file or a socket.

look       the values
concerns   what needs attention, most urgent first: `running` and `owed` find it, `concern` is one of them
words      sentences, sizes and times, for the page and for `pentrap status`
picture    the equation and the last hours as SVG
rows       tables
page       the whole
style      how it looks; `script` keeps it fresh
"""
