#!/usr/bin/env python3
"""Processes in network namespaces, cut off one at a time, one way, in groups or by pairs; with lossy, slow and late
networks; stopped and killed; added and removed. Meanwhile clients read, write, delete and swap through any node, and what
they were told must be explained by some order of what they did.

usage: netns.py SECONDS SEED [--nodes N] [--server PATH]      as root, for instance: netns.py 60 7

What is done and when depends on the seed alone; how processes and packets interleave does not.

--stale has the clients read without asking the leader. That must end in "not linearizable": it shows that a stale read
would be seen. KEEP=1 keeps directories and logs."""

import argparse
import sys
from pathlib import Path

import linear
from cluster import DEFAULT_SERVER, Failure, end_on_signals
from network import Network, NetCluster
from report import Progress, print_table, skip
from storm import Storm

FLAGS = ["--tick-ms", "20", "--segment-bytes", str(1 << 18), "--snapshot-entries", "300", "--disk-reserve", "0"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed", type=int)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--late", action="store_true", help="messages pass proxies, which delay, double and reorder")
    parser.add_argument("--server", type=Path, default=DEFAULT_SERVER)
    parser.add_argument("--slow-disks", type=Path, metavar="SHIM", help="disks are slow by turns; disk_fault.c, compiled")
    parser.add_argument("--stale", action="store_true")
    args = parser.parse_args()
    replay = f"replay: python3 examples/demo/netns.py {' '.join(sys.argv[1:])}"
    print(replay, flush=True)

    linear.self_test()
    end_on_signals()
    progress = Progress()
    try:
        with Network(args.seed) as network, NetCluster(
            network, args.nodes, FLAGS, args.server, shim=args.slow_disks
        ) as cluster:
            for missing in network.probe(1):
                skip(missing)
            storm = Storm(cluster, network, args.seed, args.stale, progress)
            if args.late and network.has_proxies:
                storm.late_from_now_on()
            storm.run(args.seconds)
    except (Failure, OSError, KeyboardInterrupt) as failure:
        progress.done()
        print(f"netns: FAIL: {str(failure) or 'interrupted'}\n{replay}")
        return 1
    progress.done()
    print_table(storm.rows())
    print("netns: PASS")
    return 0


if __name__ == "__main__":
    sys.exit(main())
