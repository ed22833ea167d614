// What policies mean, by cases that a plausible wrong reading would decide otherwise: the table that `explain` and a
// real gateway are both held against.

import type { Attribution } from '../../flow/job.ts';
import { conflicted, job, nobody } from './judge.ts';

/** A push to main of acme/app. */
export const J = job();
const pull = job({ event: 'pull_request', ref: 'refs/pull/7/merge' });
/** One question in the words of judge.ts, and its answer. */
export type Row = readonly [who: Attribution, question: string, answer: string];
export type Case = readonly [
  title: string,
  policy: string,
  rows: readonly Row[],
  files?: Readonly<Record<string, string>>,
];

const hosts: readonly Case[] = [
  [
    '1 one star is one label',
    'http: {id: r, host: "*.a.example"}',
    [
      [J, 'GET https://x.a.example/', 'allow r'],
      [J, 'GET https://x.y.a.example/', 'block no-rule'],
      [J, 'GET https://a.example/', 'block no-rule'],
      [J, 'GET https://xa.example/', 'block no-rule'],
      [J, 'GET https://.a.example/', 'block ambiguous-host'],
    ],
  ],
  [
    '1b a bare host does not cover its subdomains',
    'http: {id: r, host: a.example}',
    [
      [J, 'GET https://a.example/', 'allow r'],
      [J, 'GET https://x.a.example/', 'block no-rule'],
      [J, 'GET https://xa.example/', 'block no-rule'],
      [J, 'GET https://a.example.evil.example/', 'block no-rule'],
      [J, 'GET https://A.EXAMPLE./', 'allow r'],
    ],
  ],
  [
    '1c two stars are one label or more',
    'http: {id: r, host: "**.a.example"}',
    [
      [J, 'GET https://x.a.example/', 'allow r'],
      [J, 'GET https://x.y.z.a.example/', 'allow r'],
      [J, 'GET https://a.example/', 'block no-rule'],
    ],
  ],
  [
    '1i one star and two before the same name stay apart',
    'http: [{id: one, host: "*.a.example", paths: /one}, {id: deep, host: "**.a.example", paths: /deep}]',
    [
      [J, 'GET https://x.a.example/one', 'allow one'],
      [J, 'GET https://x.a.example/deep', 'allow deep'],
      [J, 'GET https://x.y.a.example/deep', 'allow deep'],
      [J, 'GET https://x.y.a.example/one', 'block path'],
    ],
  ],
  [
    '1d a star may stand for a piece of a label',
    'http: {id: r, host: "results*.blob.example"}',
    [
      [J, 'GET https://results17.blob.example/', 'allow r'],
      [J, 'GET https://results.blob.example/', 'allow r'],
      [J, 'GET https://myresults1.blob.example/', 'block no-rule'],
      [J, 'GET https://results1.x.blob.example/', 'block no-rule'],
    ],
  ],
  [
    '1e a star in the middle is one label there',
    'http: {id: r, host: "api.*.a.example"}',
    [
      [J, 'GET https://api.eu.a.example/', 'allow r'],
      [J, 'GET https://api.a.example/', 'block no-rule'],
      [J, 'GET https://api.x.eu.a.example/', 'block no-rule'],
    ],
  ],
  [
    '1f a wildcard stands for names, never for addresses',
    'http: {id: r, host: ["*.*.*.*", "**"]}',
    [
      [J, 'GET https://a.b.c.d/', 'allow r'],
      [J, 'GET https://9.9.9.9/', 'block no-server-name'],
      [J, 'GET https://[2606:4700::1]/', 'block no-server-name'],
      [J, 'GET http://9.9.9.9/', 'block direct-address'],
    ],
  ],
  [
    '1g except takes hosts out, for this rule only',
    'http: [{id: r, host: "**.a.example", except: ["v.a.example", "*.w.a.example"]}, {id: s, host: v.a.example, paths: /open}]',
    [
      [J, 'GET https://x.a.example/', 'allow r'],
      [J, 'GET https://v.a.example/', 'block path'],
      [J, 'GET https://v.a.example/open', 'allow s'],
      [J, 'GET https://1.w.a.example/', 'block no-rule'],
      [J, 'GET https://w.a.example/', 'allow r'],
    ],
  ],
  [
    '1h an internationalised name is one name in both spellings',
    'http: {id: r, host: "*.bücher.example"}',
    [
      [J, 'GET https://www.xn--bcher-kva.example/', 'allow r'],
      [J, 'GET https://www.BÜCHER.example/', 'allow r'],
    ],
  ],
];

