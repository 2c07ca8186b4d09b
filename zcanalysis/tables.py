"""Every table that crosses a doorway: its columns, their types, their units.

Nothing is computed here. A reader promises one of these schemas and calls `conform` at its door;
whoever receives the table may rely on the names. All times are int64 nanoseconds since the Unix epoch.
Parquet files say what they hold: `parquet_metadata`.
"""

import json
from typing import Final, NamedTuple

import polars as pl

from zcanalysis.errors import TableError


class Column(NamedTuple):
    """Type and meaning of one column."""

    dtype: pl.DataType
    meaning: str


Schema = dict[str, Column]

SCHEMA_VERSION: Final = 1
"""Of the tables in parquet files; it grows when a column changes its name, type or meaning."""
UNITS: Final = {
    "ns": "ns", "ms": "ms", "s": "s", "seconds": "s", "bytes": "bytes", "packets": "packets", "bits": "bits",
    "gbps": "Gbit/s", "percent": "%", "share": "0 to 1",
}  # fmt: skip
"""What the last word of a column's name says of its numbers."""
STATISTICS: Final = ("_mean", "_median", "_p95", "_max")
"""What may follow the unit in a column's name."""

PACKETS: Final[Schema] = {
    "ts_ns": Column(pl.Int64(), "when the tap saw the packet, nanoseconds since the epoch"),
    "captured_bytes": Column(pl.Int64(), "bytes of the packet that are in the file"),
    "wire_bytes": Column(pl.Int64(), "bytes of the packet at the tap, link header included"),
    "interface": Column(pl.UInt32(), "pcapng interface, counted over the whole file; 0 in pcap"),
    "vlan": Column(pl.UInt16(), "outermost VLAN id; null when untagged"),
    "ip_version": Column(pl.UInt8(), "4 or 6; null when not IP"),
    "src": Column(pl.UInt128(), "source address; IPv4 mapped as ::ffff:a.b.c.d"),
    "dst": Column(pl.UInt128(), "destination address; IPv4 mapped as ::ffff:a.b.c.d"),
    "protocol": Column(pl.UInt8(), "IP protocol after extension headers: 6 TCP, 17 UDP"),
    "src_port": Column(pl.UInt16(), "null for later fragments and other protocols"),
    "dst_port": Column(pl.UInt16(), "null for later fragments and other protocols"),
    "ip_id": Column(pl.UInt32(), "IPv4 identification; of the IPv6 fragment header where there is one"),
    "ttl": Column(pl.UInt8(), "time to live or hop limit"),
    "ecn": Column(pl.UInt8(), "ECN bits of the IP header"),
    "dscp": Column(pl.UInt8(), "DSCP of the IP header"),
    "frag_offset": Column(pl.UInt32(), "offset of this fragment in its datagram, bytes"),
    "more_fragments": Column(pl.Boolean(), "more fragments follow"),
    "tcp_flags": Column(pl.UInt16(), "FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128, AE 256"),
    "seq": Column(pl.UInt32(), "raw TCP sequence number"),
    "ack": Column(pl.UInt32(), "raw TCP acknowledgement number"),
    "window_raw": Column(pl.UInt16(), "TCP window before scaling"),
    "payload_bytes": Column(pl.Int64(), "TCP or UDP payload on the wire, from the IP length"),
    "mss": Column(pl.UInt16(), "MSS option"),
    "window_scale": Column(pl.UInt8(), "window scale option, the shift count"),
    "sack_permitted": Column(pl.Boolean(), "SACK-permitted option present"),
    "sack_blocks": Column(
        pl.List(pl.Struct({"left": pl.UInt32(), "right": pl.UInt32()})), "SACK edges, raw sequence numbers"
    ),
    "tsval": Column(pl.UInt32(), "timestamp option, value"),
    "tsecr": Column(pl.UInt32(), "timestamp option, echo reply"),
    "checksum_ok": Column(pl.Boolean(), "TCP/UDP checksum verified; null where bytes are missing"),
    "flow_id": Column(pl.UInt64(), "stable hash of the direction-free 5-tuple; null when not TCP or UDP"),
    "direction": Column(pl.Boolean(), "canonical direction: true when (src, src_port) sorts after (dst, dst_port)"),
    "error": Column(pl.String(), "what was wrong with this record; null if nothing"),
}

SAMPLES: Final[Schema] = {
    "ts_ns": Column(pl.Int64(), "when the sample was taken; in the clock of the trace until `clock` moves it"),
    "cpu": Column(pl.Int32(), "CPU number; null when the trace does not say"),
    "pid": Column(pl.Int32(), "process; null when the trace does not say"),
    "tid": Column(pl.Int32(), "thread; null when the trace does not say"),
    "comm": Column(pl.String(), "command name of the thread, as recorded: never trusted text"),
    "event": Column(pl.String(), "event name, e.g. cpu-clock"),
    "period": Column(pl.Int64(), "event count this sample stands for; null when the trace does not say"),
    "callchain": Column(
        pl.String(),
        "frames leaf first, one a line, each `symbol<TAB>dso<TAB>k|u` (kernel or user); empty if none",
    ),
    "error": Column(pl.String(), "why these lines are not a sample, with the line number; null if they are"),
}

EVENTS: Final[Schema] = {
    "ts_ns": Column(pl.Int64(), "when it happened, in the clock of the trace; null when that is no clock of seconds"),
    "cpu": Column(pl.Int32(), "CPU number; null when the trace does not say"),
    "pid": Column(pl.Int32(), "process; null when the trace does not say"),
    "tid": Column(pl.Int32(), "thread; what ftrace calls PID"),
    "comm": Column(pl.String(), "command name of the thread as recorded: never trusted text; null when ftrace lost it"),
    "flags": Column(pl.String(), "ftrace's context letters, e.g. `..s1` for softirq; null when the trace has none"),
    "event": Column(pl.String(), "event as the trace names it: `napi:napi_poll` (perf) or `napi_poll` (ftrace)"),
    "fields": Column(
        pl.List(pl.Struct({"name": pl.String(), "value": pl.String()})),
        "fields by name, values as printed; `zcanalysis.io.trace_fields.field` gives one as a column",
    ),
    "payload": Column(pl.String(), "the event's whole text as printed: what no rule takes apart stays readable"),
    "error": Column(pl.String(), "why this line is not an event, with the line number; null if it is"),
}

HISTOGRAMS: Final[Schema] = {
    "map": Column(pl.String(), "name of the map that bpftrace printed, without @: says what was measured"),
    "key": Column(pl.String(), "its key, as printed: a device, a CPU, a command; never trusted text"),
    "low": Column(pl.Int64(), "least value of the bin; null when it has none"),
    "high": Column(pl.Int64(), "most, inclusive; null when it has none"),
    "count": Column(pl.Int64(), "how many values were in it"),
}

SPREADS: Final[Schema] = {
    "quantity": Column(pl.String(), "what was traced, as `zcanalysis.cpu.spreads` names it"),
    "of": Column(pl.String(), "whose: a device, a CPU, a command, a reason, two probes; never trusted text"),
    "unit": Column(pl.String(), "packets, bytes or ns; of what is counted only, null"),
    "count": Column(pl.Int64(), "how many"),
    "p50_low": Column(pl.Int64(), "half of them are at most from here; null when its bin has no least"),
    "p50_high": Column(pl.Int64(), "to here: the same where each value is known; null when its bin has no most"),
    "p99_low": Column(pl.Int64(), "99 % of them are at most from here"),
    "p99_high": Column(pl.Int64(), "to here"),
    "most": Column(pl.Int64(), "none is above this; null when it is not known"),
    "source": Column(pl.String(), "events, or bpftrace"),
}

COUNTERS: Final[Schema] = {
    "ts_ns": Column(pl.Int64(), "when the source was read, nanoseconds since the epoch"),
    "phase": Column(pl.String(), "phase of the recording: counters, sampling, capture, …"),
    "repeat": Column(pl.Int32(), "which of the phases of that name, from 0; a recording made in one round has only 0"),
    "source": Column(pl.String(), "where it was read: netdev, softnet, cpuidle, snmp, socket, …"),
    "instance": Column(pl.String(), "which one: device, cpu0, a socket's addresses; empty when there is one"),
    "counter": Column(pl.String(), "name with unit suffix"),
    "value": Column(pl.Int64(), "cumulative unless the name says otherwise"),
}

