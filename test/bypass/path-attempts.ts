// Ways out of the part of a host that a rule allows: paths that a server may read differently, methods and bodies
// that are not what they seem. The rule allows reading below /open/, /projects/*/info and /exact.

import { gzipSync } from 'node:zlib';
import type { Bypass, Mark } from './bypass.ts';
import type { BypassId } from './catalog.ts';
import { expectStatus } from './name-attempts.ts';
import { isOwn, sawToken } from './seen.ts';
import { get, speak } from './speak.ts';

const host = 'api.example.com';
const inTls = { port: 443, tls: { serverName: host } };
const inTheClear = { port: 80 };

interface Asked {
  readonly message: string | Buffer;
  readonly reasons: Bypass['reasons'];
  readonly status: number;
}

/** A request that must not arrive, over TLS and in the clear. */
function asked(id: BypassId, how: string, askedOf: (mark: Mark) => Asked): Bypass[] {
  const { reasons, status } = askedOf({ token: '', port: 0, source4: '', source6: '' });
  return [inTls, inTheClear].map((connection) => ({
    id,
    how: connection === inTls ? `${how}, TLS` : how,
    run: (lab, mark) => speak(lab, mark, { ...connection, send: [askedOf(mark).message] }),
    arrived: sawToken,
    recorded: (record, mark) => record.kind === 'request' && isOwn(record, mark),
    ...(reasons === undefined ? {} : { reasons }),
    check: expectStatus(status),
  }));
}

/** A path that may be read in more than one way. */
const ambiguous = (id: BypassId, how: string, pathOf: (token: string) => string): Bypass[] =>
  asked(id, how, ({ token }) => ({
    message: get(pathOf(token), host),
    reasons: ['ambiguous-path'],
    status: 400,
  }));

/** A path that is read in one way, and outside of what the rule allows. */
const outside = (id: BypassId, how: string, pathOf: (token: string) => string): Bypass[] =>
  asked(id, how, ({ token }) => ({
    message: get(pathOf(token), host),
    reasons: ['path', 'block-rule'],
    status: 403,
  }));

/** What a rule allows goes on as it came, encoded slash included. */
const encodedSlashAsData: Bypass = {
  id: 'path-slash-as-data',
  how: 'as data',
  run: async (lab, mark) => {
    const data = `/projects/group%2Fproject/info`;
    const kept = await speak(lab, mark, { ...inTls, send: [get(`${data}?${mark.port}`, host)] });
    const split = await speak(lab, mark, {
      ...inTls,
      send: [get(`/projects/group/${mark.token}/info`, host)],
    });
    return { kept, split, sent: `"target":"${data}?${mark.port}"` };
  },
  arrived: sawToken,
  recorded: ({ http }, { token }) => http?.path === `/projects/group/${token}/info`,
  reasons: ['path'],
  check: (answer) => {
    // The shape that `run` answers.
    const { kept, split, sent } = answer as { kept: string; split: string; sent: string };
    if (!kept.includes(sent)) return `the encoded slash did not arrive as it was sent: ${kept.slice(0, 300)}`;
    return expectStatus(403)(split);
  },
};

const paths: readonly Bypass[] = [
  ...ambiguous('path-dot-dot', 'after the prefix', (token) => `/open/../${token}`),
  ...ambiguous('path-dot-dot', 'at the end', (token) => `/open/${token}/..`),
  ...ambiguous('path-encoded-dots', 'both', (token) => `/open/%2e%2e/${token}`),
  ...ambiguous('path-encoded-dots', 'one', (token) => `/open/.%2e/${token}`),
  ...ambiguous('path-encoded-slash', 'lower case', (token) => `/open/..%2f${token}`),
  ...ambiguous('path-encoded-slash', 'upper case', (token) => `/open/..%2F${token}`),
  ...ambiguous('path-double-encoded', 'dots', (token) => `/open/%252e%252e/${token}`),
  ...ambiguous('path-double-encoded', 'slash', (token) => `/open/..%252f${token}`),
  ...ambiguous('path-dots-parameter', 'empty', (token) => `/open/..;/${token}`),
  ...ambiguous('path-dots-parameter', 'named', (token) => `/open/..;x=y/${token}`),
  ...ambiguous('path-double-slash', 'within', (token) => `/open//${token}`),
  ...ambiguous('path-double-slash', 'at the start', (token) => `//${token}/open/x`),
  ...outside('path-trailing-slash', 'of an exact path', (token) => `/exact/?${token}`),
  ...outside('path-trailing-slash', 'of a blocked path', (token) => `/open/secret/?${token}`),
  ...ambiguous('path-parameter', 'of a blocked path', (token) => `/open/secret;x?${token}`),
  ...ambiguous('path-nul', 'after a blocked path', (token) => `/open/secret%00?${token}`),
  ...ambiguous('path-nul', 'before the way out', (token) => `/open/%00/../${token}`),
  ...ambiguous('path-backslash', 'plain', (token) => `/open/..\\${token}`),
  ...ambiguous('path-backslash', 'encoded', (token) => `/open/..%5c${token}`),
  ...ambiguous('path-mixed-percent', 'dots', (token) => `/open/%2E%2e/${token}`),
  ...outside('path-mixed-percent', 'letters of a blocked path', (token) => `/%6Fp%65n/s%65cret?${token}`),
  ...outside('path-slash-as-data', 'as a separator', (token) => `/open%2f${token}`),
  encodedSlashAsData,
];

const body = gzipSync('a request in disguise');
const withBody = (method: string, path: string, bytes: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(
      `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Encoding: gzip\r\nContent-Length: ${bytes.length}\r\n\r\n`,
    ),
    bytes,
  ]);

const requests: readonly Bypass[] = [
  ...['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'].flatMap((field) =>
    asked('path-method-override', field, ({ token }) => ({
      message: get(`/open/${token}`, host, `${field}: DELETE`),
      reasons: ['method'],
      status: 403,
    })),
  ),
  ...['X_HTTP_Method_Override: DELETE', 'X-Original-URL: /closed', 'X-Rewrite-Url: /closed'].flatMap(
    (field) =>
      asked('path-method-override', field, ({ token }) => ({
        message: get(`/open/${token}`, host, field),
        reasons: ['request-smuggling'],
        status: 400,
      })),
  ),
  ...asked('path-method-override', 'a write as a read', ({ token }) => ({
    message: `POST /open/${token} HTTP/1.1\r\nHost: ${host}\r\nX-HTTP-Method-Override: GET\r\nContent-Length: 0\r\n\r\n`,
    reasons: ['method'],
    status: 403,
  })),
  ...asked('path-encoded-body', 'on a read', ({ token }) => ({
    message: withBody('GET', `/open/${token}`, body),
    reasons: ['method'],
    status: 403,
  })),
  ...asked('path-encoded-body', 'larger than allowed', ({ token }) => ({
    message: withBody('POST', `/upload/${token}`, Buffer.concat([body, Buffer.alloc(2048)])),
    reasons: ['max-upload'],
    status: 413,
  })),
];

export const pathAttempts: readonly Bypass[] = [...paths, ...requests];
