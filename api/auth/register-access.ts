// Puts the rules of the routes into force: no route of the API is registered without one, and before its own code runs the
// caller was recognised, has the role, comes from our own page where a browser sends it, keeps to its rate, gives a reason
// for a write, and the write has its row.

import rateLimit from '@fastify/rate-limit';
import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';
import { LRUCache } from 'lru-cache';
import { SallyportError } from '../../flow/errors.ts';
import { ProblemError } from '../problem.ts';
import { isReason, refusalOfCaller, type Route, type RouteTable } from '../routes/route.ts';
import type { AccessStore } from './access-port.ts';
import type { AccessSettings } from './access-settings.ts';
import { AuditTrail, type AskedWrite, type AuditLog } from './audit-trail.ts';
import { isFromOwnPage, isOwnWrite, type WriteHeaders } from './login-cookie.ts';
import { createRates } from './rates.ts';
import { OpenAnswers } from './open-answers.ts';
import { Recognition, withoutTouching } from './recognise.ts';
import type { Actor } from './role.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; null on the routes that are for everybody. */
    actor: Actor | null;
    clientAddress: string;
    /** What an audit row names as its target, where only the route's own code can know it. */
    auditTarget: string | null;
    /** What a write is done for. */
    auditReason: string;
    /** The row that was begun, or null. */
    auditId: string | null;
  }
  interface FastifyContextConfig {
    rule?: Route;
  }
}

export interface AccessPorts {
  /** What rejects is away: nobody is let in then. */
  readonly store: AccessStore;
  readonly settings: AccessSettings;
  readonly log: AuditLog;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

/** What Prometheus and health checks ask, without a token: the listener's address is the guard there. */
const openPaths: ReadonlySet<string> = new Set(['/metrics', '/health', '/ready']);
const toldMs = 60_000;
const tooMany = 429;

/** Call it before any route is registered. From then on a route without a rule throws `internal`. */
export async function registerAccess(
  app: FastifyInstance,
  table: RouteTable,
  ports: AccessPorts,
): Promise<void> {
  app.decorateRequest('actor', null);
  app.decorateRequest('clientAddress', 'unknown');
  app.decorateRequest('auditTarget', null);
  app.decorateRequest('auditReason', '');
  app.decorateRequest('auditId', null);
  await app.register(rateLimit, { global: false });
  const access = new Access(app, ports);
  app.addHook('onRoute', (route) => giveRule(route, table));
  app.addHook('onRequest', (request, reply) => access.letIn(request, reply.raw));
  app.addHook('onClose', async () => access.open.close());
  app.addHook('preValidation', (request) => access.askReason(request));
  app.addHook('preHandler', (request) => access.begin(request));
  app.addHook('onSend', (request, reply) => access.end(request, reply.statusCode));
}

function giveRule(route: RouteOptions, table: RouteTable): void {
  if (openPaths.has(route.url)) return;
  const rules = [route.method]
    .flat()
    .map((method) => table.ruleOf(method === 'HEAD' ? 'GET' : method, route.url));
  const [rule] = rules;
  if (rule === undefined || rules.some((other) => other !== rule))
    throw new SallyportError('internal', `route ${String(route.method)} ${route.url} has several rules`);
  route.config = { ...route.config, rule };
}

/** The rule of the route that was found; null where none was, or it is open to everybody. */
function ruleOf(request: FastifyRequest): Route | null {
  if (request.is404 || openPaths.has(request.routeOptions.url ?? '')) return null;
  const { rule } = request.routeOptions.config;
  if (rule === undefined) throw new SallyportError('internal', 'a route without a rule was reached');
  return rule;
}

class Access {
  readonly #ports: AccessPorts;
  readonly #recognition: Recognition;
  readonly open: OpenAnswers;
  readonly #trail: AuditTrail;
  readonly #rates: ReturnType<typeof createRates>;
  /** Callers whose first refusal for too many writes has its row. */
  readonly #told = new LRUCache<string, number>({ max: 2_000 });
  #awayToldMs = -Infinity;

  constructor(app: FastifyInstance, ports: AccessPorts) {
    this.#ports = ports;
    this.#recognition = new Recognition(ports.store, ports.settings, ports.clock);
    const asks = withoutTouching(ports.store);
    this.open = new OpenAnswers(new Recognition(asks, ports.settings, ports.clock));
    this.#trail = new AuditTrail(ports.store, ports.clock, ports.log);
    this.#rates = createRates(app);
  }

