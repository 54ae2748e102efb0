"""The management plane: status page, metrics and health for the operator, on an address of its own. aiohttp serves here,
never the check-ins.

settings       `[manage]`
exposition     the shared counters as Prometheus metrics
circumstances  orders' clocks, disk, log, tokens, as metrics
processes      what our processes cost and whether they live, as metrics
deliveries     what partners are given, as metrics
reach          when registries' domains were last reached, as metrics
text_format    metrics as Prometheus reads them
status         the status page, as text made of values
app            the routes

And the partners' interface, on another address:

pull          what is asked, by whom, and what is answered
pull_access   tokens as the file has them now
pull_gate     how often is too often
pull_range    which bytes a request asks for
pull_shelf    what stands for a partner
pull_record   the entry before the answer
pull_pages    keys, columns, OpenAPI
pull_server   connections, TLS
pull_counts   metrics
"""
