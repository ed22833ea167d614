# Python websockets: sends a message as runners send lines of a step, in text frames of 1,024 bytes, and closes.
import asyncio
import sys

import websockets

url = sys.argv[1]
message = sys.stdin.read()
pieces = [message[at : at + 1024] for at in range(0, len(message), 1024)]


async def main():
    async with websockets.connect(url, compression=None) as socket:
        await socket.send(pieces)
        print("sent", len(await socket.recv()) > 0)


asyncio.run(main())