  /** Before the body is read. @throws ProblemError */
  async letIn(request: FastifyRequest, response: ServerResponse): Promise<void> {
    const rule = ruleOf(request);
    if (rule === null) return;
    request.clientAddress = this.#recognition.addressOf(request.raw);
    if (rule.role !== null) request.actor = await this.#recognise(request);
    await this.#rates.take(request, rule.rate);
    const refusal = refusalOfCaller(rule, request.actor);
    if (refusal !== null) throw new ProblemError(refusal);
    this.#checkOwnPage(request, rule);
    if (request.actor !== null) this.open.add(request.raw, response, request.actor);
  }

  /** Before the body is checked against the route's schema. @throws ProblemError */
  async askReason(request: FastifyRequest): Promise<void> {
    const rule = ruleOf(request);
    if (rule === null || !rule.audited) return;
    const reason = rule.reason ?? reasonOf(request);
    if (!isReason(reason)) throw new ProblemError('reason-missing');
    request.auditReason = reason!.trim();
  }

  /** Before the route's own code. @throws ProblemError */
  async begin(request: FastifyRequest): Promise<void> {
    const rule = ruleOf(request);
    if (rule === null || !rule.audited) return;
    request.auditId = await this.#trail.begin(askedWrite(request, rule));
  }

  /** Before the answer goes out, whatever it is. Never rejects. */
  async end(request: FastifyRequest, status: number): Promise<void> {
    const rule = request.is404 ? undefined : request.routeOptions.config.rule;
    if (rule === undefined || !rule.audited) return;
    const write = askedWrite(request, rule);
    if (request.auditId !== null) {
      await this.#trail.end(request.auditId, outcomeOf(status), request.auditTarget ?? write.target);
    } else if (status >= 400 && status !== 503 && this.#isNews(request, status)) {
      await this.#trail.refuse(write);
    }
  }

  async #recognise(request: FastifyRequest): Promise<Actor> {
    const actor = await this.#recognition.actorOf(request.raw).catch((error: unknown) => {
      this.#tellAway(error);
      throw new ProblemError('store-away');
    });
    if (actor !== null) return actor;
    await this.#rates.take(request, 'unknown');
    throw new ProblemError('not-recognised');
  }

  /** Once a minute: whoever asks without being known could fill the log otherwise. */
  #tellAway(error: unknown): void {
    const nowMs = this.#ports.clock();
    if (Math.abs(nowMs - this.#awayToldMs) < toldMs) return;
    this.#awayToldMs = nowMs;
    this.#ports.log.error({ err: error }, 'the store does not say who somebody is: nobody is let in');
  }

  #checkOwnPage({ raw, actor }: FastifyRequest, rule: Route): void {
    if (rule.method === 'GET' || actor?.by === 'token') return;
    const { origin } = this.#ports.settings;
    const { headers } = raw;
    const asked: WriteHeaders = {
      cookie: headers.cookie,
      origin: headers.origin,
      fetchSite: textOf(headers['sec-fetch-site']),
      word: textOf(headers['x-sallyport-write']),
    };
    // At login there is no cookie yet, and so no word: a page of somebody else's must not log a browser in either.
    const isOurs = actor === null ? isFromOwnPage : isOwnWrite;
    // Without an origin there is no way to log in, which the route itself says.
    if (origin === null && actor === null) return;
    if (origin === null || !isOurs(asked, origin)) throw new ProblemError('write-word');
  }

  /** More writes than are answered have one row a minute, or the limit would be none. */
  #isNews(request: FastifyRequest, status: number): boolean {
    if (status !== tooMany) return true;
    const who = `${request.actor?.name ?? ''} ${request.clientAddress}`;
    const nowMs = this.#ports.clock();
    const last = this.#told.get(who);
    if (last !== undefined && nowMs - last < toldMs) return false;
    this.#told.set(who, nowMs);
    return true;
  }
}

function outcomeOf(status: number): 'done' | 'refused' | 'failed' {
  if (status < 400) return 'done';
  return status < 500 ? 'refused' : 'failed';
}

function askedWrite(request: FastifyRequest, rule: Route): AskedWrite {
  return {
    actor: request.actor?.name ?? 'nobody',
    address: request.clientAddress,
    action: `${rule.method} ${rule.path}`,
    target: targetOf(request, rule),
    reason: request.auditReason,
  };
}

function targetOf(request: FastifyRequest, rule: Route): string {
  const params = fieldsOf(request.params);
  if (rule.target === undefined) return Object.values(params).map(String).join('/');
  const found = params[rule.target] ?? fieldsOf(request.body)[rule.target];
  return typeof found === 'string' ? found : '';
}

function reasonOf(request: FastifyRequest): string | null {
  const header = textOf(request.headers['x-reason']);
  if (header !== undefined) return decoded(header);
  const { reason } = fieldsOf(request.body);
  return typeof reason === 'string' ? reason : null;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function textOf(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  // as: what JSON.parse gives for an object has string keys.
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
