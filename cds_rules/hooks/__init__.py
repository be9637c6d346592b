"""CDS Hooks documents: discovery, request, prefetch state, response, error bodies.

Flows in: the bytes of a request, knowledge, the instant. Flows out: a status and the bytes of an answer.
Floor: hooks.
"""
