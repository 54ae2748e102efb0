"""What was collected, kept for the court: read under audit, set aside, held, returned, deleted when its time has come.

return_scope     which orders a return covers, and what stands in its way
return_log       the log as the court gets it: other operations' entries as hashes only
return_rows      the collected rows: counted, copied, extracted
return_record    the four parts of 18 USC 3123(a)(3)(A)
return_tar       the bundle as one deterministic tar, with its list of hashes
court_return     the whole act: entered, made, published
summary          the page that a judge's clerk reads; summary_picture draws its bars
verifier         what the court checks it with; copied into each bundle, imports nothing of ours
"""
