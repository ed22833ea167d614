// Node's http2, which speaks nothing else: one allowed GET and POST, one blocked GET, eight GETs at once.
import { connect } from 'node:http2';
const [allowed, blocked] = process.argv.slice(2);
function ask(session, path, body) {
  const request = session.request({ ':path': path, ':method': body === undefined ? 'GET' : 'POST' });
  request.end(body);
  return new Promise((done, failed) => {
    let [head, bytes] = [{}, 0];
    request.on('response', (fields) => (head = fields));
    request.on('data', (chunk) => (bytes += chunk.length));
    request.on('end', () => done({ status: head[':status'], rule: head['x-sallyport-rule'] ?? '-', bytes }));
    request.on('error', failed);
  });
}
const session = connect(`https://${allowed}`);
const one = await ask(session, '/one');
console.log('allowed', one.status, one.bytes);
const two = await ask(session, '/two', 'x'.repeat(1000));
console.log('posted', two.status, two.bytes);
const many = await Promise.all(Array.from({ length: 8 }, (_, i) => ask(session, `/many/${i}`)));
session.close();
const other = connect(`https://${blocked}`);
const refused = await ask(other, '/one');
console.log('blocked', refused.status, refused.rule);
other.close();
console.log('concurrent', many.filter(({ status }) => status === 200).length);