const requests: readonly Case[] = [
  [
    '2 a block without methods beats an allow of a method',
    'http: [{id: r, host: "**.a.example", methods: [GET, POST]}, {id: b, host: p.a.example, action: block}]',
    [
      [J, 'POST https://p.a.example/', 'block block-rule b'],
      [J, 'POST https://q.a.example/', 'allow r'],
      [J, 'PUT https://q.a.example/', 'block method'],
      [J, 'GET http://p.a.example:8080/', 'block block-rule b'],
      [J, 'GET dns://p.a.example', 'block block-rule b'],
      [J, 'GET tcp://p.a.example:22', 'block block-rule b'],
      [J, 'GET tcp://p.a.example:443', 'block block-rule b'],
    ],
  ],
  [
    '2b the default of an allow is reading, and a GET with a body is a write',
    'http: {id: r, host: h.example}',
    [
      [J, 'GET https://h.example/', 'allow r'],
      [J, 'HEAD https://h.example/', 'allow r'],
      [J, 'OPTIONS https://h.example/', 'allow r'],
      [J, 'GET https://h.example/ +body', 'block method'],
      [J, 'GET https://h.example/ content-length=5', 'block method'],
      [J, 'GET https://h.example/ content-length=0', 'allow r'],
      [J, 'GET https://h.example/ transfer-encoding=chunked', 'block method'],
      [J, 'POST https://h.example/', 'block method'],
      [J, 'TRACE https://h.example/', 'block method'],
      [J, 'get https://h.example/', 'block method'],
    ],
  ],
  [
    '2c a named GET does not carry a body, write does',
    'http: [{id: n, host: n.example, methods: [GET, POST]}, {id: w, host: w.example, methods: write}, {id: y, host: y.example, methods: any}]',
    [
      [J, 'GET https://n.example/ +body', 'block method'],
      [J, 'POST https://n.example/ +body', 'allow n'],
      [J, 'GET https://w.example/', 'block method'],
      [J, 'GET https://w.example/ +body', 'allow w'],
      [J, 'DELETE https://w.example/', 'allow w'],
      [J, 'GET https://y.example/ +body', 'allow y'],
      [J, 'PROPFIND https://y.example/', 'allow y'],
    ],
  ],
  [
    '2d a method override counts as any write',
    'http: [{id: n, host: n.example, methods: [GET, POST]}, {id: y, host: y.example, methods: any}, {id: b, host: y.example, methods: DELETE, action: block}]',
    [
      [J, 'POST https://n.example/ x-http-method-override=GET', 'block method'],
      [J, 'GET https://n.example/ x-method-override=DELETE', 'block method'],
      [J, 'POST https://y.example/ x-http-method=DELETE', 'block block-rule b'],
      [J, 'POST https://y.example/', 'allow y'],
      [J, 'DELETE https://y.example/', 'block block-rule b'],
      [J, 'POST https://y.example/ x-http-method=1', 'block malformed-request'],
      [J, 'POST https://y.example/ x-http-method=x', 'block block-rule b'],
      [J, 'POST https://y.example/ x-http-method=GET x-method-override=PUT', 'block malformed-request'],
      [J, 'POST https://y.example/ x-http-method=put x-method-override=PUT', 'block block-rule b'],
    ],
  ],
  [
    '2e a block of some methods leaves the others, and does not mind their case',
    'http: [{id: y, host: y.example, methods: any}, {id: b, host: y.example, methods: [POST], action: block}, {id: w, host: w.example, methods: any}, {id: c, host: w.example, methods: write, action: block}, {id: d, host: w.example, methods: read, paths: /r, action: block}]',
    [
      [J, 'POST https://y.example/', 'block block-rule b'],
      [J, 'post https://y.example/', 'block block-rule b'],
      [J, 'PUT https://y.example/', 'allow y'],
      [J, 'GET https://y.example/', 'allow y'],
      [J, 'PUT https://w.example/', 'block block-rule c'],
      [J, 'GET https://w.example/', 'allow w'],
      [J, 'GET https://w.example/ +body', 'block block-rule c'],
      [J, 'GET https://w.example/r', 'block block-rule d'],
      [J, 'get https://w.example/r', 'block block-rule c'],
      [J, 'POST https://y.example/ x-http-method=PUT', 'block block-rule b'],
    ],
  ],
  [
    '3 an encoded slash is data, and a dot segment in any spelling is refused',
    'http: {id: r, host: s.example, paths: "/acme/**"}',
    [
      [J, 'GET https://s.example/acme/..%2fevil/x', 'block ambiguous-path'],
      [J, 'GET https://s.example/acme/group%2Fproject', 'allow r'],
      [J, 'GET https://s.example/acme%2Fx', 'block path'],
      [J, 'GET https://s.example/acme/x/y', 'allow r'],
      [J, 'GET https://s.example/acme/', 'allow r'],
      [J, 'GET https://s.example/acme', 'block path'],
      [J, 'GET https://s.example/acmex/y', 'block path'],
      [J, 'GET https://s.example/acme/../evil', 'block ambiguous-path'],
      [J, 'GET https://s.example/%61cme/x', 'allow r'],
      [J, 'GET https://s.example/evil?/acme/x', 'block path'],
      [J, 'GET https://s.example/acme/x?a=/../b', 'allow r'],
    ],
  ],
  [
    '3b patterns of paths: one segment, a piece, any depth in the middle',
    'http: [{id: one, host: a.example, paths: "/api/*/envelope/"}, {id: piece, host: b.example, paths: "/v*/x"}, {id: mid, host: c.example, paths: "/**/upload"}, {id: several, host: d.example, paths: [/a, /b/*]}]',
    [
      [J, 'GET https://a.example/api/42/envelope/', 'allow one'],
      [J, 'GET https://a.example/api/42/envelope', 'block path'],
      [J, 'GET https://a.example/api/4/2/envelope/', 'block path'],
      [J, 'GET https://a.example/api/4%2F2/envelope/', 'allow one'],
      [J, 'GET https://b.example/v12/x', 'allow piece'],
      [J, 'GET https://b.example/w12/x', 'block path'],
      [J, 'GET https://c.example/upload', 'allow mid'],
      [J, 'GET https://c.example/a/b/upload', 'allow mid'],
      [J, 'GET https://c.example/a/upload/b', 'block path'],
      [J, 'GET https://d.example/a', 'allow several'],
      [J, 'GET https://d.example/a/', 'block path'],
      [J, 'GET https://d.example/b/', 'block path'],
      [J, 'GET https://d.example/b/c', 'allow several'],
    ],
  ],
  [
    '3e two stars at the end need the slash, and the pieces around stars their order',
    'http: [{id: r, host: a.example, paths: "/*/x/**"}, {id: p, host: b.example, paths: "/a*b*c"}]',
    [
      [J, 'GET https://a.example/q/x', 'block path'],
      [J, 'GET https://a.example/q/x/', 'allow r'],
      [J, 'GET https://a.example/q/x/y/z', 'allow r'],
      [J, 'GET https://b.example/aXbYc', 'allow p'],
      [J, 'GET https://b.example/abc', 'allow p'],
      [J, 'GET https://b.example/aXXc', 'block path'],
      [J, 'GET https://b.example/ac', 'block path'],
      [J, 'GET https://b.example/aXcYb', 'block path'],
    ],
  ],
  [
    '3c except takes paths out, and a trailing slash does not dodge a block',
    'http: [{id: r, host: a.example, except: "/admin/**"}, {id: b, host: a.example, paths: /secret, action: block}]',
    [
      [J, 'GET https://a.example/x', 'allow r'],
      [J, 'GET https://a.example/admin/x', 'block path'],
      [J, 'GET https://a.example/secret', 'block block-rule b'],
      [J, 'GET https://a.example/secret/', 'block block-rule b'],
      [J, 'GET https://a.example/secret/x', 'allow r'],
      [J, 'GET https://a.example/', 'allow r'],
    ],
  ],
  [
    '3d the nearest miss is named: host, then path, then method',
    'http: [{id: r, host: a.example, paths: /x, methods: GET}, {id: s, host: a.example, paths: /y, methods: POST}]',
    [
      [J, 'GET https://b.example/x', 'block no-rule'],
      [J, 'GET https://a.example/z', 'block path'],
      [J, 'POST https://a.example/x', 'block method'],
      [J, 'GET https://a.example/y', 'block method'],
    ],
  ],
  [
    'ports and schemes: https on 443 unless the rule says otherwise',
    'http: [{id: d, host: d.example}, {id: p, host: p.example, port: 8443}, {id: h, host: h.example, scheme: http}, {id: both, host: both.example, scheme: [http, https]}, {id: range, host: r.example, port: "8000-8010"}, {id: hp, host: hp.example, scheme: http, port: [8080, 8081]}]',
    [
      [J, 'GET https://d.example/', 'allow d'],
      [J, 'GET http://d.example/', 'block no-rule'],
      [J, 'GET https://d.example:8443/', 'block no-rule'],
      [J, 'GET https://p.example:8443/', 'allow p'],
      [J, 'GET https://p.example/', 'block no-rule'],
      [J, 'GET http://p.example:8443/', 'block no-rule'],
      [J, 'GET http://h.example/', 'allow h'],
      [J, 'GET https://h.example/', 'block no-rule'],
      [J, 'GET http://both.example/', 'allow both'],
      [J, 'GET https://both.example/', 'allow both'],
      [J, 'GET https://r.example:8000/', 'allow range'],
      [J, 'GET https://r.example:8010/', 'allow range'],
      [J, 'GET https://r.example:8011/', 'block no-rule'],
      [J, 'GET https://r.example:7999/', 'block no-rule'],
      [J, 'GET http://hp.example:8081/', 'allow hp'],
    ],
  ],
  [
    'a block that names a port leaves the other ports',
    'http: [{id: r, host: a.example, port: [443, 8443]}, {id: b, host: a.example, port: 8443, action: block}]',
    [
      [J, 'GET https://a.example/', 'allow r'],
      [J, 'GET https://a.example:8443/', 'block block-rule b'],
      [J, 'GET dns://a.example', 'allow r'],
    ],
  ],
  [
    'a block of a path holds on its port, and one of reads lets an overridden write pass',
    'http: [{id: r, host: a.example, port: [443, 8443], methods: any}, {id: b, host: a.example, port: 8443, paths: /x, action: block}, {id: y, host: y.example, methods: any}, {id: yb, host: y.example, methods: read, paths: /x, action: block}]',
    [
      [J, 'GET https://a.example/x', 'allow r'],
      [J, 'GET https://a.example:8443/x', 'block block-rule b'],
      [J, 'GET https://a.example:8443/y', 'allow r'],
      [J, 'GET https://y.example/x', 'block block-rule yb'],
      [J, 'POST https://y.example/x x-http-method=PUT', 'allow y'],
    ],
  ],
  [
    'a block that names a scheme leaves the other scheme',
    'http: [{id: r, host: a.example, scheme: [http, https]}, {id: b, host: a.example, scheme: http, action: block}]',
    [
      [J, 'GET https://a.example/', 'allow r'],
      [J, 'GET http://a.example/', 'block block-rule b'],
    ],
  ],
  [
    'an upgrade needs websocket: true',
    'http: [{id: r, host: a.example}, {id: w, host: w.example, websocket: true}, {id: x, host: x.example, paths: /x}]',
    [
      [J, 'GET wss://a.example/', 'block websocket'],
      [J, 'GET https://a.example/ upgrade=anything', 'block websocket'],
      [J, 'GET https://a.example/ upgrade=h2c', 'allow r'],
      [J, 'GET wss://w.example/', 'allow w'],
      [J, 'GET https://w.example/', 'allow w'],
      [J, 'POST wss://w.example/', 'block method'],
      [J, 'GET wss://x.example/y', 'block path'],
    ],
  ],
  [
    'a block rule with audit: true records only, and another block still blocks',
    'http: [{id: r, host: a.example}, {id: t, host: a.example, action: block, audit: true}, {id: b, host: a.example, paths: /b, action: block}]',
    [
      [J, 'GET https://a.example/', 'would block-rule t'],
      [J, 'GET https://a.example/b', 'block block-rule b'],
      [J, 'GET https://c.example/', 'block no-rule'],
    ],
  ],
  [
    'an audit block does not open what nothing allows',
    'http: {id: t, host: a.example, action: block, audit: true}',
    [[J, 'GET https://a.example/', 'block no-rule']],
  ],
  [
    'opaque: TLS by name, passed through, on its port only',
    'opaque: [{id: o, host: "*.snow.example", except: x.snow.example}, {id: p, host: p.example, port: 5671}]',
    [
      [J, 'POST https://a.snow.example/any', 'allow o'],
      [J, 'GET https://x.snow.example/', 'block no-rule'],
      [J, 'GET http://a.snow.example/', 'block no-rule'],
      [J, 'GET https://a.snow.example:8443/', 'block no-rule'],
      [J, 'GET https://p.example:5671/', 'allow p'],
      [J, 'GET wss://a.snow.example/', 'allow o'],
    ],
  ],
  [
    'a block of one port of an opaque host holds before anything is passed through',
    'opaque: {id: o, host: [o.example, n.example], port: [443, 8443]}\nhttp: {id: b, host: o.example, port: 8443, action: block}\nnetwork: {id: nb, host: n.example, port: 443, action: block}',
    [
      [J, 'GET https://o.example/', 'allow o'],
      [J, 'GET https://o.example:8443/', 'block block-rule b'],
      [J, 'GET https://n.example/', 'block block-rule nb'],
      [J, 'GET https://n.example:8443/', 'allow o'],
    ],
  ],
  [
    'with tls.intercept none only rules that need no reading open TLS',
    'tls: {intercept: none}\nhttp: [{id: r, host: r.example}, {id: y, host: y.example, methods: any, websocket: true}, {id: h, host: h.example, scheme: http}]',
    [
      [J, 'GET https://r.example/', 'block no-rule'],
      [J, 'POST https://y.example/', 'allow y'],
      [J, 'GET http://h.example/', 'allow h'],
      [J, 'POST http://h.example/', 'block method'],
    ],
  ],
  [
    'a host named by its address opens that address, private or not, but never the never-addresses',
    'http: [{id: pub, host: 9.9.9.9}, {id: priv, host: 10.1.2.3}, {id: loop, host: 127.0.0.1}, {id: six, host: "[2606:4700::1]"}]',
    [
      [J, 'GET https://9.9.9.9/', 'allow pub'],
      [J, 'GET https://0x9.9.9.9/', 'allow pub'],
      [J, 'GET https://10.1.2.3/', 'allow priv'],
      [J, 'GET https://10.1.2.4/', 'block no-server-name'],
      [J, 'GET https://127.0.0.1/', 'block never-address'],
      [J, 'GET https://2130706433/', 'block never-address'],
      [J, 'GET https://169.254.169.254/', 'block never-address'],
      [J, 'GET https://[2606:4700:0::1]/', 'allow six'],
      [J, 'GET https://[::ffff:9.9.9.9]/', 'allow pub'],
    ],
  ],
];

