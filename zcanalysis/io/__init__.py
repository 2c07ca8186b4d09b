"""Bytes to tables: the only room that opens traces.

In come files (captures, perf traces, counters, a recording's folder); out go the tables of `zcanalysis.tables`
(and of captures, for passes over every packet, their columns as bare arrays).
Damage is counted in an `error` column or raised as `TraceError`, never skipped in silence.
May import `clock`, `tables`, `extensions` and `errors`.
"""
