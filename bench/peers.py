"""What peers cost that are configured and say nothing: the throughput of one that speaks, memory, processor time."""

import time

from dataplane import Tunnel
from product import random_key


class Crowded(Tunnel):
    """A tunnel whose server has so many peers, the client among them."""

    def __init__(self, daemon, count):
        super().__init__(daemon, daemon)
        before, others = self.server_end.rss_mb(), count - 1
        self.server_end.add_peers(random_key() for _ in range(others))
        self.kib_per_peer = (self.server_end.rss_mb() - before) * 1024 / others if others > 0 else None


def idle_ms_per_second(tunnels, seconds):
    """Milliseconds of processor time that each server uses in a second in which nobody sends, by the tunnel's name."""
    before = {name: tunnel.server_end.processor_seconds() for name, tunnel in tunnels.items()}
    time.sleep(seconds)
    return {name: (tunnel.server_end.processor_seconds() - before[name]) * 1e3 / seconds for name, tunnel in tunnels.items()}
