"""The return to the court (18 USC 3123(a)(3)(B)): one deterministic bundle that anybody can check without us.

scope       which orders a return covers, and what stands in its way
log         the audit log as the court gets it: other operations' entries as hashes only
rows        the collected rows: counted, copied, extracted
collected   every file collected under the orders, and what became of it
record      the four parts of 18 USC 3123(a)(3)(A)
page        what a judge's clerk reads; picture draws its bars, style its looks
tar         the bundle as one deterministic tar, with its list of hashes
encrypt     the bundle encrypted to the court's key on its way to the disk
bundle      the whole act: entered, made, published
delivery    that the court has it
verifier    what the court checks it with; copied into each bundle, imports nothing of ours
"""
