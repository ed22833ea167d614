# A receiver of OTLP/HTTP logs that believes nothing: a body is taken only where each field is one of the specification
# (opentelemetry.io/docs/specs/otlp, JSON form of the protocol buffers) and has its type; what is odd is answered by 400.
import http.server
import json
import sys

INT64 = lambda v: isinstance(v, str) and v.isdigit() and int(v) < 2**64
TEXT = lambda v: isinstance(v, str)
NUMBER = lambda v: isinstance(v, int) and not isinstance(v, bool) and 0 <= v <= 24


def listed(check):
    return lambda v: isinstance(v, list) and len(v) > 0 and all(check(item) for item in v)


def shaped(needed, optional=()):
    def check(value):
        if not isinstance(value, dict):
            return False
        known = {**needed, **dict(optional)}
        return set(needed) <= set(value) and all(key in known and known[key](item) for key, item in value.items())

    return check


ANY = lambda v: isinstance(v, dict) and len(v) == 1 and all(
    (k == "stringValue" and TEXT(i)) or (k == "boolValue" and isinstance(i, bool)) or (k == "intValue" and INT64(i))
    for k, i in v.items()
)
ATTRIBUTE = shaped({"key": TEXT, "value": ANY})
RECORD = shaped(
    {"timeUnixNano": INT64, "body": ANY},
    {"severityNumber": NUMBER, "severityText": TEXT, "attributes": listed(ATTRIBUTE), "observedTimeUnixNano": INT64},
)
SCOPE = shaped({"scope": shaped({"name": TEXT}, {"version": TEXT}), "logRecords": listed(RECORD)})
RESOURCE = shaped({"resource": shaped({"attributes": listed(ATTRIBUTE)}), "scopeLogs": listed(SCOPE)})
REQUEST = shaped({"resourceLogs": listed(RESOURCE)})


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        text = self.rfile.read(int(self.headers["content-length"]))
        is_right = (
            self.path == "/v1/logs"
            and self.headers["content-type"] == "application/json"
            and self.headers["authorization"] == "Bearer s3cret"
            and REQUEST(json.loads(text))
        )
        answer = b'{"partialSuccess":{}}' if is_right else b'{"code":3}'
        self.send_response(200 if is_right else 400)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        for resource in json.loads(text)["resourceLogs"] if is_right else []:
            for scope in resource["scopeLogs"]:
                for record in scope["logRecords"]:
                    print(record["body"]["stringValue"], flush=True)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(f"port {server.server_address[1]}", flush=True)
sys.stdout.flush()
server.serve_forever()