const scopes: readonly Case[] = [
  [
    'the nearest miss looks at the rules of this port only',
    'http: [{id: r, host: a.example, port: 8443, methods: POST}, {id: s, host: a.example, paths: /x}]',
    [
      [J, 'GET https://a.example/y', 'block path'],
      [J, 'GET https://a.example:8443/y', 'block method'],
    ],
  ],
  [
    'what an exclusive scope takes away is what would have been allowed, not what is near it',
    'http: {id: a, host: a.example, paths: /x}\nscopes: {id: s, match: {event: push}, exclusive: true, http: {id: b, host: b.example}}',
    [
      [J, 'GET https://a.example/x', 'block not-exclusive'],
      [J, 'GET https://a.example/y', 'block not-exclusive'],
      [J, 'GET https://a.example:8443/x', 'block no-rule'],
    ],
  ],
  [
    '4 every matching scope allows',
    'scopes: [{id: o, match: {owner: acme}, http: {id: a, host: a.example}}, {id: p, match: {owner: acme, repo: acme/app}, http: {id: b, host: b.example}}, {id: q, match: {owner: other}, http: {id: c, host: c.example}}]',
    [
      [J, 'GET https://a.example/', 'allow o:a'],
      [J, 'GET https://b.example/', 'allow p:b'],
      [J, 'GET https://c.example/', 'block no-rule'],
      [job({ repository: 'acme/lib' }), 'GET https://b.example/', 'block no-rule'],
    ],
  ],
  [
    '5 an exclusive scope alone allows',
    'http: {id: a, host: a.example}\nscopes: [{id: pr, match: {event: pull_request}, exclusive: true, http: {id: n, host: n.example}}, {id: plain, match: {repo: acme/app}, http: {id: pa, host: a.example}}]',
    [
      [pull, 'GET https://a.example/', 'block not-exclusive'],
      [pull, 'GET https://n.example/', 'allow pr:n'],
      [pull, 'GET https://z.example/', 'block no-rule'],
      [J, 'GET https://a.example/', 'allow a'],
      [J, 'GET https://n.example/', 'block no-rule'],
    ],
  ],
  [
    '5c what an exclusive scope takes away of one host is told apart from what nothing allows',
    'http: {id: a, host: a.example, paths: /x}\nnetwork: {id: soft, to: 9.9.9.0/24, action: block, audit: true}\nscopes: {id: s, match: {event: push}, exclusive: true, http: {id: b, host: a.example, paths: /z}}',
    [
      [J, 'GET https://a.example/z', 'allow s:b'],
      [J, 'GET https://a.example/x', 'block not-exclusive'],
      [J, 'GET https://a.example/y', 'block path'],
      [J, 'GET tcp://9.9.9.9:22', 'block no-rule'],
    ],
  ],
  [
    '5d a rule that names the path of a resolver must stand in every exclusive scope',
    'scopes: [{id: s, match: {event: push}, exclusive: true, http: {id: a, host: d.example, paths: /dns-query}}, {id: r, match: {repo: acme/app}, exclusive: true, http: {id: b, host: d.example}}]',
    [
      [J, 'GET https://d.example/dns-query', 'block encrypted-dns'],
      [job({ repository: 'acme/lib' }), 'GET https://d.example/dns-query', 'allow s:a'],
    ],
  ],
  [
    '5b two exclusive scopes intersect',
    'scopes: [{id: pr, match: {event: pull_request}, exclusive: true, http: [{id: n, host: n.example}, {id: m, host: m.example, methods: any}]}, {id: rp, match: {repo: acme/app}, exclusive: true, http: [{id: a, host: a.example}, {id: o, host: m.example}]}]',
    [
      [pull, 'GET https://a.example/', 'block not-exclusive'],
      [pull, 'GET https://n.example/', 'block not-exclusive'],
      [pull, 'GET https://m.example/', 'allow pr:m'],
      [pull, 'POST https://m.example/', 'block not-exclusive'],
      [J, 'GET https://a.example/', 'allow rp:a'],
    ],
  ],
  [
    '6 an exclusive scope does not lift a block',
    'http: {id: b, host: p.example, action: block}\nscopes: {id: s, match: {repo: acme/app}, exclusive: true, http: {id: a, host: p.example}}',
    [[J, 'GET https://p.example/', 'block block-rule b']],
  ],
  [
    '6b a scope that matches blocks, one that does not match does not',
    'http: {id: a, host: a.example}\nscopes: [{id: s, match: {repo: acme/app}, http: {id: b, host: a.example, paths: /x, action: block}}]',
    [
      [J, 'GET https://a.example/x', 'block block-rule s:b'],
      [J, 'GET https://a.example/', 'allow a'],
      [job({ repository: 'acme/lib' }), 'GET https://a.example/x', 'allow a'],
    ],
  ],
  [
    '7 nobody gets what the top level and every possible exclusive scope allow',
    'http: [{id: a, host: a.example}, {id: n, host: n.example}]\nscopes: [{id: pr, match: {event: pull_request}, exclusive: true, http: {id: pn, host: n.example}}, {id: plain, match: {repo: acme/app}, http: [{id: g, host: g.example}, {id: b, host: n.example, paths: /b, action: block}]}]',
    [
      [nobody, 'GET https://a.example/', 'block not-exclusive'],
      [conflicted, 'GET https://a.example/', 'block not-exclusive'],
      [nobody, 'GET https://n.example/', 'allow n'],
      [nobody, 'GET https://g.example/', 'block no-rule'],
      [nobody, 'GET https://n.example/b', 'block block-rule plain:b'],
      [J, 'GET https://a.example/', 'allow a'],
    ],
  ],
  [
    '7b fleet gives nobody the top level, but not to one in conflict',
    'onUnattributed: fleet\nhttp: {id: a, host: a.example}\nscopes: {id: pr, match: {event: pull_request}, exclusive: true, http: {id: n, host: n.example}}',
    [
      [nobody, 'GET https://a.example/', 'allow a'],
      [nobody, 'GET https://n.example/', 'block no-rule'],
      [conflicted, 'GET https://a.example/', 'block not-exclusive'],
    ],
  ],
  [
    '7c block gives nobody nothing',
    'onUnattributed: block\nhttp: {id: a, host: a.example}\ndns: {allow: n.example}\nnetwork: {id: t, to: 9.9.9.0/24, port: 22}',
    [
      [nobody, 'GET https://a.example/', 'block unattributed'],
      [conflicted, 'GET https://a.example/', 'block unattributed'],
      [nobody, 'GET dns://n.example', 'block unattributed'],
      [nobody, 'GET tcp://9.9.9.9:22', 'block unattributed'],
      [J, 'GET https://a.example/', 'allow a'],
      [J, 'GET tcp://9.9.9.9:22', 'allow t'],
    ],
  ],
  [
    '7d in audit nobody is still nobody, and recorded',
    'mode: audit\nonUnattributed: block\nhttp: {id: a, host: a.example}',
    [[nobody, 'GET https://a.example/', 'would unattributed']],
  ],
  [
    '7e losing the identity does not turn block into audit',
    'mode: audit\nscopes: {id: s, match: {fork: true}, mode: block}',
    [
      [job({ fork: true }), 'GET https://a.example/', 'block no-rule'],
      [job({ fork: false }), 'GET https://a.example/', 'would no-rule'],
      [nobody, 'GET https://a.example/', 'block no-rule'],
      [conflicted, 'GET https://a.example/', 'block no-rule'],
    ],
  ],
  [
    '8 owners and repositories compare without case, refs with it',
    'scopes: {id: s, match: {repo: acme/app, ref: refs/heads/main}, http: {id: w, host: a.example, methods: any}}',
    [
      [job({ repository: 'Acme/App' }), 'PUT https://a.example/', 'allow s:w'],
      [job({ ref: 'refs/heads/Main' }), 'PUT https://a.example/', 'block no-rule'],
      [job({ ref: 'refs/tags/main' }), 'PUT https://a.example/', 'block no-rule'],
      [job({ ref: 'main' }), 'PUT https://a.example/', 'allow s:w'],
    ],
  ],
  [
    '8b an unknown value matches nothing',
    'scopes: [{id: s, match: {environment: prod}, http: {id: w, host: a.example}}, {id: f, match: {fork: false}, http: {id: v, host: b.example}}]',
    [
      [J, 'GET https://a.example/', 'block no-rule'],
      [job({ environment: 'prod' }), 'GET https://a.example/', 'allow s:w'],
      [job({ environment: 'production' }), 'GET https://a.example/', 'block no-rule'],
      [J, 'GET https://b.example/', 'block no-rule'],
      [job({ fork: false }), 'GET https://b.example/', 'allow f:v'],
      [job({ fork: 'false' }), 'GET https://b.example/', 'block no-rule'],
    ],
  ],
  [
    '8c not: what matches is out; what is unknown never grants, and what it forbids holds',
    'http: {id: t, host: t.example}\nscopes: [{id: s, match: {owner: acme, not: {environment: prod}}, http: [{id: a, host: a.example}, {id: b, host: t.example, paths: /x, action: block}]}]',
    [
      [job({ environment: 'dev' }), 'GET https://a.example/', 'allow s:a'],
      [job({ environment: 'prod' }), 'GET https://a.example/', 'block no-rule'],
      [J, 'GET https://a.example/', 'block no-rule'],
      [J, 'GET https://t.example/x', 'block block-rule s:b'],
      [job({ environment: 'prod' }), 'GET https://t.example/x', 'allow t'],
    ],
  ],
  [
    '8d an exclusive scope that the unknown could make apply narrows',
    'http: {id: t, host: t.example}\nscopes: {id: s, match: {not: {protected: true}}, exclusive: true, mode: block, http: {id: a, host: a.example}}',
    [
      [J, 'GET https://t.example/', 'block not-exclusive'],
      [J, 'GET https://a.example/', 'block no-rule'],
      [job({ protected: true }), 'GET https://t.example/', 'allow t'],
      [job({ protected: false }), 'GET https://a.example/', 'allow s:a'],
    ],
  ],
  [
    '8e every key of match is compared, and all must hold',
    'scopes: {id: s, match: {server: github.com, owner: acme, workflow: ".github/workflows/*", calledWorkflow: x/y/.github/workflows/w.yml, event: [push, schedule], job: build, actor: OctoCat, runnerGroup: Big}, http: {id: a, host: a.example}}',
    [
      [
        job({ called_workflow: 'x/y/.github/workflows/w.yml', runner_group: 'big' }),
        'GET https://a.example/',
        'allow s:a',
      ],
      [
        job({ called_workflow: 'x/y/.github/workflows/w.yml', runner_group: 'big', event: 'schedule' }),
        'GET https://a.example/',
        'allow s:a',
      ],
      [
        job({
          called_workflow: 'x/y/.github/workflows/w.yml',
          runner_group: 'big',
          server: 'ghes.corp.example',
        }),
        'GET https://a.example/',
        'block no-rule',
      ],
      [
        job({ called_workflow: 'x/y/.github/workflows/w.yml', runner_group: 'big', repository: 'acme2/app' }),
        'GET https://a.example/',
        'block no-rule',
      ],
      [
        job({
          called_workflow: 'x/y/.github/workflows/w.yml',
          runner_group: 'big',
          workflow: '.github/workflows/x/ci.yml',
        }),
        'GET https://a.example/',
        'block no-rule',
      ],
      [
        job({ called_workflow: 'x/y/.github/workflows/v.yml', runner_group: 'big' }),
        'GET https://a.example/',
        'block no-rule',
      ],
      [
        job({ called_workflow: 'x/y/.github/workflows/w.yml', runner_group: 'small' }),
        'GET https://a.example/',
        'block no-rule',
      ],
      [
        job({ called_workflow: 'x/y/.github/workflows/w.yml', runner_group: 'big', job: 'test' }),
        'GET https://a.example/',
        'block no-rule',
      ],
      [
        job({ called_workflow: 'x/y/.github/workflows/w.yml', runner_group: 'big', actor: 'mallory' }),
        'GET https://a.example/',
        'block no-rule',
      ],
      [
        job({ called_workflow: 'x/y/.github/workflows/w.yml', runner_group: 'big', event: 'pull_request' }),
        'GET https://a.example/',
        'block no-rule',
      ],
    ],
  ],
  [
    '8f a project is GitLab’s; refs match by patterns that do not cross a slash',
    'scopes: [{id: g, match: {project: acme/infra}, http: {id: a, host: a.example}}, {id: t, match: {ref: "refs/tags/v*"}, http: {id: b, host: b.example}}, {id: r, match: {ref: "refs/heads/release/**"}, http: {id: c, host: c.example}}, {id: l, match: {server: gitlab.com}, http: {id: d, host: d.example}}]',
    [
      [
        job({ project: 'Acme/Infra', repository: null, server: 'gitlab.example' }),
        'GET https://a.example/',
        'allow g:a',
      ],
      [job({ repository: 'acme/infra' }), 'GET https://a.example/', 'block no-rule'],
      [job({ project: 'acme/infra', repository: null, server: null }), 'GET https://d.example/', 'allow l:d'],
      [job({ ref: 'refs/tags/v1.2' }), 'GET https://b.example/', 'allow t:b'],
      [job({ ref: 'refs/tags/v1/x' }), 'GET https://b.example/', 'block no-rule'],
      [job({ ref: 'refs/heads/refs/tags/v1' }), 'GET https://b.example/', 'block no-rule'],
      [job({ ref: 'refs/heads/release/1/x' }), 'GET https://c.example/', 'allow r:c'],
      [job({ ref: 'refs/heads/release' }), 'GET https://c.example/', 'block no-rule'],
    ],
  ],
  [
    '8g servers and owners compare without case',
    'scopes: [{id: o, match: {owner: ACME}, http: {id: a, host: a.example}}, {id: s, match: {server: "GitHub.com"}, http: {id: b, host: b.example}}]',
    [
      [J, 'GET https://a.example/', 'allow o:a'],
      [J, 'GET https://b.example/', 'allow s:b'],
    ],
  ],
  [
    'bundles are inert until a scope uses them',
    'bundles: {rel: {http: {id: a, host: a.example}, network: {id: n, to: 9.9.9.9, port: 22}}, unused: {http: {host: u.example}}}\nscopes: [{id: s, match: {ref: "refs/tags/*"}, use: rel}, {id: z, match: {ref: refs/heads/z}, use: [rel]}]',
    [
      [job({ ref: 'refs/tags/v1' }), 'GET https://a.example/', 'allow s:a'],
      [job({ ref: 'refs/heads/z' }), 'GET https://a.example/', 'allow z:a'],
      [job({ ref: 'refs/tags/v1' }), 'GET tcp://9.9.9.9:22', 'allow s:n'],
      [J, 'GET https://a.example/', 'block no-rule'],
      [J, 'GET https://u.example/', 'block no-rule'],
    ],
  ],
  [
    '11 block wins among the scopes that name a mode; the top one is only the default',
    'mode: block\nscopes: [{id: a, match: {repo: acme/app}, mode: audit}, {id: b, match: {ref: "refs/tags/*"}, mode: block}]',
    [
      [J, 'GET https://x.example/', 'would no-rule'],
      [job({ ref: 'refs/tags/v1' }), 'GET https://x.example/', 'block no-rule'],
      [job({ repository: 'acme/lib' }), 'GET https://x.example/', 'block no-rule'],
    ],
  ],
  [
    '11b top audit, one scope block and one audit',
    'mode: audit\nscopes: [{id: a, match: {repo: acme/app}, mode: audit}, {id: b, match: {event: push}, mode: block}]',
    [
      [J, 'GET https://x.example/', 'block no-rule'],
      [job({ event: 'schedule' }), 'GET https://x.example/', 'would no-rule'],
    ],
  ],
];

