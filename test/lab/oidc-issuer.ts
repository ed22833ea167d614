// A small OIDC issuer for tests: it speaks TLS with a certificate of its own authority, publishes its keys, and answers a
// code with whatever ID token the test puts behind it.

import { createSign, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { once } from 'node:events';
import { TestAuthority } from '../../netns/authority.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import type { Lab } from './lab.ts';

export const issuerHost = 'id.corp.test';

/** What the issuer was asked at its token endpoint. */
export interface AskedCode {
  readonly form: URLSearchParams;
  readonly authorization: string | undefined;
}

export interface StubIssuer {
  readonly issuer: string;
  readonly asked: AskedCode[];
  /** How often each path was asked for. */
  readonly counts: Map<string, number>;
  /** The ID token that the next code stands for. */
  idToken: string;
  /** Where the document of keys is; another place than its own to redirect to. */
  keysRedirect: string | null;
  readonly document: Record<string, unknown>;
  keys: object[];
  connect(host: string, port: number): Promise<TLSSocket>;
  close(): void;
}

export interface SigningKey {
  readonly kid: string;
  readonly algorithm: 'RS256' | 'ES256';
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** A key pair of the issuer. */
export function makeKey(kid: string, algorithm: 'RS256' | 'ES256'): SigningKey {
  const pair =
    algorithm === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { kid, algorithm, ...pair };
}

/** The key as the issuer publishes it. */
export function published({ kid, algorithm, publicKey }: SigningKey): object {
  return { ...publicKey.export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' };
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A signed token; `header` replaces fields of its header. */
export function signToken(key: SigningKey, claims: object, header: object = {}): string {
  const text = `${part({ alg: key.algorithm, kid: key.kid, typ: 'JWT', ...header })}.${part(claims)}`;
  const signature =
    key.algorithm === 'RS256'
      ? createSign('sha256').update(text).sign(key.privateKey)
      : sign('sha256', Buffer.from(text), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

/** A token whose last part is given. */
export function joinToken(
  header: object,
  claims: object,
  signature: string | ((text: string) => string),
): string {
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${typeof signature === 'string' ? signature : signature(text)}`;
}

/** Starts it on loopback; `connect` reaches it by its name over verified TLS. */
export async function startIssuer(): Promise<StubIssuer> {
  const authority = new TestAuthority('issuer of a test');
  const { certificate: cert, key } = authority.issue([issuerHost]);
  const asked: AskedCode[] = [];
  const counts = new Map<string, number>();
  const server = createServer({ cert, key });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // as: it listens on a port.
  const issuer = `https://${issuerHost}:${port}`;
  const stub: StubIssuer = {
    issuer,
    asked,
    counts,
    idToken: '',
    keysRedirect: null,
    document: {
      issuer,
      authorization_endpoint: `${issuer}/authorize?tenant=1`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/keys`,
    },
    keys: [],
    connect: async (host) => {
      const socket = connectTls({ port, host: '127.0.0.1', servername: host, ca: authority.certificate });
      await once(socket, 'secureConnect');
      return socket;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  server.on('request', async (request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    counts.set(path, (counts.get(path) ?? 0) + 1);
    let body = '';
    for await (const piece of request) body += String(piece);
    if (path === '/keys' && stub.keysRedirect !== null)
      return response.writeHead(302, { location: stub.keysRedirect }).end();
    if (path === '/token')
      asked.push({ form: new URLSearchParams(body), authorization: request.headers.authorization });
    const answers: Readonly<Record<string, object>> = {
      '/.well-known/openid-configuration': stub.document,
      '/keys': { keys: stub.keys },
      '/elsewhere': { keys: stub.keys },
      '/token': { access_token: 'a', token_type: 'Bearer', id_token: stub.idToken },
    };
    const answer = answers[path];
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
    return response.end(JSON.stringify(answer ?? {}));
  });
  return stub;
}

/** An issuer in a lab's internet; its token carries the nonce that it was told last. */
export class LabIssuer {
  readonly issuer = 'https://id.corp.example';
  nonce = '';
  /** Authorization and form of each question for a token. */
  readonly forms: string[] = [];
  readonly #key = makeKey('k', 'ES256');
  readonly #server: WebServer;

  constructor(lab: Lab) {
    const address = '93.184.216.85';
    const { internet } = lab.topology;
    runIpBatch(internet, [`addr add ${address}/32 dev lo`]);
    lab.origins.names.set(new URL(this.issuer).hostname, { a: [address] });
    this.#server = new WebServer({
      namespace: internet,
      addresses: [address],
      http: [],
      https: [443],
      authority: lab.origins.authority,
      answer: async (request, response) => {
        const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString(); // as: no encoding is set
        if (request.url === '/token') this.forms.push(`${request.headers.authorization} ${body}`);
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(this.#answers()[request.url ?? ''] ?? {}));
      },
    });
  }

  start(): Promise<void> {
    return this.#server.start();
  }

  close(): void {
    this.#server.close();
  }

  #answers(): Readonly<Record<string, object>> {
    const { issuer, nonce } = this;
    const iat = Math.floor(Date.now() / 1000);
    const claims = {
      iss: issuer,
      aud: 'sallyport',
      sub: 'dana',
      nonce,
      iat,
      exp: iat + 60,
      groups: ['platform'],
    };
    return {
      '/.well-known/openid-configuration': {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/keys`,
      },
      '/keys': { keys: [published(this.#key)] },
      '/token': { id_token: signToken(this.#key, claims) },
    };
  }
}
