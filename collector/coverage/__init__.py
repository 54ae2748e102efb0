"""What the takedown itself wants to know: which of the domains were reached, by how many, and which registry fell silent.

book         check-ins for what is blocked or out of date: the workers' counts, kept by UTC day
registries   when each registry's domains were last reached, and how many are due now; for the metrics
day          a day as it can be told: its segments, its rules, its orders, what is missing
listing      the rows of a schedule that concern a day, as a relation
query        the statements
report       one run of them
workplace    where its rows lie meanwhile

The first two are the clerk's, as it goes along; the others read collected rows, and so only within an entered access
(law.md L-20a).
"""

FOLDER = "coverage"
"""Below data_dir: the clerk's books, and `work/`, where a report's rows lie while it is made."""
