"""What the CPUs paid, per stage: SAMPLES in, staged samples and costs out.

`stages` says to which stage of the receive path a sample belongs, by its call chain, the table
`kernel_functions.csv` and the stage maps of extensions; `costs` adds up. May import `tables`, `errors` and
`extensions`; never opens a trace.
"""