FLOWS: Final[Schema] = {
    "connection": Column(pl.UInt32(), "number of the connection in the capture, in order of first packet"),
    "src": Column(pl.String(), "address of the side that sent these packets"),
    "src_port": Column(pl.UInt16(), "its port"),
    "dst": Column(pl.String(), "address of the other side"),
    "dst_port": Column(pl.UInt16(), "its port"),
    "protocol": Column(pl.String(), "tcp or udp"),
    "packets": Column(pl.UInt64(), "capture records in this direction"),
    "wire_bytes": Column(pl.UInt64(), "bytes at the tap, link headers included"),
    "payload_bytes": Column(pl.UInt64(), "payload bytes, repeated ones included"),
    "unique_bytes": Column(pl.UInt64(), "payload bytes counted once (TCP sequence space covered)"),
    "retransmitted_bytes": Column(pl.UInt64(), "payload_bytes - unique_bytes: seen at the tap more than once"),
    "first_ns": Column(pl.Int64(), "first packet of this direction"),
    "last_ns": Column(pl.Int64(), "last packet of this direction"),
    "goodput_gbps": Column(pl.Float64(), "unique payload over the connection's life; null below two packets"),
    "rtt_ms": Column(pl.Float64(), "smallest time from a data packet to the first ACK covering it, at the tap"),
}

SEQUENCE_LINES: Final[Schema] = {
    "from_s": Column(pl.Float64(), "begin of the slice, since the direction's first packet"),
    "to_s": Column(pl.Float64(), "its end"),
    "packets": Column(pl.Int64(), "capture records of the direction"),
    "low_byte": Column(pl.Int64(), "lowest byte sent, counted from the first number seen; null without payload"),
    "high_byte": Column(pl.Int64(), "end of the highest byte sent; null without payload"),
    "payload_bytes": Column(pl.Int64(), "payload sent, repeated bytes included"),
    "repeated_bytes": Column(pl.Int64(), "payload below the highest byte seen before: sent again, or out of order"),
    "acked_byte": Column(pl.Int64(), "highest byte acknowledged; null when no ACK came"),
    "edge_byte": Column(pl.Int64(), "end of the window that the other side allows; null when its scale is unknown"),
    "sacked": Column(
        pl.List(pl.Struct({"low_byte": pl.Int64(), "high_byte": pl.Int64()})),
        "ranges beyond its number that the slice's last ACK with SACK blocks reports; empty without",
    ),
    "in_flight_bytes": Column(pl.Int64(), "highest byte sent so far less highest acknowledged, at the slice's end"),
    "in_flight_most_bytes": Column(pl.Int64(), "the same at its largest in the slice; null before the first ACK"),
}

PACKET_LIST: Final[Schema] = {
    "number": Column(pl.Int64(), "of the record in its capture, from 1, as Wireshark and `dissect` count"),
    "at_s": Column(pl.Float64(), "since the first packet of the direction whose payload is meant"),
    "sent": Column(pl.Boolean(), "by the sender of that payload; else by the other side"),
    "flags": Column(pl.String(), "TCP flags that are set, such as SYN ACK"),
    "payload_bytes": Column(pl.Int64(), "TCP payload"),
    "sent_byte": Column(pl.Int64(), "where the sender's packet begins, counted from the first number seen"),
    "acked_byte": Column(pl.Int64(), "up to where the other side's packet acknowledges"),
    "window_raw": Column(pl.Int64(), "TCP window before scaling"),
}

TRANSFER_RATES: Final[Schema] = {
    "from_s": Column(pl.Float64(), "begin of the slice, since the direction's first packet"),
    "to_s": Column(pl.Float64(), "its end"),
    "new_gbps": Column(pl.Float64(), "payload beyond all that was sent before, 1e9 bits per second"),
    "repeated_gbps": Column(pl.Float64(), "payload sent again, or out of order"),
}

ROUND_TRIPS: Final[Schema] = {
    "from_s": Column(pl.Float64(), "begin of the slice, since the direction's first packet"),
    "to_s": Column(pl.Float64(), "its end"),
    "samples": Column(pl.Int64(), "ACKs that end where a packet of the direction does, as tshark pairs them"),
    "min_ms": Column(pl.Float64(), "shortest time from that packet to the ACK, at the tap"),
    "median_ms": Column(pl.Float64(), "half of them took at most this, within 1.6 %"),
    "p95_ms": Column(pl.Float64(), "95 % of them took at most this, within 1.6 %"),
    "max_ms": Column(pl.Float64(), "longest"),
}

ACK_DELAYS: Final[Schema] = {
    "from_ms": Column(pl.Float64(), "the class begins here: eight an octave, the first holds all below 1.024 µs"),
    "to_ms": Column(pl.Float64(), "and ends before this"),
    "acks": Column(pl.Int64(), "ACKs of new payload that came so long after the oldest packet that they cover"),
    "share": Column(pl.Float64(), "of all such ACKs"),
    "share_time": Column(pl.Float64(), "of all their delays together; null where all are 0"),
}

