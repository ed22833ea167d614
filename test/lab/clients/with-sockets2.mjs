// WebSockets in streams of one h2 connection (RFC 8441): a message comes back, a blocked host says its rule, eight at once.
import { connect } from 'node:http2';
import { once } from 'node:events';
const [allowed, blocked] = process.argv.slice(2);

/** A text frame with a mask of zeros. */
function frame(text) {
  const payload = Buffer.from(text);
  const size =
    payload.length < 126 ? [128 + payload.length] : [254, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from([129, ...size, 0, 0, 0, 0]), payload]);
}

async function echo(session, host, path, text) {
  const head = {
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'https',
    ':authority': host,
    ':path': path,
  };
  const stream = session.request({ ...head, 'sec-websocket-version': '13' }, { endStream: false });
  const [fields] = await once(stream, 'response');
  if (fields[':status'] !== 200) {
    stream.resume();
    return { status: fields[':status'], rule: fields['x-sallyport-rule'] ?? '-', text: '' };
  }
  stream.write(frame(text));
  let got = Buffer.alloc(0);
  const header = text.length < 126 ? 2 : 4;
  for await (const chunk of stream) {
    got = Buffer.concat([got, chunk]);
    if (got.length >= header + text.length) break;
  }
  stream.end();
  return { status: 200, rule: '-', text: got.subarray(header).toString() };
}

async function open(host) {
  const session = connect(`https://${host}`);
  await once(session, 'remoteSettings');
  return session;
}

const session = await open(allowed);
const long = 'y'.repeat(20_000);
const one = await echo(session, allowed, '/one', long);
console.log('allowed', one.status, one.text === long);
const many = await Promise.all(
  Array.from({ length: 8 }, (_, i) => echo(session, allowed, `/many/${i}`, `hello ${i}`)),
);
const other = await open(blocked);
const refused = await echo(other, blocked, '/one', 'hello');
console.log('blocked', refused.status, refused.rule);
console.log('concurrent', many.filter(({ text }, i) => text === `hello ${i}`).length);
session.close();
other.close();
setTimeout(() => process.exit(0), 200);
