"""The durable log of what the collector did (18 USC 3123(a)(3): installed, configured, accessed, collected).

This room begins as a plain append-only file; tamper evidence and the court's return build on the same entries.
"""
