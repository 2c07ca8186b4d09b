"""Damaged and hostile captures and perf texts by the thousand: rows that keep their laws, or one line of complaint."""
