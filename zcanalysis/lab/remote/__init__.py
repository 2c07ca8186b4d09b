"""The lab on two real machines, by ssh: nothing here is ours to throw away, so all that is changed is put back.

Enters: a scenario and two host names. Leaves: a recording of the receiver, as `lab.trial` makes it. `ssh` reaches a
machine; `wanted` says what a scenario changes there; on the machines themselves run `facts` (what is there), `keeper`
(changes settings, and puts them back when its input ends) and `attendant` (one program and its signals). May import
what `lab` may.
"""
