"""Judging rules over facts: what a rule means (reference), what fires it (durable), what is left to say (arbitration).

Floor: engine.
"""
