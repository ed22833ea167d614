# A gRPC client: all four kinds of call, a failing one, a blocked one, and eight at once.
import queue
import sys

import grpc

allowed, blocked = sys.argv[1:3]
meta = (("x-host", allowed),)


def channel(host):
    return grpc.secure_channel(f"{host}:443", grpc.ssl_channel_credentials())


def status(call, *args):
    try:
        return call(*args, metadata=meta, timeout=15)
    except grpc.RpcError as error:
        return f"{error.code().value[0]} {error.code().name} {error.details()}"


with channel(allowed) as to:
    unary = to.unary_unary("/lab.Calls/Unary")
    answer, call = unary.with_call(b"one", metadata=meta, timeout=15)
    print("unary", answer.decode(), dict(call.trailing_metadata()).get("x-end"))
    print("down", *(part.decode() for part in to.unary_stream("/lab.Calls/Down")(b"d", metadata=meta, timeout=15)))
    print("up", to.stream_unary("/lab.Calls/Up")(iter([b"x" * 1000] * 50), metadata=meta, timeout=15).decode())
    # Each message is sent only after the answer to the one before: what is held back never ends.
    asks = queue.Queue()
    asks.put(b"0")
    got = []
    for part in to.stream_stream("/lab.Calls/Both")(iter(asks.get, None), metadata=meta, timeout=15):
        got.append(part.decode())
        asks.put(b"%d" % len(got) if len(got) < 4 else None)
    print("both", *got)
    print("fails", status(to.unary_unary("/lab.Calls/Fails"), b""))
    print("path", status(to.unary_unary("/lab.Hidden/Unary"), b""))
    calls = [unary.future(b"%d" % at, metadata=meta, timeout=15) for at in range(8)]
    print("concurrent", sum(call.result() == b"unary %d" % at for at, call in enumerate(calls)))
with channel(blocked) as to:
    print("blocked", status(to.unary_unary("/lab.Calls/Unary"), b"one"))
