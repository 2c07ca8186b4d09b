"""Damaged captures and perf texts by the thousand: rows or one line of complaint, never anything else."""
