"""What every room stands on.

record      the record: all that a check-in leaves behind, in 58 bytes
codes       closed enums: the only words about a check-in that ever leave the process
clock       what time it is, and whether that can be believed
files       durable files: the one module that renames
counters    counters in shared memory, which outlive the process that counts
tally       the same where labels are not known beforehand
unexpected  the same by listed entry, for check-ins that should not have come
cage        what a process that touches strangers' bytes has no need of, the kernel refuses it
process     what a process asks of Linux for itself
logs        events with static names and values of ours; never a byte from the wire
markup      HTML that people read
errors      what can go wrong, as a tree
"""
