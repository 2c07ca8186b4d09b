"""What TCP did, from the packets of a capture: connections, round trips, and how far the capture can be trusted.

Enters: PACKETS, as a lazy table or a whole one, in file order. Leaves: FLOWS, TCP_SIDES, FRAGMENTS
and a `CaptureQuality`. May import `io` (for its compiler switch), `tables` and `errors`.
"""
