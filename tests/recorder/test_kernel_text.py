from zcanalysis.recorder.kernel_text import (
    ethtool_rows,
    interrupt_rows,
    netdev_rows,
    pressure_rows,
    protocol_rows,
    softirq_rows,
    softnet_rows,
    steal_rows,
)

NETDEV = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier
    lo:       0       0    0    0    0     0          0         0        1       2    0    0    0     0       0
veth-r: 12254105615 8112844    3 1137    4     0          0         0  5085930   76449    0  474    0     0       0
"""
INTERRUPTS = """           CPU0       CPU1       
 24:          1          0  IO-APIC   5-edge      ACPI:Ged
 38:          0       5015 PCI-MSIX-0000:00:03.0   1-edge      virtio2-input.0
LOC:      98510      53015   Local timer interrupts
CAL:      35166     156802   Function call interrupts
ERR:          0
MIS:          0
"""  # noqa: W291 - as the kernel prints it


def test_softnet_cpu_is_column_twelve_and_numbers_are_hexadecimal():
    text = (
        "0067761e 00000092 00000001 00000000 00000000 00000000 00000000 00000000 00000000 "
        "000221cc 00000007 00000000 00000005 00000000 00000000\n"
    )
    assert list(softnet_rows(text)) == [
        ("cpu5", "processed", 0x67761E),
        ("cpu5", "dropped", 0x92),
        ("cpu5", "time_squeeze", 1),
        ("cpu5", "received_rps", 0x221CC),
        ("cpu5", "flow_limit", 7),
    ]


def test_softnet_of_an_old_kernel_counts_lines_as_cpus():
    assert list(softnet_rows("0000000a 00000001 00000002\n0000000b 00000000 00000000\n")) == [
        ("cpu0", "processed", 10),
        ("cpu0", "dropped", 1),
        ("cpu0", "time_squeeze", 2),
        ("cpu1", "processed", 11),
        ("cpu1", "dropped", 0),
        ("cpu1", "time_squeeze", 0),
    ]


def test_interrupts_are_named_by_label_or_by_number_and_handler():
    assert list(interrupt_rows(INTERRUPTS)) == [
        ("cpu0", "24:ACPI:Ged", 1),
        ("cpu1", "24:ACPI:Ged", 0),
        ("cpu0", "38:virtio2-input.0", 0),
        ("cpu1", "38:virtio2-input.0", 5015),
        ("cpu0", "LOC", 98510),
        ("cpu1", "LOC", 53015),
        ("cpu0", "CAL", 35166),
        ("cpu1", "CAL", 156802),
    ]


def test_netdev_knows_every_device_and_both_directions():
    rows = {(device, counter): value for device, counter, value in netdev_rows(NETDEV)}
    assert rows["veth-r", "rx_bytes"] == 12_254_105_615
    assert rows["veth-r", "rx_packets"] == 8_112_844
    assert rows["veth-r", "rx_errors"] == 3
    assert rows["veth-r", "rx_dropped"] == 1137
    assert rows["veth-r", "tx_bytes"] == 5_085_930
    assert rows["veth-r", "tx_packets"] == 76_449
    assert rows["lo", "tx_packets"] == 2


def test_softirqs_are_per_cpu():
    text = "                    CPU0       CPU1       \n      NET_RX:     144226     250367\n"
    assert list(softirq_rows(text)) == [("cpu0", "NET_RX", 144226), ("cpu1", "NET_RX", 250367)]


def test_protocol_counters_take_their_names_from_the_line_above():
    text = "Ip: Forwarding InReceives\nIp: 2 7561\nTcp: MaxConn InSegs\nTcp: -1 7533\n"
    assert list(protocol_rows(text)) == [
        ("", "Ip.Forwarding", 2),
        ("", "Ip.InReceives", 7561),
        ("", "Tcp.MaxConn", -1),
        ("", "Tcp.InSegs", 7533),
    ]


def test_steal_is_per_cpu_in_nanoseconds():
    text = "cpu  7457 0 3566 140028 480 0 963 17 0 0\ncpu1 6317 0 2241 66587 451 0 647 12 0 0\nctxt 9\n"
    assert list(steal_rows(text)) == [("cpu1", "steal_ns", 120_000_000)]


def test_pressure_gives_the_totals():
    text = "some avg10=1.24 avg60=0.40 avg300=0.09 total=12105600\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
    assert list(pressure_rows(text)) == [("", "some_us", 12_105_600), ("", "full_us", 7)]


def test_ethtool_rows_leave_out_the_heading():
    text = "NIC statistics:\n     peer_ifindex: 2\n     rx_queue_0_drops: 5\n     [0]: name: 8\n"
    assert list(ethtool_rows(text)) == [("", "peer_ifindex", 2), ("", "rx_queue_0_drops", 5), ("", "[0]: name", 8)]


def test_empty_files_give_no_rows():
    for parse in (netdev_rows, softnet_rows, interrupt_rows, softirq_rows, protocol_rows, steal_rows):
        assert list(parse("")) == []
