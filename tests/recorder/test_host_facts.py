import pytest

from zcanalysis.errors import HostError
from zcanalysis.recorder.host_facts import (
    channels_of,
    coalesce_of,
    driver_of,
    features_of,
    find_device,
    fixed_features_of,
    irqs_by_queue,
    machine_facts,
    ring_of,
)

INTERRUPTS = """            CPU0       CPU1
  24:          1          0  IR-PCI-MSI 1-edge  mlx5_comp0@pci:0000:3b:00.0
  25:          0          3  IR-PCI-MSI 2-edge  mlx5_comp1@pci:0000:3b:00.0
  26:          0          3  IR-PCI-MSI 3-edge  mlx5_async0@pci:0000:3b:00.0
  30:          0          3  IR-PCI-MSI 1-edge  eth1-TxRx-0
  31:          0          3  PCI-MSIX 1-edge  virtio2-input.0
 LOC:      98510      53015   Local timer interrupts
"""


def test_features_are_booleans_and_only_those_that_matter():
    text = "Features for veth-r:\nrx-checksumming: on\n\ttx-checksum-ipv4: off [fixed]\n"
    text += "generic-receive-offload: off\nlarge-receive-offload: off [fixed]\n"
    assert features_of(text) == {
        "rx-checksumming": True,
        "generic-receive-offload": False,
        "large-receive-offload": False,
    }


def test_the_driver_is_the_first_line():
    assert driver_of("driver: mlx5_core\nversion: 6.1\n") == "mlx5_core"
    assert driver_of("") is None


def test_queues_find_their_interrupts_by_number():
    assert irqs_by_queue(INTERRUPTS, {24, 25, 26}, "eth0") == {0: 24, 1: 25}
    assert irqs_by_queue(INTERRUPTS, set(), "eth1") == {0: 30}
    assert irqs_by_queue(INTERRUPTS, {31}, "eth2") == {0: 31}


def test_an_unknown_device_is_an_error_that_names_the_others():
    with pytest.raises(HostError, match=r"nosuch0: no such network device here; there are .*lo"):
        find_device("nosuch0")


def test_the_machine_is_described_without_its_name():
    facts = machine_facts()
    assert facts["cpus"] >= 1
    assert facts["generation"] == "linux-6"
    assert not {"hostname", "nodename", "user"} & set(facts)


def test_offloads_that_nobody_can_change_are_told_apart():
    text = "rx-checksumming: on [fixed]\ngeneric-receive-offload: off\nhighdma: on [fixed]\n"
    assert fixed_features_of(text) == ["rx-checksumming"]


def test_a_device_without_ring_or_interrupt_delay_has_none():
    assert ring_of("") is None
    assert ring_of("Pre-set maximums:\nRX:\t\tn/a\nCurrent hardware settings:\nRX:\t\tn/a\n") is None
    assert coalesce_of("Adaptive RX: on  TX: off\nrx-usecs:\tn/a\n") is None
    assert coalesce_of("Adaptive RX: on  TX: off\nrx-usecs:\t50\n") == {"rx_usecs": 50, "adaptive_rx": True}


def test_queues_are_counted_as_the_device_counts_them():
    both = "Pre-set maximums:\nRX:\t\t2\nCombined:\tn/a\nCurrent hardware settings:\nRX:\t\t1\nCombined:\tn/a\n"
    assert channels_of(both) == {"kind": "rx", "queues": 1, "most": 2}
    assert channels_of(both.replace("n/a", "8")) == {"kind": "combined", "queues": 8, "most": 8}
    assert channels_of("") is None


def test_header_split_is_known_only_where_the_device_says_so():
    text = "Pre-set maximums:\nRX:\t\t9\nCurrent hardware settings:\nRX:\t\t9\nTCP data split:\t"
    assert [ring_of(text + word)["data_split"] for word in ("on", "off", "n/a")] == [True, False, None]
