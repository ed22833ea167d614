// An app of the operator's side with the real access in front, over a store in memory, a clock that the test sets and two
// sample routes; and requests whose headers are exactly those that the test writes.

import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { fastify, type FastifyInstance } from 'fastify';
import type { AccessStore } from '../../api/auth/access-port.ts';
import { tokensOnly, type AccessSettings } from '../../api/auth/access-settings.ts';
import { CachedAccess } from '../../api/auth/cached-access.ts';
import type { OidcLogin } from '../../api/auth/oidc/oidc-login.ts';
import { registerAccess, type AccessPorts } from '../../api/auth/register-access.ts';
import type { Role } from '../../api/auth/role.ts';
import { createToken } from '../../api/auth/token.ts';
import { createOperatorApi } from '../../api/operator-api.ts';
import { ProblemError, problems } from '../../api/problem.ts';
import { accessRoutes } from '../../api/routes/access-routes.ts';
import type { ApiRoute } from '../../api/routes/api-route.ts';
import { memoryAccess } from './memory-access.ts';

/** Where browsers find the app. */
export const origin = 'https://sallyport.test';

export interface AccessApp {
  readonly app: FastifyInstance;
  readonly store: ReturnType<typeof memoryAccess>;
  readonly ports: AccessPorts;
  /** What was logged, as JSON. */
  readonly log: string[];
  /** How often a sample write was done. */
  readonly done: { count: number };
  readonly port: number;
  /** Method and path of every route of the app, as Fastify has them. */
  readonly registered: readonly string[];
  nowMs: number;
  /** A token of this role. */
  token(role: Role, owners?: readonly string[] | null): Promise<string>;
  ask(
    method: string,
    path: string,
    headers?: readonly (readonly [string, string])[],
    body?: object,
  ): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** `code` of a problem, or ''. */
  readonly code: string;
  readonly cookies: readonly string[];
  readonly headers: NodeJS.Dict<string | string[]>;
}

export interface AppOptions {
  readonly settings?: Partial<AccessSettings>;
  readonly oidc?: (clock: () => number) => OidcLogin;
  /** What the app asks in place of its store. */
  readonly through?: (store: AccessStore) => AccessStore;
  readonly store?: ReturnType<typeof memoryAccess>;
  /** In place of the sample routes; those of access itself are given. */
  readonly routes?: (own: readonly ApiRoute[]) => readonly ApiRoute[];
}

const sampleRoutes = (done: { count: number }): readonly ApiRoute[] => [
  {
    rule: {
      method: 'GET',
      path: '/v1/things',
      role: 'viewer',
      owners: 'filtered',
      audited: false,
      rate: 'read',
    },
    id: 'listThings',
    summary: 'Things.',
    tag: 'sample',
    handle: async ({ actor }) => ({ owners: actor!.owners }),
  },
  {
    rule: {
      method: 'POST',
      path: '/v1/things/:name',
      role: 'operator',
      owners: 'everything',
      audited: true,
      rate: 'write',
    },
    id: 'changeThing',
    summary: 'Changes a thing.',
    tag: 'sample',
    handle: async ({ params }) => {
      if (params['name'] === 'broken') throw new Error('it broke');
      if (params['name'] === 'refused') throw new ProblemError('refused');
      done.count += 1;
      return { ok: true };
    },
  },
];

/** Starts the app on loopback; close it with `app.close()`. */
export async function openAccessApp(options: AppOptions = {}): Promise<AccessApp> {
  const store = options.store ?? memoryAccess();
  const log: string[] = [];
  const done = { count: 0 };
  const settings = { ...tokensOnly, origin, ...options.settings };
  const held = { nowMs: 1_800_000_000_000 };
  const clock = (): number => held.nowMs;
  const asked = options.through?.(store) ?? store;
  const cached = new CachedAccess({ store: asked, clock, onUntouched: (error) => log.push(String(error)) });
  const logged = {
    error: (details: object, message: string) => log.push(inspect([details, message], { depth: 9 })),
  };
  const ports: AccessPorts = { store: cached, settings, clock, log: logged };
  const own = accessRoutes(ports, options.oidc?.(clock) ?? null);
  const registered: string[] = [];
  const app = await appOf(options.routes?.(own) ?? [...own, ...sampleRoutes(done)], ports, registered);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo; // as: it listens on a port.
  return {
    app,
    store,
    ports,
    log,
    done,
    port,
    registered,
    get nowMs() {
      return held.nowMs;
    },
    set nowMs(value) {
      held.nowMs = value;
    },
    token: async (role, owners = null) => {
      const made = { label: 'test', role, owners, lifetimeMs: 86_400_000 };
      return (await createToken(store, made, clock())).text;
    },
    ask: (method, path, headers = [], body) => ask(port, method, path, headers, body),
  };
}

async function appOf(
  routes: readonly ApiRoute[],
  ports: AccessPorts,
  registered: string[],
): Promise<FastifyInstance> {
  const app = fastify();
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) registered.push(`${one} ${url}`);
  });
  await createOperatorApi(app, {
    routes,
    registerAccess: (instance, table) => registerAccess(instance, table, ports),
    version: '0.0.0',
    log: ports.log,
  });
  return app;
}

/** One request with exactly these headers; a body goes as JSON. */
export async function ask(
  port: number,
  method: string,
  path: string,
  headers: readonly (readonly [string, string])[],
  body?: object,
): Promise<Answer> {
  const text = body === undefined ? null : JSON.stringify(body);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const own: (readonly [string, string])[] =
    text === null
      ? [['content-length', '0']]
      : [
          ['content-type', 'application/json'],
          ['content-length', String(Buffer.byteLength(text))],
        ];
  const sent = request({
    host: '127.0.0.1',
    port,
    method,
    path,
    agent: false,
    headers: [['host', 'x'], ...headers, ...own].flat(),
  });
  sent.on('error', reject);
  sent.on('response', async (response) => {
    const parts: Buffer[] = [];
    for await (const part of response) parts.push(part as Buffer); // as: no encoding was set.
    const answer = Buffer.concat(parts).toString();
    const code = /"code":"([a-z-]+)"/.exec(answer)?.[1];
    resolve({
      status: response.statusCode ?? 0,
      body: answer,
      code: code !== undefined && code in problems ? code : '',
      cookies: response.headers['set-cookie'] ?? [],
      headers: response.headers,
    });
  });
  sent.end(text ?? undefined);
  return promise;
}

/** The header of a browser that has these cookies. */
export function cookieHeader(cookies: readonly string[]): readonly [string, string] {
  const pairs = cookies.map((cookie) => cookie.split(';', 1)[0]!).filter((pair) => !pair.endsWith('='));
  return ['cookie', pairs.join('; ')];
}
