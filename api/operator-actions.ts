// The operator's side that changes things, on a socket in the state directory that root alone may open: runners and
// whoever may read metrics never reach it. Every action has a reason, which goes to the log.

import { createServer, type Server } from 'node:http';
import { fastify } from 'fastify';
import { AuditTrail } from './auth/audit-trail.ts';
import type { AccessPorts } from './auth/register-access.ts';
import { guardListener } from './guard-listener.ts';
import { addTokenActions, rootActor } from './token-actions.ts';

export interface OperatorActions {
  readonly fd: number;
  /** Cuts a runner off for `durationMs`; 0 lifts it. Rejected when the keeper refuses. */
  quarantine(runner: string, durationMs: number, reason: string): Promise<void>;
  /** Resolves when workers of the program as it lies on disk serve. Rejected when they do not: nothing has changed then. */
  upgrade(reason: string): Promise<void>;
  /** Nothing is written to the store for so long, so that its files can be copied; 0 ends that. */
  pauseStore?(seconds: number): Promise<void>;
  /** Tokens and the audit log; null where the gateway has no store. */
  readonly access: AccessPorts | null;
}

// An upgrade is answered when its workers serve.
const idleMs = 90_000;

const quarantineBody = {
  type: 'object',
  additionalProperties: false,
  required: ['runner', 'seconds', 'reason'],
  properties: {
    runner: { type: 'string', minLength: 2, maxLength: 45, description: 'Address of the runner.' },
    seconds: { type: 'integer', minimum: 0, maximum: 31_536_000, description: 'How long; 0 lifts it.' },
    reason: { type: 'string', minLength: 1, maxLength: 500, description: 'Why, for the log.' },
  },
} as const;

const upgradeBody = {
  type: 'object',
  additionalProperties: false,
  required: ['reason'],
  properties: { reason: quarantineBody.properties.reason },
} as const;

const pauseBody = {
  type: 'object',
  additionalProperties: false,
  required: ['seconds'],
  properties: {
    seconds: { type: 'integer', minimum: 0, maximum: 600, description: 'How long; 0 ends it.' },
  },
} as const;

interface QuarantineBody {
  readonly runner: string;
  readonly seconds: number;
  readonly reason: string;
}

/** Serves `POST /v1/quarantine`, `POST /v1/upgrade` and those of tokens on an inherited listening socket. */
export async function startOperatorActions(actions: OperatorActions): Promise<Server> {
  const { promise, resolve } = Promise.withResolvers<Server>();
  const app = fastify({
    bodyLimit: 4096,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    serverFactory: (handle) => {
      const server = createServer(
        { headersTimeout: 5000, requestTimeout: 10_000, maxHeaderSize: 8192 },
        handle,
      );
      guardListener(server, { connections: 16, connectionsPerAddress: 16, idleMs });
      resolve(server);
      return server;
    },
  });
  const record = recorder(actions.access);
  app.post<{ Body: QuarantineBody }>(
    '/v1/quarantine',
    { schema: { body: quarantineBody } },
    async ({ body }, reply) => {
      try {
        await record('quarantine', body.runner, body.reason, () =>
          actions.quarantine(body.runner, body.seconds * 1000, body.reason),
        );
      } catch (error) {
        return reply.code(400).send({ error: error instanceof Error ? error.message : String(error) });
      }
      return { runner: body.runner, seconds: body.seconds };
    },
  );
  app.post<{ Body: { readonly reason: string } }>(
    '/v1/upgrade',
    { schema: { body: upgradeBody } },
    async ({ body }, reply) => {
      try {
        await record('upgrade', '', body.reason, () => actions.upgrade(body.reason));
      } catch (error) {
        return reply.code(409).send({ error: error instanceof Error ? error.message : String(error) });
      }
      return { upgraded: true };
    },
  );
  app.post<{ Body: { readonly seconds: number } }>(
    '/v1/store/pause',
    { schema: { body: pauseBody } },
    async ({ body }, reply) => {
      try {
        await actions.pauseStore?.(body.seconds);
      } catch (error) {
        return reply.code(409).send({ error: error instanceof Error ? error.message : String(error) });
      }
      return { seconds: body.seconds };
    },
  );
  if (actions.access !== null) addTokenActions(app, actions.access);
  await app.ready();
  const server = await promise;
  server.listen({ fd: actions.fd });
  return server;
}

/** Gives each action its row in the audit log, where there is one. */
function recorder(access: AccessPorts | null) {
  const trail = access === null ? null : new AuditTrail(access.store, access.clock, access.log);
  return (action: string, target: string, reason: string, act: () => Promise<void>): Promise<void> =>
    trail === null ? act() : trail.record({ ...rootActor, action, target, reason }, act);
}
