# Python websockets: messages of three sizes come back; a blocked host answers the upgrade with its rule; eight at once.
import asyncio
import sys

import websockets

allowed, blocked = sys.argv[1:3]


async def echo(path, *messages):
    async with websockets.connect(f"wss://{allowed}/{path}", compression=None) as socket:
        for message in messages:
            await socket.send(message)
            if await socket.recv() != message:
                return 0
    return 1


async def main():
    print("allowed", 101, await echo("one", "hello", "y" * 1000, b"z" * 40000))
    try:
        async with websockets.connect(f"wss://{blocked}/one"):
            print("blocked", 101, "-")
    except websockets.exceptions.InvalidStatusCode as error:
        print("blocked", error.status_code, error.headers.get("x-sallyport-rule", "-"))
    print("concurrent", sum(await asyncio.gather(*(echo(f"many/{i}", str(i)) for i in range(8)))))


asyncio.run(main())
