"""What was collected, kept for the court: read under audit, set aside, held, returned, deleted when its time has come.

return_scope     which orders a return covers, and what stands in its way
return_log       the log as the court gets it: other operations' entries as hashes only
return_rows      the collected rows: counted, copied, extracted
return_files     every file collected under the orders, and what became of it
return_record    the four parts of 18 USC 3123(a)(3)(A)
return_tar       the bundle as one deterministic tar, with its list of hashes
return_encrypt   the bundle encrypted to the court's key on its way to the disk
court_return     the whole act: entered, made, published
summary          the page that a judge's clerk reads; summary_picture draws its bars
known_orders     every order that anything may have been recorded under
footer           what a segment's footer tells: its orders, its first and last instant
quarantine       a segment is set aside, released or destroyed
retention        what may be deleted and why the rest stays
rules_kept       compiled rules that nothing needs any more
purge            the deletion: entered, done, finished after a crash
inventory        every file of the custody set: present, quarantined, deleted, lost, unexpected
outside          rows that were recorded after their order's final end
views            an officer's DuckDB session on one order's rows
verifier         what the court checks it with; copied into each bundle, imports nothing of ours
"""