TCP_SIDES: Final[Schema] = {
    "connection": Column(pl.UInt32(), "as in FLOWS; a row is what `src` did, as sender of data and as receiver"),
    "src": Column(pl.String(), "address of the side that is told of"),
    "src_port": Column(pl.UInt16(), "its port"),
    "dst": Column(pl.String(), "address of the other side"),
    "dst_port": Column(pl.UInt16(), "its port"),
    "port_use": Column(pl.UInt32(), "how many connections of the capture used these four before: 0 is the first"),
    "opens": Column(pl.Boolean(), "sent the first SYN; null when its SYN was not seen"),
    "handshake_ms": Column(pl.Float64(), "from this side's SYN to the first ACK of it, at the tap; null if sent twice"),
    "mss_bytes": Column(pl.UInt32(), "MSS that this side announced; null when it did not or its SYN was not seen"),
    "window_shift": Column(
        pl.UInt8(), "what this side's windows are shifted by; null when the handshake does not tell"
    ),
    "sack_permitted": Column(pl.Boolean(), "announced in the SYN; null when that was not seen"),
    "timestamps": Column(pl.Boolean(), "this side sent timestamp options"),
    "ecn": Column(pl.Boolean(), "the handshake agreed on ECN (RFC 3168); null when either SYN was not seen"),
    "ect_packets": Column(pl.UInt64(), "with any ECN code point other than zero"),
    "ce_packets": Column(pl.UInt64(), "marked on their way to the tap: congestion experienced"),
    "ece_packets": Column(pl.UInt64(), "that echo congestion, SYNs not counted"),
    "cwr_packets": Column(pl.UInt64(), "that say the window was reduced, SYNs not counted"),
    "syn_packets": Column(pl.UInt64(), "repeated ones included"),
    "fin_packets": Column(pl.UInt64(), "repeated ones included"),
    "resets": Column(pl.UInt64(), "RST packets"),
    "data_packets": Column(pl.UInt64(), "capture records with payload, copies not counted"),
    "largest_payload_bytes": Column(pl.UInt64(), "of one record"),
    "super_packets": Column(pl.UInt64(), "records with more payload than `dst` announced as MSS (else 9,216 bytes)"),
    "estimated_wire_packets": Column(
        pl.UInt64(), "packets on the wire, super-packets cut at the MSS; null when the MSS is unknown and matters"
    ),
    "duplicated_packets": Column(
        pl.UInt64(), "records of a packet already seen (same IPv4 id, numbers, length, flags)"
    ),
    "duplicated_bytes": Column(pl.UInt64(), "their payload; part of retransmitted_bytes of FLOWS"),
    "keep_alives": Column(pl.UInt64(), "nothing, or one byte again, just before what comes next"),
    "window_probes": Column(pl.UInt64(), "the same while the other side's window is zero"),
    "resent_packets": Column(pl.UInt64(), "with bytes seen before; no copies, keep-alives, probes"),
    "resent_bytes": Column(pl.UInt64(), "those bytes"),
    "recovered_packets": Column(pl.UInt64(), "all new, sent again to fill a gap: lost before the tap, or not captured"),
    "out_of_order_packets": Column(pl.UInt64(), "all new, sent before packets already seen: reordered on the way"),
    "spurious_packets": Column(pl.UInt64(), "that `dst` reports to have had already (D-SACK, RFC 2883)"),
    "spurious_bytes": Column(pl.UInt64(), "the bytes it reports"),
    "lost_in_capture_bytes": Column(pl.UInt64(), "that `dst` acknowledged and the capture lacks; null without ACKs"),
    "sequence_wraps": Column(pl.UInt32(), "how often its sequence numbers passed 4 GiB"),
    "in_flight_max_bytes": Column(pl.UInt64(), "sent and not acknowledged, after new data; null without ACKs"),
    "in_flight_median_bytes": Column(pl.UInt64(), "the same, half of the packets"),
    "rtt_samples": Column(pl.UInt64(), "ACKs that end where one packet ends and nothing sent twice confuses (Karn)"),
    "rtt_min_ms": Column(pl.Float64(), "from a packet with data, SYN or FIN of this side to its ACK, at the tap"),
    "rtt_mean_ms": Column(pl.Float64(), "the same; null where they sum to 146 years or more"),
    "rtt_median_ms": Column(pl.Float64(), "the same, within 1.6 %"),
    "rtt_p95_ms": Column(pl.Float64(), "the same, within 1.6 %"),
    "rtt_max_ms": Column(pl.Float64(), "the same"),
    "rtt_ts_samples": Column(pl.UInt64(), "time stamps that came back with an ACK of their packet (RFC 7323)"),
    "rtt_ts_min_ms": Column(pl.Float64(), "from the first data packet with a time stamp to its first echo"),
    "rtt_ts_median_ms": Column(pl.Float64(), "the same, within 1.6 %"),
    "rtt_ts_p95_ms": Column(pl.Float64(), "the same, within 1.6 %"),
    "pure_acks": Column(pl.UInt64(), "without payload, SYN, FIN, RST"),
    "duplicate_acks": Column(pl.UInt64(), "the same number again while data waits (RFC 5681), or with SACK blocks"),
    "sack_packets": Column(pl.UInt64(), "with SACK blocks"),
    "dsack_packets": Column(pl.UInt64(), "of these, with a D-SACK"),
    "ack_bytes_mean": Column(pl.Float64(), "payload that an ACK of something new covers"),
    "ack_bytes_median": Column(pl.UInt64(), "the same, within 1.6 %"),
    "ack_bytes_p95": Column(pl.UInt64(), "the same, within 1.6 %"),
    "ack_delay_median_ms": Column(
        pl.Float64(), "from the oldest packet that an ACK covers to it; near `src` its delay"
    ),
    "ack_delay_p95_ms": Column(pl.Float64(), "the same, within 1.6 %"),
    "delayed_ack_stalls": Column(pl.UInt64(), "ACKs 35 ms or more later than the fastest answer before"),
    "single_acks": Column(pl.UInt64(), "pure ACKs of at most one segment"),
    "quick_ack_phases": Column(pl.UInt64(), "runs of at least four of those"),
    "window_min_bytes": Column(pl.UInt64(), "smallest window advertised, not zero; null when the shift is unknown"),
    "window_median_bytes": Column(pl.UInt64(), "of all packets, zero windows included, within 1.6 %"),
    "window_max_bytes": Column(pl.UInt64(), "largest"),
    "zero_windows": Column(pl.UInt64(), "ACKs with a window of zero"),
    "zero_window_ms": Column(pl.Float64(), "how long the window was closed, to this side's last packet at most"),
    "idle_periods": Column(pl.UInt64(), "pauses of 200 ms and more between packets with payload"),
    "idle_ms": Column(pl.Float64(), "their sum"),
    "stall_ms": Column(pl.Float64(), "the longest pause between packets with payload; null below two"),
    "stall_at_ns": Column(pl.Int64(), "when it began, since the epoch"),
    "stall_cause": Column(
        pl.String(),
        "what ended it tells: timeout, zero window, window, delayed ack, round trip, peer, application or unknown",
    ),
}

SOCKETS: Final[Schema] = {
    "connection": Column(pl.UInt32(), "as in FLOWS; null when the capture lacks it, or there is none"),
    "src": Column(pl.String(), "address of the end whose kernel counted"),
    "src_port": Column(pl.UInt16(), "its port"),
    "dst": Column(pl.String(), "address of the other end"),
    "dst_port": Column(pl.UInt16(), "its port"),
    "readings": Column(pl.UInt32(), "how often its kernel was asked"),
    "first_ns": Column(pl.Int64(), "first of them, since the epoch; null where a log has no times"),
    "last_ns": Column(pl.Int64(), "last of them"),
    "acked_bytes": Column(pl.Int64(), "that it sent and the other end acknowledged, since the connection began"),
    "received_bytes": Column(pl.Int64(), "that it received in order, once, since the connection began"),
    "resent_segments": Column(pl.Int64(), "that it sent again, since the connection began"),
    "busy_s": Column(pl.Float64(), "how long it had data under way or to send, by its kernel's clock"),
    "rwnd_limited": Column(pl.Float64(), "share of that in which the receive window stopped it"),
    "sndbuf_limited": Column(pl.Float64(), "share of that in which its own send buffer was full"),
    "app_limited": Column(
        pl.Float64(), "share of the readings at which it had nothing more to send; null of a receiver"
    ),
    "rtt_ms": Column(pl.Float64(), "smoothed round trip, median of the readings"),
    "min_rtt_ms": Column(pl.Float64(), "smallest round trip"),
    "cwnd_segments": Column(pl.Int64(), "congestion window, median of the readings"),
    "delivery_gbps": Column(pl.Float64(), "largest rate at which the kernel saw data delivered, 1e9 bits per second"),
    "filled": Column(pl.Float64(), "part of its receive buffer in use, median of the readings; needs `ss -m`"),
    "rcv_space_bytes": Column(pl.Int64(), "most that its reader took within a round trip, at the last reading"),
    "rcv_ssthresh_bytes": Column(pl.Int64(), "window that its kernel was ready to advertise, at the last reading"),
}

FRAGMENTS: Final[Schema] = {
    "src": Column(pl.String(), "address that sent the datagrams"),
    "dst": Column(pl.String(), "address they go to"),
    "protocol": Column(pl.UInt8(), "IP protocol of what is in them"),
    "datagrams": Column(pl.UInt64(), "that came in pieces"),
    "fragments": Column(pl.UInt64(), "their pieces, repeated ones included"),
    "fragments_median": Column(pl.UInt64(), "pieces of a datagram: half of them have at most so many"),
    "fragments_max": Column(pl.UInt64(), "pieces of a datagram, at most"),
    "incomplete_datagrams": Column(pl.UInt64(), "of which the capture lacks a piece"),
    "overlapping_datagrams": Column(pl.UInt64(), "with bytes that came more than once"),
    "bytes": Column(pl.UInt64(), "IP payload of the complete ones, each byte once"),
    "incomplete_bytes": Column(pl.UInt64(), "IP payload of the others, as far as it came"),
    "overlap_bytes": Column(pl.UInt64(), "that came more than once"),
}

TAP_RANGES: Final[Schema] = {
    "from_tap": Column(pl.String(), "a or b: the tap nearer to who sent it"),
    "flow_id": Column(pl.UInt64(), "as in PACKETS"),
    "direction": Column(pl.Boolean(), "as in PACKETS"),
    "seq": Column(pl.UInt32(), "raw sequence number of the first byte; of the packet when it has no payload"),
    "payload_bytes": Column(pl.Int64(), "bytes of this stretch; 0 for a packet without payload"),
    "record_a": Column(pl.UInt64(), "record of capture A that holds it, the first is 1; null when A has none"),
    "record_b": Column(pl.UInt64(), "the same of capture B"),
    "sent_ns": Column(
        pl.Int64(), "when the tap nearer to the sender saw it, in the clock of tap A; null when it did not"
    ),
    "delay_ns": Column(pl.Int64(), "from there to the other tap; null unless it arrived and is certain"),
    "fate": Column(pl.String(), "arrived, lost, unseen (only behind), outside (other tap not recording), ambiguous"),
}

