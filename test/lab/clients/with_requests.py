# Python requests: one allowed GET and POST, one blocked GET, eight GETs at once.
import sys
from concurrent.futures import ThreadPoolExecutor

import requests

allowed, blocked = sys.argv[1:3]
answer = requests.get(f"https://{allowed}/one")
print("allowed", answer.status_code, len(answer.content))
answer = requests.post(f"https://{allowed}/two", data=b"x" * 1000)
print("posted", answer.status_code, len(answer.content))
answer = requests.get(f"https://{blocked}/one")
print("blocked", answer.status_code, answer.headers.get("x-sallyport-rule", "-"))
with ThreadPoolExecutor(8) as pool:
    answers = list(pool.map(lambda i: requests.get(f"https://{allowed}/many/{i}"), range(8)))
print("concurrent", sum(a.status_code == 200 for a in answers))
