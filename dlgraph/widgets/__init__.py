"""Pictures that answer: a slider on a leaf, a click on a node, computed by the running kernel.

live.py computes again what a change made stale, entry.py checks what was typed.
"""
