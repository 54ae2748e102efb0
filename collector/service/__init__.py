"""Processes and wiring: one supervisor, one intake worker per core, one clerk.

settings        pentrap.toml and the environment, all sections
formats         before a start: does this release read what lies in the data directory?
loader          operation files become the rules in force, in a process of its own; reload: while machines are answered
aside           work that the supervisor must not do itself, in a forked child
supervisor      binds, forks, replaces, reloads, stops
intake          the life of an intake process
manage_address, pull_address   whether their addresses, token and certificate can be had, asked before a start
identity        who we are, for those who meet us

The clerk, and what it does in its rounds:

clerk           the process: sealer (journals to Parquet, days closed), daily (the export), pulling (the partners' interface),
                managing (the management plane's address)
notary          what the collector itself enters in the audit log; changes: what a load does, notices: how long one was served
day_counts      what a day's marker says beside its segments
outlook         what the status page shows: minute_counts, head_count, published

For commands that act on the data:

acts            the log with its key, who is acting, what is known
exporting       with what, for whom, which days are owed
coverage        which day, by which schedule, with an access for each order
asking          who had an address, with an access for each order
"""
