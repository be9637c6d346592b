"""Findings put into words: CDS Hooks cards with texts, suggestions and override reasons.

Floor: cards.
"""
