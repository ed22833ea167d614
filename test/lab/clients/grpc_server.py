# A gRPC server with all four kinds of call over plain bytes; prints each call when it has ended.
import sys
from concurrent import futures

import grpc

address, certificate, key = sys.argv[1:4]


def seen(context, kind, received, answered):
    # Bytes of both directions' messages, each with its five bytes of length (gRPC over HTTP/2).
    count = lambda messages: sum(5 + len(message) for message in messages)
    host = dict(context.invocation_metadata()).get("x-host", "-")
    print("call", kind, host, count(received), count(answered), flush=True)


class Calls(grpc.GenericRpcHandler):
    def service(self, details):
        return {
            "/lab.Calls/Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "/lab.Calls/Down": grpc.unary_stream_rpc_method_handler(self.down),
            "/lab.Calls/Up": grpc.stream_unary_rpc_method_handler(self.up),
            "/lab.Calls/Both": grpc.stream_stream_rpc_method_handler(self.both),
            "/lab.Calls/Fails": grpc.unary_unary_rpc_method_handler(self.fails),
        }.get(details.method)

    def unary(self, request, context):
        context.set_trailing_metadata((("x-end", "unary"),))
        seen(context, "Unary", [request], [b"unary " + request])
        return b"unary " + request

    def down(self, request, context):
        answers = [b"%d " % at + request for at in range(5)]
        seen(context, "Down", [request], answers)
        yield from answers

    def up(self, requests, context):
        messages = list(requests)
        answer = b"%d" % sum(len(message) for message in messages)
        seen(context, "Up", messages, [answer])
        return answer

    def both(self, requests, context):
        received, answers = [], []
        for request in requests:
            received.append(request)
            answers.append(b"back " + request)
            yield answers[-1]
        seen(context, "Both", received, answers)

    def fails(self, request, context):
        seen(context, "Fails", [request], [])
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now")


server = grpc.server(futures.ThreadPoolExecutor(16), handlers=[Calls()])
with open(key, "rb") as k, open(certificate, "rb") as c:
    credentials = grpc.ssl_server_credentials([(k.read(), c.read())])
if server.add_secure_port(f"{address}:443", credentials) == 0:
    sys.exit(1)
server.start()
print("listening", flush=True)
server.wait_for_termination()
