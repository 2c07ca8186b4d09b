"""What TCP did, from the packets of a capture: connections, round trips, each packet; how far to trust the capture.

Enters: PACKETS, as a lazy table or a whole one, in file order (for `flows` and `tcp_sides` also the path of a capture,
of which `io` then makes arrays and no table); of two captures for what happened between their taps.
Leaves: FLOWS, TCP_SIDES, FRAGMENTS, MARKS, SEQUENCE_LINES, LIMITS, TAP_RANGES and a `CaptureQuality`. May import `io`
(for its compiler switch and these arrays), `tables` and `errors`.
"""
