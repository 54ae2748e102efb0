"""Which court order covers this name, address and time.

Operation files and the court's schedules come in (operation, schedule), are compiled into two
content-addressed files (compile: a JSON document of the rules and a mapped index of the domains), and every
worker decides by them (rules). Pure: no clock, socket, loop or log; time comes in as an argument.
"""
