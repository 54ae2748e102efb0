"""What partners get: a publication for each partner, day and order, whole or not at all, that never changes.

So far only the types that its modules will hand to one another (contract: "Publications").

kinds     those types
"""
