"""The management plane: metrics and health for the operator, on an address of its own. aiohttp serves here, never
the check-ins.

settings     `[manage]`
exposition   the shared counters as Prometheus metrics
app          the routes
"""
