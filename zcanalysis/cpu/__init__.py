"""What the CPUs paid, per stage: SAMPLES in, staged samples and costs out.

`stages` says to which stage of the receive path a sample belongs, by its call chain and the table
`kernel_functions.csv`; `costs` adds up. May import `tables` and `errors`; never opens a trace.
"""
