"""Starts mongod as MongoDB's official image does: over an empty /data/db the user of MONGO_INITDB_ROOT_USERNAME and
MONGO_INITDB_ROOT_PASSWORD (or ..._FILE) is made first, by a server that only loopback reaches.

Python's standard library alone: the image has no more.
"""

import os
import pathlib
import socket
import struct
import subprocess
import time

DATA = pathlib.Path("/data/db")
PORT = 27017
MONGOD = ("mongod", "--dbpath", str(DATA), "--port", str(PORT), "--wiredTigerCacheSizeGB", "0.25")
USER = 999  # that the official image runs it as


def given(name):
    file = os.environ.get(f"{name}_FILE")
    return pathlib.Path(file).read_text() if file else os.environ[name]


def bson(value):
    body = b""
    for name, member in (enumerate(value) if isinstance(value, list) else value.items()):
        key = str(name).encode() + b"\0"
        if isinstance(member, (dict, list)):
            body += (b"\x04" if isinstance(member, list) else b"\x03") + key + bson(member)
        elif isinstance(member, str):
            text = member.encode() + b"\0"
            body += b"\x02" + key + struct.pack("<i", len(text)) + text
        else:
            body += b"\x10" + key + struct.pack("<i", member)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def call(command):
    """One OP_MSG; the answer's bytes."""
    body = struct.pack("<ib", 0, 0) + bson(command)
    with socket.create_connection(("127.0.0.1", PORT), 10) as connection:
        connection.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body)
        return connection.recv(65536)


def answers():
    try:
        return call({"ping": 1, "$db": "admin"})
    except OSError:
        return None


def make_user():
    server = subprocess.Popen([*MONGOD, "--bind_ip", "127.0.0.1"], stdout=subprocess.DEVNULL)
    while not answers():
        if server.poll() is not None:
            raise SystemExit(f"mongod ended with {server.returncode}")
        time.sleep(0.05)
    answer = call({"createUser": given("MONGO_INITDB_ROOT_USERNAME"), "pwd": given("MONGO_INITDB_ROOT_PASSWORD"),
                   "roles": [{"role": "root", "db": "admin"}], "$db": "admin"})
    server.terminate()
    server.wait()
    if b"errmsg" in answer:
        raise SystemExit(f"the user cannot be made: {answer}")


if os.getuid() == 0:
    os.chown(DATA, USER, USER)
    os.setgid(USER)
    os.setuid(USER)
if not (DATA / "WiredTiger").exists():
    make_user()
os.execvp(MONGOD[0], [*MONGOD, "--auth", "--bind_ip_all"])
