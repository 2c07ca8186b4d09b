"""Speed and memory against peers, measured in the same run on the same files; numbers are printed, results asserted."""
