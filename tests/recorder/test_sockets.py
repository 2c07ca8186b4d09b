import os
import socket
import struct

from zcanalysis.recorder.sockets import dump_sockets, parse_sockets, tcp_info_counters

# One IPv4-mapped connection as kernel 6.18 answered for it; `ss` printed the same moment as
# [::ffff:10.77.0.2]:5201 [::ffff:10.77.0.1]:47696 wscale:10,10 bytes_received:1684990381 rcvbuf 23315636
KERNEL_ANSWER = bytes.fromhex(
    "c00100001400020001000000a21600000a0100001451ba5000000000000000000000ffff0a4d000200000000000000000000ffff0a4d"
    "000100000000040000000000000000000000000000000000000000000000f32a0000050008000000000008000f00000000000c00150001"
    "0000000000000006001600120000002800070058d60b00b4c4630100000000000e0100a8090000000000000000000000000000000000"
    "001c010200010200000007aa01400d0300409c0000a8050000a805000000000000000000000000000000000000000000003404000000"
    "0000000400000004000000dc050000de1dba002500000012000000070000000a000000a8050000030000007f010000f0141700000000"
    "0059cba94200000000ffffffffffffffff0000000000000000ade96e6400000000293400008dcc110000000000250000008bcc110000"
    "000000000000000000000000000000000000000000000000000000000100000000000000000000000000000000000000000000000000"
    "00002104000000fc00000020ba0000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "00140000000300020001000000a216000000000000"
)


def test_a_kernel_answer_becomes_one_socket_with_ipv4_names():
    (connection,) = parse_sockets(KERNEL_ANSWER)
    assert connection.name == "10.77.0.2:5201>10.77.0.1:47696"
    assert connection.inode == 0x2AF3
    assert connection.counters["bytes_received"] == 1_684_990_381
    assert connection.counters["data_segs_in"] == 1_166_475
    assert connection.counters["segs_out"] == 13_353
    assert connection.counters["rcvbuf"] == 23_315_636
    assert connection.counters["rtt_us"] == 37
    assert (connection.counters["snd_wscale"], connection.counters["rcv_wscale"]) == (10, 10)
    assert connection.counters["app_limited"] == 1
    assert connection.counters["recv_q"] == 0


def test_a_short_tcp_info_of_an_old_kernel_lacks_the_later_counters():
    counters = tcp_info_counters(bytes(104))
    assert counters["rtt_us"] == 0
    assert "bytes_received" not in counters


def test_a_cut_off_answer_is_no_error():
    assert parse_sockets(b"") == []
    assert parse_sockets(struct.pack("=IHHII", 4, 20, 0, 0, 0)) == []


def test_a_live_connection_is_found_with_its_bytes():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            client.sendall(b"x" * 1000)
            accepted.recv(1000, socket.MSG_WAITALL)
            inode = os.fstat(accepted.fileno()).st_ino
            (seen,) = [one for one in parse_sockets(dump_sockets()) if one.inode == inode]
    assert seen.local_port == server_port(seen.name)
    assert seen.counters["bytes_received"] == 1000
    assert seen.counters["recv_q"] == 0


def server_port(name: str) -> int:
    return int(name.partition(">")[0].rpartition(":")[2])