LIMITS: Final[Schema] = {
    "connection": Column(pl.String(), "sender:port > receiver:port of the data"),
    "from_ns": Column(pl.Int64(), "where the interval begins, since the epoch"),
    "to_ns": Column(pl.Int64(), "where it ends"),
    "limit": Column(pl.String(), "what held the connection back, one of `zcanalysis.limit_spans.LIMIT_NAMES`"),
    "evidence": Column(pl.String(), "the rule, and what was seen"),
    "share_time": Column(pl.Float64(), "of the time of all rows"),
    "share_bytes": Column(pl.Float64(), "of the bytes lost: those a connection would have moved at its fastest"),
    "payload_bytes": Column(pl.Int64(), "payload that it moved meanwhile, once"),
}

MARKS: Final[Schema] = {
    "packet": Column(pl.UInt64(), "number of the packet in the capture, from 1"),
    "connection": Column(pl.UInt32(), "number of its connection, as in FLOWS"),
    "direction": Column(pl.Boolean(), "as in PACKETS"),
    "retransmission": Column(pl.Boolean(), "data, SYN or FIN that was sent before, of whatever kind"),
    "fast_retransmission": Column(pl.Boolean(), "of these: within 20 ms of the second repeated ACK that asks for it"),
    "spurious_retransmission": Column(pl.Boolean(), "of these: all of it was acknowledged before"),
    "out_of_order": Column(pl.Boolean(), "data, SYN or FIN behind what was sent, too soon to be a retransmission"),
    "duplicate_ack": Column(pl.Boolean(), "an empty packet with the ACK, window and sequence number of the one before"),
    "repeats": Column(pl.UInt32(), "which of the repeated ACKs in a row it is, from 1; null if it is none"),
    "lost_segment": Column(pl.Boolean(), "begins beyond all that its sender sent before: something was not captured"),
    "ack_lost_segment": Column(pl.Boolean(), "acknowledges what was not captured"),
    "zero_window": Column(pl.Boolean(), "advertises a window of 0"),
    "window_full": Column(pl.Boolean(), "data that ends where the other side's window does"),
    "window_update": Column(pl.Boolean(), "an empty packet that changes nothing but the window"),
    "zero_window_probe": Column(pl.Boolean(), "one byte into a window of 0"),
    "zero_window_probe_ack": Column(pl.Boolean(), "the answer to it: the window is still 0"),
    "keep_alive": Column(pl.Boolean(), "at most one byte, one before the next to send"),
    "keep_alive_ack": Column(pl.Boolean(), "the answer to it"),
    "port_reused": Column(pl.Boolean(), "a SYN on ports that the capture has seen before"),
    "seen_before": Column(pl.Boolean(), "ours: one packet that still waits for its ACK holds all of this payload"),
    "sent_in_vain": Column(pl.Boolean(), "ours: the other side reported all of this payload before, by ACK or SACK"),
    "in_sack_hole": Column(pl.Boolean(), "ours: payload between the other side's ACK and what its SACK reports"),
    "duplicate_sack": Column(pl.Boolean(), "ours: reports by SACK (RFC 2883) that bytes arrived twice"),
    "ack_rtt_ns": Column(pl.Int64(), "time since the packet that ends where this ACK does; null if none does"),
    "in_flight_bytes": Column(pl.Int64(), "payload sent and not acknowledged after this packet; null if not known"),
    "window_bytes": Column(pl.Int64(), "advertised window, scaled; null if the handshake was not captured"),
    "relative_seq": Column(pl.UInt32(), "sequence number, counted from the SYN or one before the first seen"),
    "relative_ack": Column(pl.UInt32(), "ACK number, counted likewise; null without the ACK flag"),
}

STAGED_SAMPLES: Final[Schema] = {
    "ts_ns": Column(pl.Int64(), "when the sample was taken, since the epoch"),
    "at_ns": Column(pl.Int64(), "the same since the first sampled window began, the time between windows left out"),
    "cpu": Column(pl.Int32(), "CPU number"),
    "pid": Column(pl.Int32(), "process that was interrupted; null when the trace does not say"),
    "tid": Column(pl.Int32(), "thread that was interrupted"),
    "comm": Column(pl.String(), "its command name"),
    "stage": Column(pl.String(), "stage that was charged, one of `STAGES`"),
    "function": Column(pl.String(), "the kernel function that decided; the leaf symbol for user code"),
    "context": Column(pl.String(), "hardirq, softirq, syscall, kthread, idle or user"),
    "direction": Column(pl.String(), "rx, ack or tx: on whose behalf"),
    "mode": Column(pl.String(), "kernel or user"),
    "skid": Column(pl.Boolean(), "leaf is a point that re-enables interrupts: the caller was charged"),
    "in_idle": Column(pl.Boolean(), "served inside an idle state: cpuidle's counters book this time as idle"),
    "weight_ns": Column(
        pl.Int64(), "busy time this sample stands for: one sampling interval, scaled where counters know better"
    ),
    "folded": Column(pl.String(), "callchain root first, `;` between frames"),
}

COSTS: Final[Schema] = {
    "stage": Column(pl.String(), "one of `STAGES`"),
    "cpu": Column(pl.Int32(), "CPU that paid"),
    "ns_per_packet": Column(pl.Float64(), "CPU time over packets received in the same window"),
    "ns_per_byte": Column(pl.Float64(), "CPU time over payload bytes received in the same window"),
    "ns_per_batch": Column(pl.Float64(), "CPU time over batches on this CPU in the same window; null if none"),
    "follows": Column(pl.String(), "what the stage's time grows with: packet, byte or batch; the term to use"),
    "batch": Column(pl.String(), "which batches: interrupts, NET_RX runs or idle exits"),
    "batches_per_s": Column(pl.Float64(), "how many of them a second on this CPU; null if not counted"),
    "cpu_share": Column(pl.Float64(), "share of the CPU's wall time"),
    "low": Column(pl.Float64(), "5 % bound of ns_per_packet (cpu_share where no packets were counted)"),
    "high": Column(pl.Float64(), "95 % bound of ns_per_packet (cpu_share where no packets were counted)"),
    "origin": Column(pl.String(), "where the number comes from"),
}

BLAME: Final[Schema] = {
    "stage": Column(pl.String(), "framing, a stage, waiting or unexplained"),
    "seconds": Column(pl.Float64(), "time of the limiting CPU in the sampled window"),
    "share": Column(pl.Float64(), "share of that CPU's wall time"),
    "lost_gbps": Column(pl.Float64(), "its part of ceiling - goodput"),
    "low_gbps": Column(pl.Float64(), "5 % bound"),
    "high_gbps": Column(pl.Float64(), "95 % bound"),
    "gain_alone_gbps": Column(
        pl.Float64(), "what making it alone free gives, replayed; null where no host was calibrated"
    ),
    "gain_last_gbps": Column(pl.Float64(), "what making it free gives when all other stages of this table are"),
    "skid_share": Column(pl.Float64(), "share of its samples that landed where interrupts are turned on again"),
}

COMPARED: Final[Schema] = {
    "of": Column(pl.String(), "goodput, cost (CPU time over payload), latency, blame, or function"),
    "quantity": Column(pl.String(), "goodput, a stage (latency: and a quantile), all of the receiver, or a function"),
    "unit": Column(pl.String(), "of the figures: Gbit/s, ns/KB (1,000 bytes of payload), us"),
    "value": Column(pl.Float64(), "mean over the set in question"),
    "against": Column(pl.Float64(), "mean over the set it is held against"),
    "difference": Column(pl.Float64(), "value - against"),
    "change": Column(pl.Float64(), "value / against - 1; null where nothing was there before"),
    "low": Column(pl.Float64(), "2.5 % bound of the difference; null where the run-to-run variance is unknown"),
    "high": Column(pl.Float64(), "97.5 % bound of the difference"),
    "p": Column(pl.Float64(), "how often chance makes such a difference; null where nobody can say"),
    "changed": Column(pl.Boolean(), "more than chance, each kind of row at the 5 % level; null where not tested"),
}

