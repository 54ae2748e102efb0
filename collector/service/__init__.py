"""Processes and wiring: one supervisor, one intake worker per core, one clerk.

settings     pentrap.toml and the environment, all sections
runtime      what each process needs to know about the others
loader       operation files become the rules in force, in a process of its own
supervisor   binds, forks, replaces, reloads, stops
intake       the life of an intake process
manage_address, pull_address   whether their addresses, token and certificate can be had, asked before a start
clerk        sealed journals to Parquet, days sealed, the management plane
outlook      what the status page shows: minute_counts, head_count, published
"""
