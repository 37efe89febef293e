"""Executors: what runs a graph after it was optimised.

Read `plan.py` (what a plan says), `memory.py` (where values live), `lowering.py` (from a graph to a
plan), `planned.py` (run a plan with NumPy).
"""
