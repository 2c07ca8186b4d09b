"""The receive path as arithmetic: arrays in, arrays out; knows numpy and numba and nothing else.

One file a stage, in path order: link, dma, interrupt, backlog (linux-2.4) or napi (linux-6), gro, defragmentation,
prequeue (linux-2.4), checksum, copy, window (linux-2.4), acks; queueing is what they share. Each has a frozen dataclass
of prices and functions from arrival to departure in whole nanoseconds: one row per wire packet from first stage to
last, any number of scenarios in front. Merging is a group id, dropping a mask, rows never go away. A stage's clock is
its own: which CPU runs it, and what else that CPU does meanwhile, is the caller's business.

Whole receivers: linux24 (one CPU) and linux6 (several), in closed loop: their ACKs clock the sender; scenarios replays
any number of such hosts. messages is linux24 with segments of any size and a sender that waits. tcp_receiver is one as
recorded: its arrivals are given.

Two files price no time but count: memory_bus what a byte crosses, carried_checksum what a sum says; relay and nfs are
what the first makes of forwarding and of files over UDP.
"""