FUNCTIONS_COMPARED: Final[Schema] = COMPARED | {
    "stage": Column(pl.String(), "the stage that most of the function's time is charged to"),
}

PRICES: Final[Schema] = {
    "price": Column(pl.String(), "stage and what it is a price of, as in a host's file: copy.ns_per_byte"),
    "value": Column(pl.Float64(), "in the unit that the name ends with"),
    "low": Column(pl.Float64(), "5 % bound"),
    "high": Column(pl.Float64(), "95 % bound"),
    "per": Column(pl.String(), "what the CPU time was divided by; null where the price was not measured"),
    "uses_per_s": Column(pl.Float64(), "how many of them a second"),
    "determined": Column(pl.Boolean(), "whether the windows alone tell it from other prices of the same time"),
    "condition": Column(pl.Float64(), "condition number of those windows: large where the uses go together"),
    "origin": Column(pl.String(), "measured, calibrated, published or assumed"),
    "source": Column(pl.String(), "how it was measured, or why it is assumed"),
}

PIECES_OF_WORK: Final = {
    "driver": ("interrupt", "softirq", "driver", "gro", "hand-over", "send interrupt"),
    "protocol": ("interrupt", "softirq", "ip", "checksum", "tcp", "ack", "wake-up", "send interrupt"),
    "backlog": ("interrupt", "schedule", "checksum", "tcp", "ack"),
    "copy": ("interrupt", "schedule", "copy"),
    "call": ("ack", "syscall"),
}
"""What the CPUs of a replayed host do for packets, and the stages that each piece of work pays, in order."""


def departure_column(piece: str, stage: str) -> str:
    """Where JOURNEYS keeps when a stage of a piece of work was over.

    Examples
    --------
    >>> departure_column("driver", "hand-over")
    'driver_hand_over_ns'
    """
    return f"{piece}_{stage.replace('-', '_').replace(' ', '_')}_ns"


JOURNEYS: Final[Schema] = {
    "packet": Column(pl.Int64(), "row of the packet, from 0 in order of arrival"),
    "arrival_ns": Column(pl.Int64(), "when it arrived, since the epoch"),
    "payload_bytes": Column(pl.Int64(), "its TCP payload"),
    "skb": Column(pl.Int64(), "row of the first packet of its skb"),
    "run": Column(pl.Int64(), "run of the first stage that took it"),
    "call": Column(pl.Int64(), "call of the reader that copied it; null where it never was"),
    "dropped": Column(pl.Boolean(), "the queue to the protocol was full"),
}
for _piece, _stages in PIECES_OF_WORK.items():
    JOURNEYS[f"{_piece}_from_ns"] = Column(pl.Int64(), f"when the {_piece} work began that is kept with this packet")
    JOURNEYS[f"{_piece}_bound"] = Column(
        pl.Int64(),
        "what it waited for: 5 x packet + piece (in the order of PIECES_OF_WORK) that ended last; -1 arrival",
    )
    for _stage in _stages:
        JOURNEYS[departure_column(_piece, _stage)] = Column(pl.Int64(), f"when it left the stage {_stage} of this work")

WORK: Final[Schema] = {
    "packet": Column(pl.Int64(), "row in JOURNEYS of the packet that the work is kept with: of an skb the last one"),
    "piece": Column(pl.String(), "which work, one of `PIECES_OF_WORK`"),
    "stage": Column(pl.String(), "which part of it"),
    "from_ns": Column(pl.Int64(), "when that began, since the epoch"),
    "to_ns": Column(pl.Int64(), "when it was over"),
    "critical": Column(
        pl.Boolean(), "the end of the copy that was asked for waited for this work; null if none was asked for"
    ),
}

WAY: Final[Schema] = {
    "step": Column(pl.Int64(), "place on the way of one packet, from 0"),
    "packet": Column(pl.Int64(), "row in JOURNEYS of the packet that the work is kept with: of an skb the last one"),
    "piece": Column(pl.String(), "which work, one of `PIECES_OF_WORK`"),
    "stage": Column(pl.String(), "which part of it; empty while the packet waits for the whole"),
    "kind": Column(pl.String(), "works or waits"),
    "from_ns": Column(pl.Int64(), "since the epoch; the first step begins with the packet's arrival"),
    "to_ns": Column(pl.Int64(), "the last one ends when it is copied"),
    "why": Column(pl.String(), "what was waited for last; null for work"),
}

CHAIN_COSTS: Final[Schema] = {
    "stack": Column(pl.String(), "thread, then the call chain from its root, `;` between: never trusted text"),
    "ns_per_kb": Column(pl.Float64(), "CPU time of the receive path in it over 1,000 bytes of payload"),
}

CHAINS_COMPARED: Final[Schema] = {
    "stack": Column(pl.String(), "as in CHAIN_COSTS"),
    "before": Column(pl.Float64(), "ns per 1,000 bytes of payload, mean over the recordings it is held against"),
    "after": Column(pl.Float64(), "the same of the recordings in question"),
}

FUNCTION_COSTS: Final[Schema] = {
    "function": Column(pl.String(), "the last of the call chain: never trusted text"),
    "stage": Column(pl.String(), "the stage that most of its time is charged to"),
    "ns_per_kb": Column(pl.Float64(), "CPU time of the receive path in it alone over 1,000 bytes of payload"),
    "error": Column(pl.Float64(), "standard error of that by sampling, in its unit"),
}

FLAME: Final[Schema] = {
    "cpu": Column(pl.Int32(), "CPU number"),
    "depth": Column(pl.Int32(), "0 is the thread, then the call chain from its root"),
    "start": Column(pl.Float64(), "left edge: share of the CPU's busy time"),
    "end": Column(pl.Float64(), "right edge; the width is the function's share, with all that it calls"),
    "name": Column(pl.String(), "function, or thread: never trusted text"),
    "group": Column(pl.String(), "group of stages that most of its time was charged to"),
}

FLAME_DIFFERENCE: Final[Schema] = {
    "depth": Column(pl.Int32(), "0 is the first element of the stacks, then the call chain from its root"),
    "start": Column(pl.Float64(), "left edge; the width is the mean of both over all, so that what vanished shows"),
    "end": Column(pl.Float64(), "right edge"),
    "name": Column(pl.String(), "function, or thread: never trusted text"),
    "before": Column(pl.Float64(), "what it took before, with all that it calls"),
    "after": Column(pl.Float64(), "the same after"),
    "unit": Column(pl.String(), "of both: share (of all counts), or ns/KB (of 1,000 bytes of payload)"),
}

HELD_OUT: Final[Schema] = {
    "measure": Column(pl.String(), "what was not fitted, with its unit"),
    "predicted": Column(pl.Float64(), "by the host of the recording's first half, replayed"),
    "measured": Column(pl.Float64(), "by the counters of its second half; null where nobody counted"),
    "error": Column(pl.Float64(), "predicted over measured, less 1; null where one of them is 0"),
}

LADDER: Final[Schema] = {
    "group": Column(pl.String(), "stages of the receiver that are made free together"),
    "stages": Column(pl.String(), "which ones"),
    "part_gbps": Column(pl.Float64(), "its part of the climb from goodput to all of them free, over all orders"),
    "gain_alone_gbps": Column(pl.Float64(), "what making it alone free gives"),
    "gain_last_gbps": Column(pl.Float64(), "what making it free gives when all others are"),
}

