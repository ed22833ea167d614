# httpx with HTTP/2: one allowed GET and POST, one blocked GET, eight GETs at once on one connection.
import asyncio
import sys

import httpx

allowed, blocked = sys.argv[1:3]


async def main():
    async with httpx.AsyncClient(http2=True) as client:
        answer = await client.get(f"https://{allowed}/one")
        print("allowed", answer.status_code, len(answer.content))
        answer = await client.post(f"https://{allowed}/two", content=b"x" * 1000)
        print("posted", answer.status_code, len(answer.content))
        answer = await client.get(f"https://{blocked}/one")
        print("blocked", answer.status_code, answer.headers.get("x-sallyport-rule", "-"))
        answers = await asyncio.gather(*(client.get(f"https://{allowed}/many/{i}") for i in range(8)))
        print("concurrent", sum(a.status_code == 200 for a in answers))


asyncio.run(main())
