"""Bytes to tables: the only room that opens traces.

In come files (captures, perf traces, counters, a recording's folder); out go the tables of `zcanalysis.tables`.
Damage is counted in an `error` column or raised as `TraceError`, never skipped in silence.
May import `clock`, `tables` and `errors`.
"""
