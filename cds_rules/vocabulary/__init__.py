"""The words everything else is said in: facts, chart entries, quantities, time, errors.

Floor: vocabulary (lowest). Imports the standard library only.
"""
