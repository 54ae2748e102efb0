"""What was collected, kept for the court: read under audit, set aside, held, returned, deleted when its time has come.

known_orders     every order that anything may have been recorded under
footer           what a segment's footer tells: its orders, its first and last instant
quarantine       a segment is set aside, released or destroyed
retention        what may be deleted and why the rest stays
returned         which files were in the return that the court has
rules_kept       compiled rules that nothing needs any more
purge            the deletion: entered, done, finished after a crash
inventory        every file of the custody set: present, quarantined, deleted, lost, unexpected
outside          rows that were recorded after their order's final end
views            an officer's DuckDB session on one order's rows
"""