OUTCOMES: Final[Schema] = {
    "order": Column(pl.Int64(), "from top to bottom"),
    "name": Column(pl.String(), "of a scenario or a measurement: its user's or a folder's, never trusted text"),
    "kind": Column(pl.String(), "as it is, with the changes, kept, or measured"),
    "gbps": Column(pl.Float64(), "goodput, measured or predicted; null where nothing can say"),
    "low_gbps": Column(pl.Float64(), "its 5 % bound; null where none is known"),
    "high_gbps": Column(pl.Float64(), "its 95 % bound"),
    "limit": Column(pl.String(), "what limits then"),
    "label": Column(pl.String(), "the goodput in words, rounded to its interval"),
}

BEFORE_AFTER: Final[Schema] = {
    "order": Column(pl.Int64(), "from top to bottom"),
    "when": Column(pl.String(), "as it is, or with the changes"),
    "name": Column(pl.String(), "stage of the model, or group of stages"),
    "group": Column(pl.String(), "group of stages that it is drawn with"),
    "amount": Column(pl.Float64(), "its part: microseconds of a megabyte, or Gbit/s of a ladder"),
    "from": Column(pl.Float64(), "where its step begins"),
    "to": Column(pl.Float64(), "and ends; the next one begins there"),
}

PATCHES: Final[Schema] = {
    "patch": Column(pl.String(), "name=value; several applied together are joined by ` + `"),
    "applies": Column(pl.Boolean(), "whether it can act on this host"),
    "why": Column(pl.String(), "why not, or what to mind; how the prediction was made"),
    "predicted_gbps": Column(pl.Float64(), "goodput with it; null where nothing here can say"),
    "low_gbps": Column(
        pl.Float64(), "5 % bound; where only null models answer the least that they give: no confidence then"
    ),
    "high_gbps": Column(pl.Float64(), "95 % bound; of null models the most that they give"),
    "bound": Column(pl.String(), "exact, or upper where the sender was not recorded"),
    "limit_after": Column(pl.String(), "what limits then"),
    "tier": Column(
        pl.String(),
        "what it rests on: recording (a host of it), calibrated (with prices of its machine), host, or null",
    ),
    "command": Column(pl.String(), "shell command for this host; null for a question without one"),
    "undo": Column(pl.String(), "shell command that restores what was recorded"),
    "no_change_gbps": Column(pl.Float64(), "null model: nothing changes"),
    "samples_removed_gbps": Column(pl.Float64(), "null model: the limiting CPU's time that it removes is free"),
    "amdahl_gbps": Column(pl.Float64(), "null model: time a packet and a byte, no CPU and no link exceeded"),
}

OFFERED: Final[Schema] = {
    "offered_gbps": Column(pl.Float64(), "payload that came, in datagrams at a constant rate"),
    "goodput_gbps": Column(pl.Float64(), "payload that the reader had"),
    "dropped_early_share": Column(
        pl.Float64(), "dropped at ring or backlog, before IP: free but for linux-2.4's interrupt"
    ),
    "dropped_late_share": Column(pl.Float64(), "dropped at the socket, all but the copy paid (RcvbufErrors)"),
    "cpu_busy": Column(pl.Float64(), "share of its time that the softirqs' CPU works, a reader on it included"),
    "reader_cpu_busy": Column(pl.Float64(), "the same of the reader's CPU, if it is another; else null"),
}
SWEEP: Final[Schema] = {
    "patch": Column(pl.String(), "name=value; several patches together are joined by ` + `"),
    "value": Column(pl.Float64(), "the first patch's value; null where it is no number"),
    "others": Column(pl.String(), "the other patches of the row; empty where one is swept"),
    "applies": Column(pl.Boolean(), "whether it can act on this host"),
    "why": Column(pl.String(), "why not, or what to mind"),
    "predicted_gbps": Column(pl.Float64(), "goodput with it; null where nothing here can say"),
    "low_gbps": Column(pl.Float64(), "5 % bound; of null models the least that they give"),
    "high_gbps": Column(pl.Float64(), "95 % bound; of null models the most that they give"),
    "limit_after": Column(pl.String(), "what limits then"),
    "cpu_busy_after": Column(
        pl.List(pl.Struct({"cpu": pl.Int32(), "share": pl.Float64()})), "share of its time that each CPU works then"
    ),
    "tier": Column(pl.String(), "what it rests on: recording (a host calibrated from it), calibrated or null"),
}

COMBINATIONS: Final[Schema] = {
    "key": Column(pl.String(), "what each control is set to, joined by `|`; empty: as recorded"),
    "patch": Column(pl.String(), "the changes, joined by ` + ` as in PATCHES; `no patch` for none"),
    "predicted_gbps": Column(pl.Float64(), "goodput with them; null where nothing here can say"),
    "low_gbps": Column(pl.Float64(), "5 % bound"),
    "high_gbps": Column(pl.Float64(), "95 % bound"),
    "limit_after": Column(pl.String(), "what limits then; null where there is no prediction"),
    "says": Column(pl.String(), "the prediction in words, with unit and interval"),
    "change": Column(pl.String(), "what changes against the goodput as recorded; or why nothing can be said"),
}

TORNADO: Final[Schema] = {
    "price": Column(pl.String(), "section and field of a host's price: copy.ns_per_byte"),
    "value": Column(pl.Float64(), "in the unit that the name ends with"),
    "low": Column(pl.Float64(), "5 % bound of the price"),
    "high": Column(pl.Float64(), "95 % bound of the price"),
    "at_low_gbps": Column(pl.Float64(), "goodput where the price is at its low bound"),
    "at_high_gbps": Column(pl.Float64(), "goodput where the price is at its high bound"),
    "swing_gbps": Column(pl.Float64(), "how far these and the goodput lie apart"),
    "origin": Column(pl.String(), "measured, calibrated, published or assumed"),
}

SPEEDUP: Final[Schema] = {
    "stage": Column(pl.String(), "one of `STAGES`"),
    "percent": Column(pl.Float64(), "how much less time it takes, 0 to 100"),
    "gbps": Column(pl.Float64(), "goodput then"),
}

VALIDATION: Final[Schema] = {
    "configuration": Column(pl.String(), "the hosts before the patches: name=value each, or a scenario's name"),
    "patch": Column(pl.String(), "name=value; several applied together are joined by `+`"),
    "kind": Column(pl.String(), "name of the patch, or `several` where more than one was applied"),
    "recorded_gbps": Column(pl.Float64(), "goodput of the baseline's recording, which predictions start from"),
    "baseline_gbps": Column(pl.Float64(), "goodput measured without the patches, geometric mean of the pairs used"),
    "patched_gbps": Column(pl.Float64(), "the same with them"),
    "measured_ratio": Column(pl.Float64(), "patched over baseline goodput, geometric mean of the pairs used"),
    "measured_low": Column(pl.Float64(), "smallest ratio of a pair used"),
    "measured_high": Column(pl.Float64(), "largest"),
    "standard_error": Column(pl.Float64(), "of the mean log ratio"),
    "noise": Column(pl.Float64(), "standard deviation of the log of such a ratio where nothing is changed (A/A)"),
    "pairs": Column(pl.Int64(), "of runs, without and with the patches"),
    "clean": Column(pl.Int64(), "those that nothing disturbed"),
    "used": Column(
        pl.String(), "`clean pairs`; where they are too few `pairs in place` (no CPU was moved), else `all pairs`"
    ),
    "predicted_ratio": Column(pl.Float64(), "foretold by replay; null where it is silent"),
    "low_ratio": Column(pl.Float64(), "5 % bound of that"),
    "high_ratio": Column(pl.Float64(), "95 % bound"),
    "no_change_ratio": Column(pl.Float64(), "null model: nothing changes"),
    "samples_removed_ratio": Column(pl.Float64(), "null model: the limiting CPU's time that is removed is free"),
    "amdahl_ratio": Column(pl.Float64(), "null model: time a packet and a byte"),
    "error": Column(pl.Float64(), "predicted over measured ratio, less 1; silence counts as `no change`"),
    "error_over_noise": Column(pl.Float64(), "log of that over the noise; null where there is none"),
    "inside": Column(pl.Boolean(), "whether the measured ratio lies between the bounds"),
    "changed": Column(pl.Boolean(), "whether the measured ratio is further than 15 % from 1"),
    "limit_before": Column(pl.String(), "named from the baseline's recording"),
    "limits_before": Column(pl.List(pl.String()), "measured to be at their limit without the patches"),
    "limit_after": Column(pl.String(), "foretold"),
    "limits_after": Column(pl.List(pl.String()), "measured to be at their limit with them"),
    "limit_right": Column(pl.Boolean(), "whether the one foretold is among those"),
    "cpus": Column(pl.List(pl.Int64()), "CPUs whose load was foretold and measured"),
    "loads_foretold": Column(pl.List(pl.Float64()), "busy share of the time of each with the patches, foretold"),
    "loads_measured": Column(pl.List(pl.Float64()), "the same measured"),
    "tier": Column(
        pl.String(),
        "what the prediction rests on: recording (a host of it), calibrated (with prices of its machine), or null",
    ),
    "why": Column(pl.String(), "what the prediction remarks"),
    "doubts": Column(pl.List(pl.String()), "what the audit of the baseline's recording warns of"),
    "recording": Column(pl.String(), "folder of the baseline's recording"),
    "prediction_sha256": Column(pl.String(), "of the file that was on disk before anything was measured"),
    "seconds": Column(pl.Float64(), "how long all of it took"),
}

