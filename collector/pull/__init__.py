"""The partner's side: what was published for it comes to a folder of its own, verified before it gets a name.

access     how the collector is reached: its address, the token, certificates
patience   how often, and how long apart, something is tried again
remote     what is asked over the network; resumes what was cut
listing    how far the collector's numbers go, and what it says it gives no more
trust      which keys may sign, and how one is handed on to the next
holdings   what stands in the folder, and what is on its way into it
papers     one publication's papers: manifest, signature, sums, and whether they follow on what stands
pulling    the whole act
lake       the same files once more, under the names that Amazon Security Lake wants
errors     what can stop it
"""
