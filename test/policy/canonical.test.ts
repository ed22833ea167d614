// One form for every spelling of a host and a path, and refusal of what two readers could take differently.

import fc from 'fast-check';
import t from 'tap';
import { parseAddress, parseCidr } from '../../flow/address.ts';
import { canonicaliseHost } from '../../policy/canonicalise-host.ts';
import { canonicalisePath } from '../../policy/canonicalise-path.ts';
import { checkAddress } from '../../policy/check-address.ts';
import { intersectCidrs, subtractCidrs } from '../../policy/cidr-set.ts';
import { editDistance, findNearKey } from '../../policy/near-key.ts';
import { matchesHost, readHostPattern } from '../../policy/match-host.ts';
import { matchesPath, readPathPattern } from '../../policy/match-path.ts';

const numRuns = Number(process.env['FUZZ_CASES'] ?? 2000);

function host(text: string): string {
  const result = canonicaliseHost(text);
  if (result.kind === 'ambiguous') return 'refused';
  return result.kind === 'name' ? result.name : `@${result.address}`;
}

function path(text: string): string {
  const result = canonicalisePath(text);
  return result.kind === 'ambiguous' ? 'refused' : result.path;
}

void t.test('hosts: every spelling comes to one form', (t) => {
  const rows: readonly (readonly [text: string, form: string])[] = [
    ['a.example', 'a.example'],
    ['A.ExAmPlE', 'a.example'],
    ['a.example.', 'a.example'],
    ['a_b-c.example', 'a_b-c.example'],
    ['r3---sn-x.example', 'r3---sn-x.example'],
    ['localhost', 'localhost'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['BÜCHER.example', 'xn--bcher-kva.example'],
    ['bu\u0308cher.example', 'xn--bcher-kva.example'],
    ['XN--BCHER-KVA.example', 'xn--bcher-kva.example'],
    ['127.0.0.1', '@127.0.0.1'],
    ['127.0.0.1.', '@127.0.0.1'],
    ['2130706433', '@127.0.0.1'],
    ['0x7f000001', '@127.0.0.1'],
    ['0X7F000001', '@127.0.0.1'],
    ['017700000001', '@127.0.0.1'],
    ['0x7f.1', '@127.0.0.1'],
    ['127.1', '@127.0.0.1'],
    ['127.0.1', '@127.0.0.1'],
    ['0177.0.0.01', '@127.0.0.1'],
    ['10.0.258', '@10.0.1.2'],
    ['10.66051', '@10.1.2.3'],
    ['0', '@0.0.0.0'],
    ['4294967295', '@255.255.255.255'],
    ['[::1]', '@::1'],
    ['::1', '@::1'],
    ['[2001:DB8:0:0::1]', '@2001:db8::1'],
    ['[::ffff:127.0.0.1]', '@127.0.0.1'],
    ['[::ffff:7f00:1]', '@127.0.0.1'],
    ['[64:ff9b::7f00:1]', '@64:ff9b::7f00:1'],
    ['a'.repeat(63) + '.example', 'a'.repeat(63) + '.example'],
  ];
  for (const [text, form] of rows) t.equal(host(text), form, text);
  t.end();
});

void t.test('hosts: what can be read in two ways is refused', (t) => {
  const rows = [
    '',
    '.',
    '.a.example',
    'a..example',
    'a.example..',
    'a b.example',
    ' a.example',
    'a.example\u0000.evil.example',
    'a.example\n',
    'a.example\t',
    'a\\b.example',
    'a/b.example',
    'user@a.example',
    'a.example?x',
    'a.example#x',
    'a%2eexample',
    '%61.example',
    'a.example:443',
    '[a.example]',
    '[127.0.0.1]',
    '[::1',
    '[::1]x',
    '[::1]:443',
    '[fe80::1%eth0]',
    'fe80::1%25eth0',
    '[::1::]',
    '[]',
    '1.2.3.4.5',
    '256.1.1.1',
    '1.2.3.256',
    '1.2.65536',
    '4294967296',
    '0x100000000',
    '08.1.1.1',
    '0x',
    '1..2',
    'a.example.1',
    'a.0x1',
    'xn--127-.example',
    'a.xn--0.example',
    'xn--a.example',
    'xn--.example',
    'faß.example',
    '\u1e9e.example',
    'βόλος.example',
    'a\u200db.example',
    'a\u200cb.example',
    '１２７.０.０.１',
    '127。0。0。1',
    'a\uff0eexample',
    'a\uff61example',
    'ｅxample.org',
    '\u212aelvin.example',
    'ﬁ.example',
    'a*.example',
    'a.ex,ample',
    'a;b.example',
    'a.example"',
    'a'.repeat(64) + '.example',
    Array.from({ length: 64 }, () => 'abc').join('.'),
    'a'.repeat(2000),
    '\u202ea.example',
    '\ud800.example',
  ];
  for (const text of rows) t.equal(host(text), 'refused', JSON.stringify(text));
  t.equal(
    host(Array.from({ length: 63 }, () => 'abc').join('.')),
    Array.from({ length: 63 }, () => 'abc').join('.'),
  );
  t.end();
});

void t.test('paths: every spelling comes to one form', (t) => {
  const rows: readonly (readonly [text: string, form: string])[] = [
    ['/', '/'],
    ['/a/b', '/a/b'],
    ['/a/b/', '/a/b/'],
    ['/a?b=//../x', '/a'],
    ['/%61%2Db%2d%5F%7e', '/a-b-_~'],
    ['/group%2Fproject', '/group%2Fproject'],
    ['/group%2fproject', '/group%2Fproject'],
    ['/@acme%2fx', '/@acme%2Fx'],
    ['/%40acme%2fx', '/@acme%2Fx'],
    ['/a%20b', '/a%20b'],
    ['/a%3bb', '/a%3Bb'],
    ['/a%3fb', '/a%3Fb'],
    ['/a%23b', '/a%23b'],
    ['/a%2Ab', '/a%2Ab'],
    ['/a*b', '/a*b'],
    ['/100%25', '/100%25'],
    ['/100%25x', '/100%25x'],
    ['/%c3%a9', '/%C3%A9'],
    ['/a|b{c}"<>^`', '/a%7Cb%7Bc%7D%22%3C%3E%5E%60'],
    ['/...', '/...'],
    ['/.git/config', '/.git/config'],
    ['/..a/b..', '/..a/b..'],
    ['/a:b@c,d;'.slice(0, -1), '/a:b@c,d'],
    ['/[x]', '/%5Bx%5D'],
  ];
  for (const [text, form] of rows) t.equal(path(text), form, text);
  const query = canonicalisePath('/a?b=%2e%2e&c=/../d');
  t.equal(query.kind === 'path' && query.query, 'b=%2e%2e&c=/../d');
  t.end();
});

void t.test('what is refused is said by its first reason', (t) => {
  const hosts = [
    ['', 'the host is empty'],
    ['a b', 'a control character or space in the host'],
    ['a\u0000', 'a control character or space in the host'],
    ['a\u007fb', 'a control character or space in the host'],
    ['a%41', 'a percent sign in the host'],
    ['a\\b', 'a slash or backslash in the host'],
    ['a/b', 'a slash or backslash in the host'],
    ['u@a', 'user information in the host'],
    ['a?b', 'a query or fragment in the host'],
    ['a#b', 'a query or fragment in the host'],
    ['[a]', 'brackets around something else than IPv6'],
    ['[::1', 'brackets around something else than IPv6'],
    ['a:b', 'a colon in the host, and no IPv6 address'],
    ['a..b', 'labels that no host name can have'],
    ['1.2.3.4.5', 'a number where a name or an IPv4 address should be'],
    ['xn--.example', 'a label that is no valid punycode'],
    ['a\u3002b', 'a full stop of another script'],
    ['fa\u00df.de', 'a character that IDNA 2003 and 2008 map differently'],
    ['\u212a.example', 'a character that stands for an ASCII one'],
    ['a'.repeat(1025), 'the host is longer than a name can be'],
    ['a'.repeat(1024), 'labels that no host name can have'],
  ] as const;
  for (const [text, detail] of hosts) t.match(canonicaliseHost(text), { kind: 'ambiguous', detail }, text);
  const paths = [
    ['a', 'the target does not begin with a slash'],
    ['/a?b c', 'a character in the query that must be percent-encoded'],
    ['/a?\u007f', 'a character in the query that must be percent-encoded'],
    ['/a?b#c', 'a fragment in the target'],
    ['//', 'an empty segment'],
    ['/..', 'a dot segment'],
    ['/a b', 'a character in the path that must be percent-encoded'],
    ['/a\u007f', 'a character in the path that must be percent-encoded'],
    ['/a\\b', 'a backslash'],
    ['/a;b', 'a path parameter'],
    ['/a#b', 'a fragment in the target'],
    ['/a%', 'a percent sign without two hexadecimal digits'],
    ['/a%00', 'an encoded control character'],
    ['/a%1f', 'an encoded control character'],
    ['/a%7f', 'an encoded control character'],
    ['/a%5cb', 'an encoded backslash'],
    ['/a%252f', 'percent-encoding inside percent-encoding'],
    ['/%ff', 'bytes that are no UTF-8'],
    ['/%ef%bc%8f', 'a character that stands for a slash'],
    ['/%ef%bc%bc', 'a character that stands for a slash'],
    ['/a%2f%2fb', 'an empty segment behind an encoded slash'],
    ['/a%2f..', 'a dot segment'],
    ['/a/..%3bx/b', 'a dot segment'],
    ['/a/.%3B/b', 'a dot segment'],
    ['/a/b%2f..%3b', 'a dot segment'],
    ['/a/%3bx/b', 'an empty segment before a path parameter'],
    ['/a/%ef%bc%9bx/b', 'an empty segment before a path parameter'],
    [`/${'a'.repeat(65_536)}`, 'the target is too long'],
    ['/a'.repeat(257), 'more than 256 segments'],
    ['/%41'.repeat(257), 'more than 256 segments'],
  ] as const;
  for (const [text, detail] of paths) t.match(canonicalisePath(text), { kind: 'ambiguous', detail }, text);
  t.match(canonicalisePath('/a/b%3bc'), { kind: 'path', path: '/a/b%3Bc' });
  t.equal(canonicalisePath(`/${'a'.repeat(65_535)}`).kind, 'path');
  t.equal(canonicalisePath('/a'.repeat(256)).kind, 'path');
  const label = 'a'.repeat(63);
  const longest = `${label}.${label}.${label}.${'a'.repeat(61)}`;
  t.equal(host(longest), longest, '253 characters');
  t.equal(host(`a${longest}`), 'refused');
  t.equal(host(`${'a'.repeat(64)}.example`), 'refused');
  t.equal(host('12.xn--bcher-kva.example'), '12.xn--bcher-kva.example', 'a number beside punycode');
  t.equal(host('0000017700000001'), '@127.0.0.1', '16 digits');
  t.equal(host('00000017700000001'), 'refused');
  const whole = 'abcd:abcd:abcd:abcd:abcd:abcd:192.168.100.100';
  t.equal(host(whole), '@abcd:abcd:abcd:abcd:abcd:abcd:c0a8:6464', '45 characters');
  t.equal(host('255.255.255.255'), '@255.255.255.255');
  t.equal(host('255.255.65535'), '@255.255.255.255');
  t.end();
});

void t.test('paths: what two servers could read differently is refused', (t) => {
  const rows = [
    '',
    'a',
    '*',
    'https://a.example/',
    '/..',
    '/.',
    '/a/..',
    '/a/../b',
    '/a/./b',
    '/%2e%2e/b',
    '/%2E%2e/b',
    '/.%2e/b',
    '/%2e/b',
    '/..%2fb',
    '/..%2Fb',
    '/a/..%2f..%2fb',
    '/a%2f..',
    '/a%2f.%2fb',
    '/%252e%252e/b',
    '/a%252fb',
    '/a/..%25%32%66evil',
    '/a/%252%66x',
    '/a/%25%32e%25%32e/x',
    '/a%2541',
    '/..;/b',
    '/a;x',
    '/a;x=1/b',
    '/;/b',
    '//',
    '//a',
    '/a//b',
    '/a//',
    '/a%2F/b',
    '/a/%2Fb',
    '/a%2F%2Fb',
    '/%2F',
    '/a\u0000',
    '/a%00b',
    '/a%00',
    '/a%0d%0ab',
    '/a%1f',
    '/a%7f',
    '/a\\b',
    '/a%5cb',
    '/a%5Cb',
    '/..\\b',
    '/a b',
    '/a\tb',
    '/a\r\nb',
    '/a\u007f',
    '/é',
    '/a?é',
    '/a?b c',
    '/a?b\u0000',
    '/a#b',
    '/a?b#c',
    '/%',
    '/a%',
    '/a%2',
    '/a%g1',
    '/a%1g',
    '/a%4g',
    '/a%6g',
    '/a%%32',
    '/%c0%ae%c0%ae/b',
    '/a%c0%afb',
    '/%ff',
    '/%c3',
    '/%ef%bc%8e%ef%bc%8e/b',
    '/a%ef%bc%8fb',
    '/a%ef%bc%bcb',
    '/%e2%80%a5/b',
    '/%ed%a0%80',
    `/${'a'.repeat(70_000)}`,
  ];
  for (const text of rows) t.equal(path(text), 'refused', JSON.stringify(text.slice(0, 40)));
  t.end();
});

void t.test('addresses that may be dialled', (t) => {
  const ranges = [parseCidr('10.2.0.0/16')!, parseCidr('127.0.0.0/8')!, parseCidr('fd12::/16')!];
  const rows: readonly (readonly [address: string, reason: string | null])[] = [
    ['9.9.9.9', null],
    ['2620:fe::fe', null],
    ['10.2.3.4', null],
    ['::ffff:10.2.3.4', null],
    ['fd12::1', null],
    ['10.3.3.4', 'private-address'],
    ['192.168.1.1', 'private-address'],
    ['172.16.0.1', 'private-address'],
    ['100.64.0.1', 'private-address'],
    ['fd13::1', 'private-address'],
    ['127.0.0.1', 'never-address'],
    ['::1', 'never-address'],
    ['0.0.0.0', 'never-address'],
    ['169.254.169.254', 'never-address'],
    ['fe80::1', 'never-address'],
    ['64:ff9b::7f00:1', 'never-address'],
    ['64:ff9b::a02:304', 'private-address'],
    ['64:ff9b:1::7f00:1', 'never-address'],
    ['64:ff9b:1:a9fe:a9:fe00:808:808', 'private-address'],
    ['2002:7f00:1::', 'never-address'],
    ['224.0.0.1', 'never-address'],
    ['not an address', 'never-address'],
  ];
  for (const [address, reason] of rows) t.equal(checkAddress(address, ranges), reason, address);
  t.end();
});

void t.test('ranges: what is shared and what remains', (t) => {
  const range = (text: string) => parseCidr(text)!;
  const texts = (list: readonly { bytes: Uint8Array; prefix: number }[]) =>
    list.map(({ bytes, prefix }) => `${bytes.join('.')}/${prefix}`).toSorted();
  t.same(texts(intersectCidrs([range('10.0.0.0/8'), range('9.0.0.0/8')], [range('10.1.0.0/16')])), [
    '10.1.0.0/16',
  ]);
  t.same(texts(intersectCidrs([range('10.1.0.0/16')], [range('10.0.0.0/8')])), ['10.1.0.0/16']);
  t.same(texts(intersectCidrs([range('10.1.0.0/16')], [range('10.2.0.0/16'), range('::/0')])), []);
  t.same(texts(subtractCidrs([range('10.0.0.0/30')], [range('10.0.0.1')])), ['10.0.0.0/32', '10.0.0.2/31']);
  t.same(texts(subtractCidrs([range('10.0.0.0/30')], [range('10.0.0.0/8')])), []);
  t.same(texts(subtractCidrs([range('10.0.0.0/30')], [range('11.0.0.0/8')])), ['10.0.0.0/30']);
  t.same(texts(subtractCidrs([range('10.0.0.0/7')], [range('10.0.0.0/8')])), ['11.0.0.0/8']);
  t.end();
});

void t.test('the nearest key is found within a third of its length', (t) => {
  t.equal(editDistance('abc', 'acb'), 1);
  t.equal(editDistance('kitten', 'sitting'), 3);
  t.equal(editDistance('', 'abc'), 3);
  t.equal(editDistance('x'.repeat(65), 'x'), Infinity);
  t.equal(findNearKey('mdoe', ['version', 'mode']), 'mode');
  t.equal(findNearKey('BLOCKLIST', ['blocklist']), 'blocklist');
  t.equal(findNearKey('zzzzzz', ['mode', 'tls']), null);
  t.end();
});

const oddCharacters = fc.constantFrom(
  ...Array.from('aA0.-_%:[]@/\\;?# \u0000\u00df\uff0e\u3002\u212a１éx~+*'),
  '%2e',
  '%2f',
  '..',
  'xn--',
);
const oddText = fc.array(oddCharacters, { maxLength: 24 }).map((parts) => parts.join(''));
const anyText = fc.oneof(oddText, fc.string({ unit: 'binary', maxLength: 40 }));

void t.test('properties: forms are fixed points, and nothing throws', (t) => {
  fc.assert(
    fc.property(anyText, (text) => {
      const form = canonicaliseHost(text);
      if (form.kind === 'ambiguous') return true;
      const again = form.kind === 'name' ? form.name : form.address;
      if (form.kind === 'address' && parseAddress(form.address) === null) return false;
      return host(again) === host(text) && (form.kind === 'address' || /^[a-z0-9_.-]+$/.test(again));
    }),
    { numRuns },
  );
  fc.assert(
    fc.property(anyText, (text) => {
      const form = canonicalisePath(`/${text}`);
      if (form.kind === 'ambiguous') return true;
      const decoded = decodeURIComponent(form.path.replaceAll('%25', '%2525'));
      const isClean = decoded
        .split('/')
        .every(
          (part, index, all) =>
            !/^\.{1,2}$/.test(part) && (part !== '' || index === 0 || index === all.length - 1),
        );
      return isClean && path(form.path) === form.path && /^[!-~]*$/.test(form.path);
    }),
    { numRuns },
  );
  t.end();
});

void t.test('properties: a pattern matches exactly what a plain reading of it matches', (t) => {
  const label = fc.constantFrom('a', 'b', 'ab', 'ba', 'aab');
  const part = fc.oneof(label, fc.constantFrom('*', '**', 'a*', '*b', 'a*b'));
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 5 }),
      fc.array(label, { minLength: 1, maxLength: 6 }),
      (parts, labels) => {
        const result = readHostPattern([...parts, 'example'].join('.'));
        if (!('pattern' in result)) return false;
        const plain = parts.map((text) =>
          text === '**' ? '[^.]+(?:\\.[^.]+)*' : text === '*' ? '[^.]+' : text.replace('*', '[^.]*'),
        );
        const expected = new RegExp(`^${[...plain, 'example'].join('\\.')}$`).test(
          [...labels, 'example'].join('.'),
        );
        return matchesHost(result.pattern, [...labels, 'example'].join('.')) === expected;
      },
    ),
    { numRuns },
  );
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 5 }),
      fc.array(label, { minLength: 1, maxLength: 6 }),
      (parts, segments) => {
        const result = readPathPattern(`/${parts.join('/')}`);
        if (!('pattern' in result)) return false;
        const plain = parts.map((text, index) => {
          if (text === '**') return index === parts.length - 1 ? '/[^/]*(?:/[^/]*)*' : '(?:/[^/]*)*';
          return `/${text === '*' ? '[^/]+' : text.replace('*', '[^/]*')}`;
        });
        return (
          matchesPath(result.pattern, `/${segments.join('/')}`) ===
          new RegExp(`^${plain.join('')}$`).test(`/${segments.join('/')}`)
        );
      },
    ),
    { numRuns },
  );
  t.end();
});

