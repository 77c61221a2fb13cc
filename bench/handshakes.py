"""Handshakes by the thousand: how many a daemon answers, and what is left of a flow while strangers call it.

handshakes/ holds the program that calls.
"""

import json

from dataplane import INTERFACE, OUTER, PORT, Cable, End
from lab import Failure
from product import BUILD_DIR

PROGRAM = BUILD_DIR / "bench/handshakes/handshakes"
ENDPOINT = f"{OUTER['server']}:{PORT}"
# 50 a second are taken from one peer: so many of them that no daemon is fast enough to hear one too soon.
CALLERS = 2_000
# A whole handshake takes 0.1 to 0.2 ms of a core, so this is more than the two cores could answer.
FLOOD_PER_SECOND = 20_000
FORGED_SOURCES = "10.128.0.0/9"


class Answering:
    """A daemon with callers as its peers, and the machine that they call from."""

    def __init__(self, daemon):
        self._cable = Cable()
        self._end = End(self._cable.server, daemon)
        self._end.add_peers(self._cable.client.run([PROGRAM, "keys", CALLERS]).split())

    def per_second_and_core(self, rounds):
        """Handshakes answered in a second of processor time of the daemon, its kernel's part included."""
        answers = json.loads(self._cable.client.run([PROGRAM, "ask", ENDPOINT, self._end.public_key, CALLERS, rounds, self._end.pid], seconds=120))
        if answers["answered"] < answers["calls"] / 2:
            raise Failure(f"it answered {answers}")
        return answers["answered"] / answers["processor_seconds"]

    def stop(self):
        self._end.stop()


def share_kept(tunnel, seconds):
    """What part of its throughput a TCP stream keeps while initiations with a right mac1 come from forged sources."""
    tunnel.server.run(f"ip route replace {FORGED_SOURCES} via {OUTER['client']}")
    quiet = tunnel.tcp_gbps(seconds)
    flood = tunnel.client.spawn([PROGRAM, "flood", ENDPOINT, tunnel.server_end.public_key, FLOOD_PER_SECOND, seconds + 30])
    flooded = tunnel.tcp_gbps(seconds)
    if flood.poll() is not None:
        raise Failure(f"the flood ended: {flood.log.read_text()}")
    flood.kill()
    flood.wait()
    return flooded / quiet