LATENCY_STAGES: Final = ("hand-over", "protocol", "wake-up", "queue", "copy")
"""Where received bytes spend their time, in order: each stage ends at the moment of the same place below."""
LATENCY_MOMENTS: Final = ("stack_at_ns", "socket_at_ns", "reader_at_ns", "copy_at_ns", "done_at_ns")


def latency_column(stage: str) -> str:
    """Where LATENCY keeps how long a stage took.

    Examples
    --------
    >>> latency_column("hand-over")
    'hand_over_ns'
    """
    return f"{stage.replace('-', '_')}_ns"


LATENCY: Final[Schema] = {
    "socket": Column(pl.String(), "sender > receiver; `reader TID` where the trace names no socket"),
    "tid": Column(pl.Int32(), "thread that read"),
    "from_byte": Column(pl.Int64(), "first byte of the range, counted from the first that the trace saw copied"),
    "to_byte": Column(pl.Int64(), "the byte behind its last"),
    "bytes": Column(pl.Int64(), "to_byte - from_byte; a range is in one packet, one skb, one segment and one copy"),
    "driver_at_ns": Column(pl.Int64(), "the driver handed its packet over: netif_rx, napi_gro_receive"),
    "stack_at_ns": Column(pl.Int64(), "the stack took its skb, after GRO and backlog or RPS: netif_receive_skb"),
    "socket_at_ns": Column(pl.Int64(), "TCP took its segment, in softirq or from the socket's backlog: tcp_probe"),
    "reader_at_ns": Column(pl.Int64(), "the reader ran, for the first time since: sched_switch"),
    "copy_at_ns": Column(pl.Int64(), "its copy began: skb_copy_datagram_iovec"),
    "done_at_ns": Column(pl.Int64(), "its copy was over: tcp_rcv_space_adjust"),
    "hand_over_ns": Column(pl.Int64(), "driver to stack: GRO holds it, or it waits in the backlog"),
    "protocol_ns": Column(pl.Int64(), "stack to socket: IP, TCP, and the socket's backlog while the reader owns it"),
    "wake_up_ns": Column(pl.Int64(), "socket to reader: until the reader runs on a CPU; 0 where it did"),
    "queue_ns": Column(pl.Int64(), "reader to copy: it runs, and copies what came before"),
    "copy_ns": Column(pl.Int64(), "the copy that the range is in, all of it"),
    "total_ns": Column(pl.Int64(), "first moment to last; the stages add up to it; null stages have no event"),
    "complete": Column(pl.Boolean(), "every stage that the trace records is known"),
}

LATENCY_SUMMARY: Final[Schema] = {
    "stage": Column(pl.String(), "one of `LATENCY_STAGES`, or total"),
    "mean_ns": Column(pl.Float64(), "over bytes of complete ranges; null where the stage's event was not recorded"),
    "p50_ns": Column(pl.Int64(), "half of the bytes took at most this"),
    "p99_ns": Column(pl.Int64(), "99 % of the bytes took at most this"),
    "share": Column(pl.Float64(), "of the total's mean"),
}

LATENCY_DISTRIBUTION: Final[Schema] = {
    "stage": Column(pl.String(), "one of `LATENCY_STAGES`, or total; only those that were recorded"),
    "part": Column(pl.Float64(), "of the bytes of complete ranges"),
    "ns": Column(pl.Int64(), "took at most this"),
}

LATENCY_ACCOUNT: Final[Schema] = {
    "socket": Column(pl.String(), "as in LATENCY"),
    "received_bytes": Column(pl.Int64(), "what its calls returned: sock_recv_length; null where not recorded"),
    "copied_bytes": Column(pl.Int64(), "what the trace saw copied"),
    "cut_bytes": Column(pl.Int64(), "of the received: copied before the trace began; null where not recorded"),
    "lost_bytes": Column(pl.Int64(), "of the received: copied by events that are missing; null where not recorded"),
    "early_bytes": Column(pl.Int64(), "of the copied: on their way when the trace began"),
    "joined_bytes": Column(pl.Int64(), "of the copied: followed through every stage that the trace records"),
    "unmatched_bytes": Column(pl.Int64(), "of the copied: the rest"),
    "unread_bytes": Column(pl.Int64(), "arrived, and not copied when the trace ended"),
    "joined_share": Column(pl.Float64(), "joined over copied and lost, the early ones left out"),
    "addresses": Column(pl.Int64(), "skbs whose address was seen at TCP and at a copy"),
    "addresses_agree": Column(pl.Int64(), "those that by address and by byte position are the same"),
}

ASSUMPTIONS: Final[Schema] = {
    "name": Column(pl.String(), "what the number is of"),
    "value": Column(pl.Float64(), "what was taken"),
    "low": Column(pl.Float64(), "5 % of what is thought possible lies below; null where no range was taken"),
    "high": Column(pl.Float64(), "95 % lies below"),
    "unit": Column(pl.String(), "of all three"),
    "origin": Column(pl.String(), "measured, calibrated, published or assumed"),
    "source": Column(pl.String(), "paper, mail, kernel file and version, or recording"),
}

HYPOTHESES: Final[Schema] = {
    "branch": Column(pl.String(), "what was run: TCP or UDP"),
    "hypothesis": Column(pl.String(), "what could explain what was reported"),
    "says": Column(pl.String(), "what it claims, in one sentence"),
    "hosts": Column(pl.Int64(), "hosts drawn from its prior"),
    "replayed": Column(pl.Int64(), "of them, those that transmit what was reported: they are replayed"),
    "transmits_share": Column(pl.Float64(), "of them, transmit what was reported"),
    "explains_share": Column(pl.Float64(), "of those, receive what was reported, and would receive more without it"),
    "low": Column(pl.Float64(), "5 % bound of that share (Jeffreys), for the number of hosts drawn"),
    "high": Column(pl.Float64(), "95 % bound"),
    "volume_share": Column(pl.Float64(), "both shares multiplied: of all hosts drawn"),
    "half_volume_share": Column(pl.Float64(), "the same if both tolerances were half as wide"),
    "verdict": Column(pl.String(), "possible, or ruled out: one of the two shares is below 1 %"),
}
ODDS: Final[Schema] = {
    "branch": Column(pl.String(), "what was run: TCP or UDP"),
    "hypothesis": Column(pl.String(), "the one"),
    "against": Column(pl.String(), "the other"),
    "odds": Column(pl.Float64(), "volume of the one over that of the other; equal chances were given to both before"),
    "told_apart": Column(pl.Boolean(), "the odds are beyond the square root of ten either way"),
}
INFORMATION: Final[Schema] = {
    "branch": Column(pl.String(), "what was run: TCP or UDP"),
    "measurement": Column(pl.String(), "what could be looked at, or tried, next"),
    "needs": Column(pl.String(), "what a production cluster must allow: nothing, a driver module, ..."),
    "bits": Column(pl.Float64(), "what the outcome would tell of which hypothesis is true, on average"),
    "left_bits": Column(pl.Float64(), "not known yet before it"),
    "outcomes": Column(pl.Int64(), "how many different ones were foreseen"),
}

