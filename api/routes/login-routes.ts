// Logging in with a browser, by a password, an OIDC issuer or a proxy in front, and out again. Each login has a new cookie;
// what was wrong with one that was refused is told to nobody but the log.

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AccessPorts } from '../auth/register-access.ts';
import { grantOf, type Grant } from '../auth/access-settings.ts';
import { clearedCookie, endLogin, readCookie, startLogin, writeWordOf } from '../auth/login-cookie.ts';
import { LoginLimit } from '../auth/login-limit.ts';
import { checkPassword } from '../auth/password.ts';
import { Recognition } from '../auth/recognise.ts';
import type { Actor } from '../auth/role.ts';
import { ProblemError } from '../problem.ts';
import { objectOf, orNull, type ApiRoute, type Call } from './api-route.ts';
import type { Route } from './route.ts';
import { orAway } from './token-routes.ts';

const tag = 'access';
const open = { role: null, owners: 'none', rate: 'login' } as const;
const login: Omit<Route, 'method' | 'path'> = { ...open, audited: true, reason: 'login' };

const meSchema = objectOf({
  name: { type: 'string', description: 'The actor that audit rows name.' },
  role: { type: 'string', enum: ['viewer', 'operator', 'admin'], description: 'What the caller may.' },
  owners: orNull({ type: 'array', items: { type: 'string' }, description: 'Owners it sees; null: all.' }),
  by: { type: 'string', enum: ['token', 'cookie'], description: 'How it was recognised.' },
  writeWord: orNull({
    type: 'string',
    description: 'What a page sends as `x-sallyport-write` with every write; null with a token.',
  }),
});

/** The routes of logins that need no issuer. */
export function loginRoutes(ports: AccessPorts, desk: LoginDesk): readonly ApiRoute[] {
  const { settings } = ports;
  return [
    {
      rule: { method: 'GET', path: '/v1/login', ...open, audited: false },
      id: 'listLogins',
      summary: 'Which ways to log in there are.',
      tag,
      answer: objectOf({
        password: { type: 'boolean', description: 'With a name and a password.' },
        oidc: { type: 'boolean', description: 'By an OIDC issuer: open /v1/login/oidc.' },
        proxy: { type: 'boolean', description: 'As whom the proxy in front names in this very request.' },
      }),
      handle: async ({ request }) => ({
        password: settings.users.length > 0,
        oidc: settings.oidc !== null,
        proxy: desk.proxyActor(request) !== null,
      }),
    },
    {
      rule: { method: 'POST', path: '/v1/login', ...login },
      id: 'logIn',
      summary: 'Logs a browser in with a name and a password.',
      tag,
      body: objectOf({
        user: { type: 'string', minLength: 1, maxLength: 128, description: 'Name.' },
        password: { type: 'string', minLength: 1, maxLength: 1_024, description: 'Password.' },
      }),
      answer: meSchema,
      handle: (call) => desk.byPassword(call),
    },
    {
      rule: { method: 'POST', path: '/v1/login/proxy', ...login },
      id: 'logInByProxy',
      summary: 'Logs a browser in as whom the proxy in front names.',
      tag,
      answer: meSchema,
      handle: ({ request, reply }) => {
        const actor = desk.proxyActor(request);
        if (actor === null) throw new ProblemError('login-refused');
        return desk.logIn(actor, request, reply);
      },
    },
    ...routesOfLogins(ports),
  ];
}

function routesOfLogins({ store }: AccessPorts): readonly ApiRoute[] {
  return [
    {
      rule: {
        method: 'POST',
        path: '/v1/logout',
        role: 'viewer',
        owners: 'none',
        audited: true,
        rate: 'write',
        reason: 'logout',
      },
      id: 'logOut',
      summary: 'Ends the login that the cookie belongs to.',
      tag,
      answer: null,
      handle: async ({ request, reply }) => {
        await orAway(endLogin(store, request.headers.cookie));
        reply.header('set-cookie', clearedCookie);
      },
    },
    {
      rule: { method: 'GET', path: '/v1/me', role: 'viewer', owners: 'none', audited: false, rate: 'read' },
      id: 'whoAmI',
      summary: 'Who the caller is, and what it may.',
      tag,
      answer: meSchema,
      handle: async ({ actor, request }) => meOf(actor!, readCookie(request.headers.cookie)),
    },
  ];
}

/** Where logins are made. */
export class LoginDesk {
  readonly #ports: AccessPorts;
  readonly #recognition: Recognition;
  readonly #limit = new LoginLimit();

  constructor(ports: AccessPorts) {
    this.#ports = ports;
    this.#recognition = new Recognition(ports.store, ports.settings, ports.clock);
  }

  /** @throws ProblemError login-refused, login-limit, not-supported, store-away */
  async byPassword({ body, request, reply }: Call): Promise<object> {
    const { users } = this.#ports.settings;
    if (users.length === 0) throw new ProblemError('not-supported');
    // as: the body was checked by the route's schema.
    const { user, password } = body as { readonly user: string; readonly password: string };
    const nowMs = this.#ports.clock();
    const { clientAddress } = request;
    if (!this.#limit.mayTry(user, clientAddress, nowMs)) throw new ProblemError('login-limit');
    this.#limit.countTry(user, clientAddress, nowMs);
    const known = users.find(({ name }) => name === user);
    // A name that nobody has may be a password in the wrong field: it goes nowhere.
    request.auditTarget = known === undefined ? '' : `user:${known.name}`;
    const isRight = await checkPassword(password, known?.password ?? null);
    if (isRight === 'busy') throw new ProblemError('login-limit', '', { 'retry-after': '2' });
    if (!isRight || known === undefined) throw new ProblemError('login-refused');
    this.#limit.clearUser(user, clientAddress);
    return this.logIn(actorOf(`user:${known.name}`, known), request, reply);
  }

  /** The actor that a proxy in front names and the configuration knows, or null. */
  proxyActor(request: FastifyRequest): Actor | null {
    const name = this.#recognition.proxyUser(request.raw);
    const grant = name === null ? null : grantOf(this.#ports.settings.trustedHeader?.roles ?? [], [name]);
    return grant === null ? null : actorOf(`proxy:${name}`, grant);
  }

  /** Gives the browser a new cookie. @throws ProblemError store-away */
  async logIn(actor: Actor, request: FastifyRequest, reply: FastifyReply): Promise<object> {
    const { store, clock } = this.#ports;
    const { cookie: header } = request.headers;
    const started = await orAway(startLogin(store, actor, header, clock(), this.#recognition.checks));
    reply.header('set-cookie', started.setCookie);
    request.auditTarget = actor.name;
    return meOf(actor, started.cookie);
  }
}

/** Somebody who logs in with a browser. */
export function actorOf(name: string, { role, owners }: Grant): Actor {
  return { name, role, owners, by: 'cookie' };
}

function meOf({ name, role, owners, by }: Actor, cookie: string | null): object {
  const writeWord = by === 'cookie' && cookie !== null ? writeWordOf(cookie) : null;
  return { name, role, owners, by, writeWord };
}