const lists: readonly Case[] = [
  [
    '12 the blocklist beats an allow in audit, its subdomains included; a list in audit records',
    'mode: audit\nhttp: [{id: r, host: "**.evil.example"}, {id: s, host: soft.example}]\nblocklist: [{id: hard, hosts: evil.example}, {id: soft, hosts: soft.example, mode: audit}]',
    [
      [J, 'GET https://x.evil.example/', 'block blocklist hard'],
      [J, 'GET https://evil.example/', 'block blocklist hard'],
      [J, 'GET https://notevil.example/', 'would no-rule'],
      [J, 'GET dns://y.x.evil.example', 'block blocklist hard'],
      [J, 'GET tcp://x.evil.example:22', 'block blocklist hard'],
      [J, 'GET https://soft.example/', 'would blocklist soft'],
      [nobody, 'GET https://x.evil.example/', 'block blocklist hard'],
    ],
  ],
  [
    '12b in block mode a list in audit opens nothing and blocks nothing',
    'http: {id: s, host: soft.example}\nblocklist: {id: soft, hosts: [soft.example, other.example], mode: audit}',
    [
      [J, 'GET https://soft.example/', 'would blocklist soft'],
      [J, 'GET https://other.example/', 'block no-rule'],
    ],
  ],
  [
    '12c files: their own mode, plain and YAML, and exceptions until their day',
    'http: {id: r, host: "**.example"}\nblocklist: {files: "lists/*", except: [{host: cdn.a.example, until: "2999-01-01", reason: false positive}, {host: old.a.example, until: "2001-01-01", reason: past}]}',
    [
      [J, 'GET https://x.a.example/', 'block blocklist lists/a.yaml'],
      [J, 'GET https://cdn.a.example/', 'allow r'],
      [J, 'GET https://x.cdn.a.example/', 'block blocklist lists/a.yaml'],
      [J, 'GET https://old.a.example/', 'block blocklist lists/a.yaml'],
      [J, 'GET https://x.b.example/', 'would blocklist lists/b.yaml'],
      [J, 'GET https://c.example/', 'block blocklist lists/c.txt'],
      [J, 'GET https://d.example/', 'block blocklist lists/d.yaml'],
      [J, 'GET https://both.example/', 'block blocklist lists/c.txt'],
      [J, 'GET tcp://9.9.9.9:22', 'block blocklist lists/a.yaml'],
      [J, 'GET https://8.8.4.4/', 'block blocklist lists/c.txt'],
    ],
    {
      'lists/a.yaml': 'hosts:\n  - a.example # why\naddresses:\n  - 9.9.9.0/24\n',
      'lists/b.yaml': 'mode: audit\nhosts:\n- "b.example"\n- both.example\n',
      'lists/c.txt': '# hosts\nc.example\nboth.example # also\n8.8.4.4\n',
      'lists/d.yaml': 'hosts: [d.example, "*.e.example"]\n',
    },
  ],
  [
    '12d addresses of a list, in every form',
    'network: [{id: n, to: 0.0.0.0/0, port: 22}, {id: m, to: "::/0", port: 22}]\nblocklist: {id: l, addresses: [9.9.9.9, "2606:4700::/32"]}',
    [
      [J, 'GET tcp://9.9.9.9:22', 'block blocklist l'],
      [J, 'GET tcp://9.9.9.8:22', 'allow n'],
      [J, 'GET tcp://[2606:4700::1]:22', 'block blocklist l'],
      [J, 'GET tcp://[64:ff9b::909:909]:22', 'block never-address'],
      [J, 'GET tcp://[2620::1]:22', 'allow m'],
    ],
  ],
];

