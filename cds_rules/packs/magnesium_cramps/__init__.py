"""Magnesium safety and muscle cramps: the first pack. Its content is data: pack.yaml, rules, value sets, tables."""
