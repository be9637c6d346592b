"""What is known before any patient comes: the rule language, value sets, terminology, packs.

Floor: knowledge (above it only vocabulary).
"""
