"""The record that the court may check: what was done with the collector and its data, by whom, when, provably unchanged.

tree      Merkle tree hashes and proofs (RFC 6962)
note      signed notes and checkpoints (C2SP signed-note, tlog-checkpoint)
tiles     the same log as files that other people's tools read (C2SP tlog-tiles)
key       the collector's key, and the checkpoint key derived from it
events    the closed table of what may be entered, with which facts
log       appends entries: durable before the act, one process at a time
texts     configuration texts, kept by their hash
people    actor ids in the entries; names in a register that can be erased
access    an officer's reading: opened, closed, or of unknown end
ledger    the state that the entries add up to: holds, deliveries, deletions
check     the whole log read again and held against its checkpoints
          (check_tiles: and its tiles)
findings  what a check found, in one form
"""