const packets: readonly Case[] = [
  [
    'blocks of packets: by host for everything, for one port, for some requests only, and on paper',
    'http: [{id: x, host: x.example}, {id: y, host: y.example, port: 8443}, {id: z, host: z.example, paths: /p, action: block}]\nnetwork: [{id: xb, host: x.example, action: block}, {id: yb, host: y.example, action: block, protocol: tcp}, {id: wb, host: y.example, action: block, port: 9, protocol: [tcp, udp, icmp]}, {id: zn, host: z.example, port: 22}, {id: soft, to: 9.9.9.0/24, action: block, audit: true}, {id: n, to: 9.9.9.9, port: 22}]',
    [
      [J, 'GET dns://x.example', 'block block-rule xb'],
      [J, 'GET https://x.example/', 'block block-rule xb'],
      [J, 'GET dns://y.example', 'allow y'],
      [J, 'GET https://y.example:8443/', 'block block-rule yb'],
      [J, 'GET udp://y.example:9', 'block block-rule wb'],
      [J, 'GET tcp://z.example:22', 'allow zn'],
      [J, 'GET tcp://9.9.9.8:22', 'block no-rule'],
      [J, 'GET tcp://9.9.9.9:22', 'would block-rule soft'],
    ],
  ],
  [
    'network rules by range: protocol, port, neighbours, exceptions',
    'network: [{id: ntp, to: 192.0.2.53/32, port: 123, protocol: udp}, {id: db, to: [10.0.0.0/8, "fd12::/16"], port: ["5432-5440", 6432], except: 10.9.0.0/16}, {id: ping, to: 9.9.9.0/24, protocol: icmp}, {id: every, to: 9.9.8.8, protocol: [tcp, udp], inspect: false}]',
    [
      [J, 'GET udp://192.0.2.53:123', 'allow ntp'],
      [J, 'GET tcp://192.0.2.53:123', 'block no-rule'],
      [J, 'GET udp://192.0.2.53:124', 'block no-rule'],
      [J, 'GET udp://192.0.2.54:123', 'block no-rule'],
      [J, 'GET tcp://10.1.1.1:5432', 'allow db'],
      [J, 'GET tcp://10.1.1.1:5440', 'allow db'],
      [J, 'GET tcp://10.1.1.1:5441', 'block no-rule'],
      [J, 'GET tcp://10.1.1.1:6432', 'allow db'],
      [J, 'GET tcp://10.9.1.1:5432', 'block no-rule'],
      [J, 'GET tcp://10.10.1.1:5432', 'allow db'],
      [J, 'GET tcp://[fd12::5]:5432', 'allow db'],
      [J, 'GET tcp://[fd13::5]:5432', 'block no-rule'],
      [J, 'GET icmp://9.9.9.9', 'allow ping'],
      [J, 'GET icmp://9.9.7.9', 'block no-rule'],
      [J, 'GET tcp://9.9.9.9:1', 'block no-rule'],
      [J, 'GET udp://9.9.8.8:9', 'allow every'],
      [J, 'GET icmp://9.9.8.8', 'block no-rule'],
    ],
  ],
  [
    'network rules by host, and blocks by range and by host',
    'network: [{id: ssh, host: "scm*.corp.example", port: 22, except: scm9.corp.example}, {id: all, to: 9.9.0.0/16, port: 22}, {id: b, to: 9.9.9.0/24, action: block}, {id: hb, host: scm1.corp.example, port: 22, action: block}]',
    [
      [J, 'GET tcp://scm.corp.example:22', 'allow ssh'],
      [J, 'GET tcp://scm.corp.example:23', 'block no-rule'],
      [J, 'GET udp://scm.corp.example:22', 'block no-rule'],
      [J, 'GET tcp://scm9.corp.example:22', 'block no-rule'],
      [J, 'GET tcp://scm1.corp.example:22', 'block block-rule hb'],
      [J, 'GET tcp://9.9.9.9:22', 'block block-rule b'],
      [J, 'GET icmp://9.9.9.9', 'block block-rule b'],
      [J, 'GET tcp://9.9.8.9:22', 'allow all'],
      [J, 'GET dns://scm.corp.example', 'allow ssh'],
      [J, 'GET dns://scm9.corp.example', 'block no-rule'],
      [J, 'GET https://scm.corp.example/', 'block no-rule'],
    ],
  ],
  [
    'always enforced, in audit and against every allow',
    'mode: audit\nnetwork: [{id: n, to: 0.0.0.0/0, protocol: [tcp, udp, icmp], inspect: false}, {id: m, to: "::/0", protocol: [tcp, udp], inspect: false}]',
    [
      [J, 'GET udp://9.9.9.9:443', 'block quic'],
      [J, 'GET tcp://9.9.9.9:853', 'block encrypted-dns'],
      [J, 'GET udp://9.9.9.9:853', 'block encrypted-dns'],
      [J, 'GET udp://[2620:fe::fe]:443', 'block quic'],
      [J, 'GET tcp://127.0.0.1:22', 'block never-address'],
      [J, 'GET tcp://169.254.169.254:8080', 'block never-address'],
      [J, 'GET tcp://168.63.129.16:8080', 'block never-address'],
      [J, 'GET tcp://[fd00:ec2::254]:8080', 'block never-address'],
      [J, 'GET tcp://[::ffff:127.0.0.1]:22', 'block never-address'],
      [J, 'GET tcp://[64:ff9b::7f00:1]:22', 'block never-address'],
      [J, 'GET icmp://224.0.0.1', 'block never-address'],
      [J, 'GET tcp://9.9.9.9:22', 'allow n'],
      [J, 'GET https://169.254.169.254/', 'block never-address'],
      [J, 'GET http://[::1]/', 'block never-address'],
    ],
  ],
  [
    'DNS over HTTPS on an allowed host is blocked in audit mode too; a rule for the very path opens it',
    'mode: audit\nhttp: [{id: w, host: w.example}, {id: d, host: d.example, paths: [/dns-query, /v1/**]}]',
    [
      [J, 'GET https://w.example/ accept=application/dns-message', 'block encrypted-dns'],
      [J, 'GET https://w.example/x accept=text/html,Application/DNS-JSON', 'block encrypted-dns'],
      [J, 'POST https://w.example/ +body content-type=application/dns-message', 'block encrypted-dns'],
      [
        J,
        'POST https://w.example/ +body content-type=application/oblivious-dns-message',
        'block encrypted-dns',
      ],
      [J, 'GET https://w.example/dns-query', 'block encrypted-dns'],
      [J, 'GET https://w.example/a1b2/DNS-Query/', 'block encrypted-dns'],
      [J, 'GET https://w.example/resolve?type=16&name=secret.z.example', 'block encrypted-dns'],
      [J, 'GET https://w.example/q?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB', 'block encrypted-dns'],
      [J, 'GET https://w.example/q?dns=AAABAAACAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB', 'allow w'],
      [J, 'GET https://w.example/q?dns=yes', 'allow w'],
      [
        J,
        `GET https://w.example/resolve?x=${'x'.repeat(9_000)}&name=secret.z.example`,
        'block encrypted-dns',
      ],
      [J, 'GET https://w.example/resolve?name=lodash', 'allow w'],
      [J, 'GET https://w.example/dns-query-docs accept=application/json', 'allow w'],
      [J, 'GET https://w.example/dns-query/x', 'allow w'],
      [J, 'GET https://d.example/dns-query accept=application/dns-message', 'allow d'],
      [J, 'GET https://d.example/v1/dns-query', 'block encrypted-dns'],
    ],
  ],
  [
    'intercepted ports: a rule by range opens connections without a name only when it says so',
    'network: [{id: raw, to: 9.9.9.9, port: 443, inspect: false}, {id: dir, to: 9.9.9.8, port: 443, direct: true}, {id: no, to: 9.9.9.7, port: 8443}]\nhttp: {id: h, host: h.example, port: 8443}',
    [
      [J, 'GET tcp://9.9.9.9:443', 'allow raw'],
      [J, 'GET tcp://9.9.9.8:443', 'allow dir'],
      [J, 'GET tcp://9.9.9.8:80', 'block direct-address'],
      [J, 'GET tcp://9.9.9.7:8443', 'block direct-address'],
      [J, 'GET tcp://h.example:8443', 'block no-rule'],
      [J, 'GET https://h.example:8443/', 'allow h'],
    ],
  ],
  [
    'a network block holds for what the proxy carries too, by host and by range',
    'http: [{id: a, host: "**.a.example", scheme: [http, https]}, {id: w, host: 93.184.216.34}, {id: lower, host: low.example, methods: any}, {id: read, host: low.example, methods: read, paths: /x, action: block}]\nnetwork: [{id: nb, host: p.a.example, action: block}, {id: pb, host: q.a.example, port: 443, action: block}, {id: ub, host: u.a.example, protocol: udp, action: block}, {id: rb, to: 93.184.216.0/24, action: block}, {id: dir, to: 0.0.0.0/0, port: 443, direct: true}]',
    [
      [J, 'GET https://ok.a.example/', 'allow a'],
      [J, 'GET http://p.a.example/', 'block block-rule nb'],
      [J, 'GET https://p.a.example/', 'block block-rule nb'],
      [J, 'GET https://q.a.example/', 'block block-rule pb'],
      [J, 'GET http://q.a.example/', 'allow a'],
      [J, 'GET https://u.a.example/', 'allow a'],
      [J, 'GET https://93.184.216.34/', 'block block-rule rb'],
      [J, 'GET tcp://93.184.216.34:443', 'block block-rule rb'],
      [J, 'GET tcp://93.184.217.34:443', 'allow dir'],
      [J, 'get https://low.example/x', 'block block-rule read'],
      [J, 'get https://low.example/y', 'allow lower'],
    ],
  ],
  [
    'DNS over TLS stays shut whatever a rule names',
    'http: {id: h, host: h.example, port: 853}\nopaque: {id: o, host: o.example, port: 853}\nnetwork: {id: n, to: 9.9.9.9, port: 853}',
    [
      [J, 'GET https://h.example:853/', 'block encrypted-dns'],
      [J, 'GET https://o.example:853/', 'block encrypted-dns'],
      [J, 'GET tcp://9.9.9.9:853', 'block encrypted-dns'],
    ],
  ],
  [
    'dns.allow lets a name be resolved and nothing else',
    'dns: {allow: ["*.internal.example", one.example]}\nscopes: {id: s, match: {repo: acme/app}, dns: {allow: s.example}}',
    [
      [J, 'GET dns://x.internal.example', 'allow dns'],
      [J, 'GET https://x.internal.example/', 'block no-rule'],
      [J, 'GET tcp://x.internal.example:22', 'block no-rule'],
      [J, 'GET dns://internal.example', 'block no-rule'],
      [J, 'GET dns://s.example', 'allow s:s/dns'],
      [nobody, 'GET dns://s.example', 'block no-rule'],
    ],
  ],
  [
    'exclusive scopes intersect at layers 3 and 4 too',
    'network: {id: t, to: 9.9.9.0/24, port: 22}\nscopes: [{id: a, match: {event: pull_request}, exclusive: true, network: {id: n, to: 9.9.0.0/16, port: [22, 23]}}, {id: b, match: {repo: acme/app}, exclusive: true, network: {id: m, to: 9.9.8.0/24, port: 22}}]',
    [
      [pull, 'GET tcp://9.9.8.1:22', 'allow a:n'],
      [pull, 'GET tcp://9.9.9.1:22', 'block not-exclusive'],
      [pull, 'GET tcp://9.9.8.1:23', 'block not-exclusive'],
    ],
  ],
];

/** All cases by subject. */
export const sections: Readonly<Record<string, readonly Case[]>> = {
  hosts,
  requests,
  scopes,
  lists,
  packets,
};
