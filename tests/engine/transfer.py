"""Moves bytes over TCP and says what came: transfer.py serve ADDRESS PORT | transfer.py send ADDRESS PORT MEBIBYTES

Each side prints the SHA-256 of the stream when it is whole.
"""

import hashlib
import random
import socket
import sys

mode, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
digest = hashlib.sha256()
with socket.socket(family, socket.SOCK_STREAM) as end:
    if mode == "serve":
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        end.bind((address, port))
        end.listen(1)
        stream, _ = end.accept()
        while block := stream.recv(1 << 20):
            digest.update(block)
        stream.close()
    else:
        end.connect((address, port))
        block = bytearray(random.Random(1).randbytes(1 << 20))
        for number in range(int(sys.argv[4])):
            block[number % len(block)] ^= 0xFF
            digest.update(block)
            end.sendall(block)
print(digest.hexdigest(), flush=True)
