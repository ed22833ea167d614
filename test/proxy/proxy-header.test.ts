// The header of the PROXY protocol, version 2: what is read, and that nothing else is.

import fc from 'fast-check';
import t from 'tap';
import { maxHeaderBytes, parseProxyHeader } from '../../proxy/proxy-header.ts';

const signature = '0d0a0d0a000d0a515549540a';
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const v4 = `${signature} 21 11 000c 0a4d010a 0a4d0001 c350 01bb`;
const v6 = `${signature} 21 21 0024 fd770000000000000000000000010010 fd770000000000000000000000000001 c350 01bb`;

t.test('who speaks is read, with whatever fields follow, and not a byte more', (t) => {
  t.same(parseProxyHeader(hex(v4)), { kind: 'proxied', address: '10.77.1.10', port: 50_000, bytes: 28 });
  t.same(parseProxyHeader(hex(`${v4} 1603`)), {
    kind: 'proxied',
    address: '10.77.1.10',
    port: 50_000,
    bytes: 28,
  });
  t.same(parseProxyHeader(hex(v6)), { kind: 'proxied', address: 'fd77::1:10', port: 50_000, bytes: 52 });
  const mapped = v6.replace('fd770000000000000000000000010010', '00000000000000000000ffff0a4d010a');
  t.match(parseProxyHeader(hex(mapped)), { kind: 'proxied', address: '10.77.1.10' });
  const fields = hex(
    `${signature} 21 11 001a 0a4d010a 0a4d0001 c350 01bb 04 0000 03 0004 01020304 04 0001 00`,
  );
  t.match(parseProxyHeader(fields), { kind: 'proxied', address: '10.77.1.10', bytes: 42 });
  t.same(parseProxyHeader(hex(`${signature} 20 00 0000`)), { kind: 'local', bytes: 16 });
  t.same(parseProxyHeader(hex(`${signature} 20 11 000c 0a4d010a 0a4d0001 c350 01bb`)), {
    kind: 'local',
    bytes: 28,
  });
  t.end();
});

t.test('everything else is refused, or waited for', (t) => {
  const rows: readonly (readonly [title: string, bytes: string, kind: string])[] = [
    ['version 1', Buffer.from('PROXY TCP4 10.77.1.10 10.77.0.1 50000 443\r\n').toString('hex'), 'none'],
    ['TLS', '160301 0200', 'none'],
    ['another signature', `${signature.slice(0, -2)}0b 21 11 000c 0a4d010a 0a4d0001 c350 01bb`, 'none'],
    ['version 1 in binary', `${signature} 11 11 000c 0a4d010a 0a4d0001 c350 01bb`, 'malformed'],
    ['an unknown command', `${signature} 22 11 000c 0a4d010a 0a4d0001 c350 01bb`, 'malformed'],
    ['UDP', `${signature} 21 12 000c 0a4d010a 0a4d0001 c350 01bb`, 'malformed'],
    ['no family', `${signature} 21 00 0000`, 'malformed'],
    ['a Unix socket', `${signature} 21 31 00d8 ${'00'.repeat(216)}`, 'malformed'],
    ['addresses that are cut', `${signature} 21 11 000b 0a4d010a 0a4d0001 c350 01`, 'malformed'],
    ['IPv6 in the room of IPv4', `${signature} 21 21 000c 0a4d010a 0a4d0001 c350 01bb`, 'malformed'],
    ['no port', `${signature} 21 11 000c 0a4d010a 0a4d0001 0000 01bb`, 'malformed'],
    ['a field that is cut', `${signature} 21 11 000e 0a4d010a 0a4d0001 c350 01bb 0400`, 'malformed'],
    ['a field past the end', `${signature} 21 11 000f 0a4d010a 0a4d0001 c350 01bb 040001`, 'malformed'],
    ['a field twice', `${signature} 21 11 0012 0a4d010a 0a4d0001 c350 01bb 020000 020000`, 'malformed'],
    ['too long', `${signature} 21 11 ffff 0a4d010a 0a4d0001 c350 01bb`, 'malformed'],
    ['nothing', '', 'incomplete'],
    ['part of the signature', signature.slice(0, 10), 'incomplete'],
    ['no addresses yet', `${signature} 21 11 000c 0a4d`, 'incomplete'],
  ];
  for (const [title, bytes, kind] of rows) t.equal(parseProxyHeader(hex(bytes)).kind, kind, title);
  t.end();
});

const cases = Number(process.env['FUZZ_CASES'] ?? 5_000);
t.test('hostile bytes never throw, and what is read of a header does not hang on what follows', (t) => {
  const prefix = fc.constantFrom(hex(v4), hex(v6), hex(signature), hex(`${signature} 2111`), Buffer.alloc(0));
  const tail = fc.uint8Array({ maxLength: 80 });
  const flip = fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 255 }));
  const property = fc.property(prefix, tail, flip, (start, rest, [at, value]) => {
    const bytes = Buffer.concat([start, rest]);
    if (at < bytes.length) bytes[at] = value;
    const header = parseProxyHeader(bytes);
    if (header.kind === 'proxied' || header.kind === 'local') {
      if (header.bytes > Math.min(bytes.length, maxHeaderBytes)) return false;
      return JSON.stringify(parseProxyHeader(bytes.subarray(0, header.bytes))) === JSON.stringify(header);
    }
    // What is incomplete stays so, or becomes something, by more bytes alone.
    return header.kind !== 'incomplete' || bytes.length < maxHeaderBytes;
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: cases }));
  t.end();
});
