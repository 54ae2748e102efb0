"""Which court order covers this name, address and time.

Operation files and the court's schedules come in, are compiled into two content-addressed files (a JSON document of the rules
and a mapped index of the domains), and every worker decides by them. Pure: no clock, socket, loop or log; time comes in as
an argument.

What comes in, and every mistake of it told at once:

operation         one takedown: injunction, orders, services, annexes
docket            reads operation files
schedule          the court's list of domains, row by row; names: as they may stand there
suffixes          public suffixes: listing one would list strangers
life, agreement   what must hold for an order's life, and between tables and files
mistakes          what pydantic found, as a careful clerk would tell it
kinds             kinds of order: another country's law is a row
instants          whole microseconds UTC, the unit of every window

What it becomes:

compile           operation files become the two files
rules             everything in force, asked once per check-in
index             the mapped index of domains; index_build makes it, entries: what stands for a name outside it
windows           when a domain's rows count, grace included
chains            extensions; timeline: which order is in force at an instant
answer            the fixed bytes of an operation; notices: which of them carry a public notice

And what people are told of it:

account           recorded or not, why, until when, for whom, what comes next; telling: the same in words
summary, notes    what the files say, and what is lawful and still worth a second look
changes           what new rules would change; schedule_changes: of the list
figures           a year's, for 18 USC 3126
spans             lengths of time as people say them
"""
