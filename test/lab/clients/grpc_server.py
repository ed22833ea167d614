# A gRPC server with all four kinds of call over plain bytes; prints each call when it has ended.
import sys
from concurrent import futures

import grpc

address, certificate, key = sys.argv[1:4]


def seen(context, kind):
    meta = dict(context.invocation_metadata())
    print("call", kind, meta.get("x-host", "-"), flush=True)


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
        seen(context, "Unary")
        context.set_trailing_metadata((("x-end", "unary"),))
        return b"unary " + request

    def down(self, request, context):
        seen(context, "Down")
        for at in range(5):
            yield b"%d " % at + request

    def up(self, requests, context):
        seen(context, "Up")
        return b"%d" % sum(len(request) for request in requests)

    def both(self, requests, context):
        seen(context, "Both")
        for request in requests:
            yield b"back " + request

    def fails(self, request, context):
        seen(context, "Fails")
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now")


server = grpc.server(futures.ThreadPoolExecutor(16), handlers=[Calls()])
with open(key, "rb") as k, open(certificate, "rb") as c:
    credentials = grpc.ssl_server_credentials([(k.read(), c.read())])
if server.add_secure_port(f"{address}:443", credentials) == 0:
    sys.exit(1)
server.start()
print("listening", flush=True)
server.wait_for_termination()
