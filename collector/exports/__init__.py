"""What partners get: a publication for each partner, day and order, whole or not at all, that never changes.

kinds            what these modules hand to one another

Who gets what:

partners         partners.toml; entitlements: an annex narrowed by a partner's wishes
agreement        what must agree between it and the annexes
sheet            the onboarding sheet
tokens           who may pull, as which account

A day's export, as the data flows:

day              what is owed becomes a publication: the act as a whole; day_run: one run of it
means            with what an export works, and what stops one
source           which segments stand, which sensors have sealed the day, what was set aside or withdrawn
enrich           what is known of an address; addresses: the table of a day's distinct ones
relations        the files of a day as relations; query: the statements on them; engine: DuckDB, which runs them
equation         recorded = delivered + withheld by reason, to the unit
writing          a partner's rows to its files:
native           Parquet of ours
ocsf             Parquet for a security lake; network_activity: one row as an event
shadowserver     CSV in the form of the sinkhole reports
withdrawn_csv    what was taken back, as text
parquet_parts    row groups and parts of either Parquet; parts: a file while it is written
schema           the data dictionary; labels: what each Parquet file says of itself; layout: files' names

What makes it provable:

publication      appears whole or not at all, once
manifest         what a publication is, to the byte, and its place in the sequence
sshsig           signatures that OpenSSH checks; keys: which signed since when, rotation: how one follows another
proof            published files held against manifest, signature, chain and the log

Afterwards:

given            what partners were given, read off the files themselves
withdrawal       rows that were found wrong are taken back; withdrawn: the lists of them
disclosure       who was given an address
expiry           partners' copies have a clock of their own

For the status page:

presence         which addresses were recorded in the last day; victims: how many, by family and country
"""
