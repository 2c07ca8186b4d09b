"""What TCP did, from the packets of a capture: connections, round trips, each packet; how far to trust the capture.

Enters: PACKETS, as a lazy table or a whole one, in file order (for `flows` and `tcp_sides` also the path of a capture,
of which `io` then makes arrays and no table); of two captures for what happened between their taps.
Times before 1970 or after 2116 count as none: differences of all others, and the sum of two, fit into 64 bits.
Leaves: FLOWS, TCP_SIDES, FRAGMENTS, MARKS, LIMITS, TAP_RANGES and a `CaptureQuality`; of one connection SEQUENCE_LINES,
TRANSFER_RATES, ROUND_TRIPS and ACK_DELAYS. May import `io` (for its compiler switch and these arrays), `tables` and
`errors`.
"""
