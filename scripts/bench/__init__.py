"""What bench_peers.py is made of: the rows, one row's measurement, and the optimizer of the peers."""
