#!/usr/bin/env python3
"""What the LTSE's gateway does to Elasticsearch: /nosql/api/PATH is /PATH there. Usage: ltse_gateway.py ADDRESS PORT ELASTICSEARCH_PORT

A plain reverse proxy, one connection to Elasticsearch for each of a caller. An answer passes as it is.
"""

import asyncio
import re
import sys

PREFIX = b"/nosql/api"


async def requests(caller, server):
    """Passes requests on, one after the other, with their paths rewritten."""
    while True:
        head = await caller.readuntil(b"\r\n\r\n")
        method, path, rest = head.split(b" ", 2)
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        body = await caller.readexactly(int(length.group(1))) if length else b""
        inner = path.removeprefix(PREFIX)
        server.write(b" ".join((method, inner if inner.startswith(b"/") else b"/" + inner, rest)) + body)
        await server.drain()


async def answers(server, caller):
    while data := await server.read(65536):
        caller.write(data)
        await caller.drain()


async def serve(caller_reader, caller_writer, port):
    server_writer = None
    try:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        tasks = [asyncio.ensure_future(requests(caller_reader, server_writer)),
                 asyncio.ensure_future(answers(server_reader, caller_writer))]
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        for task in done:
            task.exception()  # one of the two has gone: the other connection goes too
    except OSError:
        caller_writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    finally:
        for writer in (caller_writer, server_writer):
            if writer is not None:
                writer.close()


async def main(address, port, elasticsearch_port):
    listener = await asyncio.start_server(lambda r, w: serve(r, w, elasticsearch_port), address, port, limit=1 << 26)
    await listener.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