REMEDIES: Final[Schema] = {
    "remedy": Column(pl.String(), "what is changed; every line is tried alone unless it says otherwise"),
    "needs": Column(pl.String(), "what a production cluster must allow"),
    "receives_gbps": Column(pl.Float64(), "median of the hosts that explain the figures, one TCP connection"),
    "low_gbps": Column(pl.Float64(), "5 % of them receive less"),
    "high_gbps": Column(pl.Float64(), "5 % receive more"),
    "gains_share": Column(pl.Float64(), "of them, receive at least 5 % more than before"),
    "twice_share": Column(pl.Float64(), "of them, receive twice what was reported"),
    "transmits_gbps": Column(pl.Float64(), "median of what they send"),
}
RECOVERED: Final[Schema] = {
    "branch": Column(pl.String(), "what was run: TCP or UDP"),
    "truth": Column(pl.String(), "the cause of the generated host"),
    "measured": Column(pl.Int64(), "how many measurements were made of it, the most telling first"),
    "before_share": Column(pl.Float64(), "what the two figures alone gave the true one"),
    "after_share": Column(pl.Float64(), "what it had after the measurements"),
    "found": Column(pl.String(), "the hypothesis that had most then"),
}
STEPS: Final[Schema] = {
    "step": Column(pl.Int64(), "0: before any measurement"),
    "measurement": Column(pl.String(), "what was looked at or tried"),
    "hypothesis": Column(pl.String(), "a hypothesis"),
    "share": Column(pl.Float64(), "what it had after that step"),
}
BLAST: Final[Schema] = {
    "hypothesis": Column(pl.String(), "a hypothesis"),
    "how": Column(pl.String(), "closed form, of many hosts; or replayed packet by packet, of one of them"),
    "offered_gbps": Column(pl.Float64(), "payload that is sent, in datagrams of a full packet"),
    "goodput_gbps": Column(pl.Float64(), "payload that the reader has: median"),
    "low_gbps": Column(pl.Float64(), "a quarter of the hosts have less"),
    "high_gbps": Column(pl.Float64(), "a quarter have more"),
}

AUDIT: Final[Schema] = {
    "check": Column(pl.String(), "what was looked at"),
    "verdict": Column(pl.String(), "ok, warn or bad"),
    "value": Column(pl.String(), "what was found"),
    "why": Column(pl.String(), "what it means for the answer"),
}

EXTENSIONS: Final[Schema] = {
    "group": Column(pl.String(), "what it adds: patches, stage_maps or readers"),
    "name": Column(pl.String(), "of its entry point; never trusted text"),
    "distribution": Column(pl.String(), "that brings it"),
    "version": Column(pl.String(), "of the distribution"),
    "object": Column(pl.String(), "module and name behind the entry point"),
    "state": Column(pl.String(), "ok, or why it is not used"),
}

RECORDINGS: Final[Schema] = {
    "key": Column(pl.String(), "of the source: the same for the same path; the other tables of a dataset have it too"),
    "path": Column(pl.String(), "folder or file"),
    "name": Column(pl.String(), "of the recording"),
    "kind": Column(pl.String(), "recording (a folder), capture or trace"),
    "size_bytes": Column(pl.Int64(), "of the files that were read"),
    "modified_ns": Column(pl.Int64(), "when the last of them was written, since the epoch"),
    "kernel": Column(pl.String(), "release"),
    "cpus": Column(pl.Int64(), "of the machine"),
    "device": Column(pl.String(), "that received"),
    "driver": Column(pl.String(), "of the device"),
    "mtu": Column(pl.Int64(), "of the device"),
    "label": Column(pl.String(), "words that whoever recorded it gave"),
    "goodput_gbps": Column(pl.Float64(), "undisturbed, or as captured; null where nothing says"),
    "goodput_low_gbps": Column(pl.Float64(), "5 % bound"),
    "goodput_high_gbps": Column(pl.Float64(), "95 % bound"),
    "ceiling_gbps": Column(pl.Float64(), "what the goodput is compared with"),
    "ceiling": Column(pl.String(), "link or modelled"),
    "limit": Column(pl.String(), "what held the receiver back; unknown where nothing says"),
    "limit_where": Column(pl.String(), "CPU, link, ...; null where no place is known"),
    "cpu": Column(pl.Int32(), "busiest CPU that received"),
    "cpu_busy_share": Column(pl.Float64(), "of its time"),
    "unexplained_gbps": Column(pl.Float64(), "of ceiling - goodput, what no stage is blamed for"),
    "connections": Column(pl.Int64(), "in the capture"),
    "packets": Column(pl.Int64(), "in the capture, of these connections"),
    "verdict": Column(pl.String(), "the worst of the audit: ok, warn or bad"),
    "doubts": Column(pl.List(pl.String()), "checks of the audit that are not ok, the bad ones first"),
    "answer": Column(pl.String(), "in a few sentences; names in it are untrusted text"),
}


def unit(column: str) -> str | None:
    """The unit of a column's numbers, as its name says; None where they are counts, names or numbers without one.

    Parameters
    ----------
    column
        Its name.

    Examples
    --------
    >>> [unit(name) for name in ("rtt_ms", "ack_bytes_median", "ns_per_byte", "share_time", "stage")]
    ['ms', 'bytes', 'ns/byte', '0 to 1', None]
    """
    if column.startswith("share_"):
        return UNITS["share"]
    what, _, each = column.partition("_per_")
    for statistic in STATISTICS:
        what = what.removesuffix(statistic)
    found = UNITS.get(what.rpartition("_")[2])
    return f"{found or what}/{each}" if each else found


def parquet_metadata(kind: str, schema: Schema, version: int = SCHEMA_VERSION) -> dict[str, str]:
    """What a parquet file says of itself: kind and version, what each column means, and its unit.

    Parameters
    ----------
    kind
        Of its rows.
    schema
        Its columns.
    version
        Of the schema.

    Returns
    -------
    dict
        ``zcanalysis.schema`` (``packets 1``), ``zcanalysis.columns`` and ``zcanalysis.units`` (both JSON objects by
        column; a column without a unit is missing in the second).
    """
    meanings = {name: column.meaning for name, column in schema.items()}
    units = {name: found for name in schema if (found := unit(name)) is not None}
    return {
        "zcanalysis.schema": f"{kind} {version}",
        "zcanalysis.columns": json.dumps(meanings),
        "zcanalysis.units": json.dumps(units),
    }


def polars_schema(schema: Schema) -> dict[str, pl.DataType]:
    """Names and types alone, as polars wants them."""
    return {name: column.dtype for name, column in schema.items()}


def conform(table: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The table with exactly the schema's columns, in its order and types.

    Raises
    ------
    TableError
        If a column is missing or cannot be cast.
    """
    missing = [name for name in schema if name not in table.columns]
    if missing:
        raise TableError(f"table lacks column(s) {', '.join(missing)}; it has {', '.join(table.columns)}")
    try:
        return table.select(pl.col(name).cast(column.dtype) for name, column in schema.items())
    except pl.exceptions.PolarsError as error:
        raise TableError(f"table does not fit its schema: {str(error).splitlines()[0]}") from error


def filled(table: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The table with nulls in the columns of the schema that it lacks.

    Examples
    --------
    >>> filled(pl.DataFrame({"ts_ns": [7]}), SAMPLES).select("ts_ns", "cpu").row(0)
    (7, None)
    """
    lacking = (name for name in schema if name not in table.columns)
    return table.with_columns(pl.lit(None, schema[name].dtype).alias(name) for name in lacking)


def empty(schema: Schema) -> pl.DataFrame:
    """A table of this schema without rows."""
    return pl.DataFrame(schema=polars_schema(schema))
