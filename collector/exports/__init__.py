"""What partners get: per partner, day and order one publication, whole or not at all, that never changes (contract: "Publications").

kinds     what the other modules hand to one another
"""