void t.test('the pieces of a segment stand in order and do not overlap', (t) => {
  for (const [text, fitting, others] of [
    ['*ab*', ['ab', 'abx', 'xab', 'xabx'], ['', 'ba', 'a', 'axb']],
    ['a*a', ['aa', 'aba'], ['a', 'ab', 'ba']],
    ['*b*c*', ['bc', 'xbxcx', 'bcbc'], ['cb', 'b', 'c']],
    ['ab*bc*cd', ['abbccd', 'abxbcxcd'], ['abcd', 'abbcd', 'abccd']],
  ] as const) {
    const pattern = readPathPattern(`/${text}`);
    if (!('pattern' in pattern)) t.fail(`${text} is readable`);
    else {
      for (const segment of fitting) t.ok(matchesPath(pattern.pattern, `/${segment}`), `${text}: ${segment}`);
      for (const segment of others)
        t.notOk(matchesPath(pattern.pattern, `/${segment}`), `${text}: not ${segment}`);
    }
  }
  t.end();
});

void t.test('a pattern of many stars takes no more time on a long path', (t) => {
  const pattern = readPathPattern(`/${'**/a*a*a*/'.repeat(12)}end`);
  const started = performance.now();
  if ('pattern' in pattern) t.notOk(matchesPath(pattern.pattern, `/${'aaaaaaaaaaaaaaab/'.repeat(3000)}x`));
  else t.fail('the pattern is readable');
  t.ok(performance.now() - started < 1000);
  t.end();
});
