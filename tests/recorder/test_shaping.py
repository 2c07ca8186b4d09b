import json

import pytest

from zcanalysis.recorder.shaping import redirected_to, token_bucket_gbps

# as iproute2 6.1 printed them for: u32 match u32 0 0 action mirred egress redirect dev ifb0, and for
# tbf rate 500mbit burst 1mb latency 50ms
FILTER = {
    "parent": "ffff:", "protocol": "all", "pref": 49152, "kind": "u32", "chain": 0,
    "options": {
        "fh": "800::800", "match": {"value": "0", "mask": "0", "offmask": "", "off": 0},
        "actions": [{"order": 1, "kind": "mirred", "mirred_action": "redirect", "direction": "egress",
                     "to_dev": "ifb0", "control_action": {"type": "stolen"}}],
    },
}  # fmt: skip
TABLES = {"protocol": "all", "kind": "u32", "options": {"fh": "800:", "ht_divisor": 1}}
BUCKET = {"kind": "tbf", "handle": "8002:", "root": True, "options": {"rate": 62_500_000, "burst": 1_048_562}}


def test_the_rate_of_what_is_received_is_that_of_the_ifb():
    assert redirected_to(json.dumps([TABLES, FILTER])) == "ifb0"
    assert token_bucket_gbps(json.dumps([BUCKET])) == 0.5


@pytest.mark.parametrize(
    "filters",
    [
        [],
        [FILTER, FILTER],
        [FILTER | {"protocol": "ip"}],
        [FILTER | {"options": FILTER["options"] | {"match": {"value": "a4d0000", "mask": "ffff0000"}}}],
        [FILTER | {"options": {"actions": [{"kind": "gact", "control_action": {"type": "drop"}}]}}],
    ],
)
def test_a_filter_that_redirects_not_everything_gives_no_rate(filters):
    assert redirected_to(json.dumps(filters)) is None


@pytest.mark.parametrize("text", ["", "{", "null", "[1]", '[{"kind":"htb","root":true,"options":{"rate":1}}]'])
def test_anything_else_than_a_token_bucket_gives_no_rate(text):
    assert token_bucket_gbps(text) is None
