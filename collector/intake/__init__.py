"""Where infected machines connect: sockets, deadlines, budgets, the clock.

settings     what an operator may set
sockets      binding, and what a listening socket says of itself
networks     is this address one of ours, or a listed proxy's
accept       the fast path: a whole head in the first segment, answered in the same turn of the loop
unfinished   the slow path: split heads, silence, PROXY headers
datagrams    UDP: recorded, never answered
desk         one verdict becomes one fate: the order's rules, the record, the count
commit       record first, reply after: the batch becomes durable, then its answers go out
farewell     an orderly close that does not destroy the answer
worker       one process of the above
"""
