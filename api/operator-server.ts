// The operator's listener: metrics, health and the API. Runners cannot reach it (kernel rules, loopback by default).

import type { Server } from 'node:http';
import { fastify, type FastifyInstance } from 'fastify';
import { plainHeaders } from './answer-headers.ts';
import { answerUnread } from './answer-unread.ts';
import { guardListener } from './guard-listener.ts';
import { createOperatorListener, type OperatorCertificate } from './operator-listener.ts';
import { sendProblem } from './problem.ts';

export interface OperatorOptions {
  readonly fd: number;
  /** Null: plain HTTP. */
  readonly certificate?: OperatorCertificate | null;
  metrics(): Promise<string>;
  /** What is not ready, or an empty list. */
  problems(): readonly string[];
  /** How the fetched malware feed stands; null where there is none. */
  malwareFeed?(): object | null;
  /** How the store stands: the gateway serves without it. */
  store?(): object;
  /** Adds the API under /v1 (operator-api.ts). */
  addApi?(app: FastifyInstance): Promise<void>;
}

/** Serves /metrics, /health, /ready and the API on an inherited listening socket. */
export async function startOperatorServer(options: OperatorOptions): Promise<Server> {
  const { promise, resolve } = Promise.withResolvers<Server>();
  const app = fastify({
    bodyLimit: 1024,
    // A host in a path is as long as one may be.
    routerOptions: { maxParamLength: 300 },
    frameworkErrors: (_, __, reply) => void sendProblem(reply, 'malformed-request'),
    clientErrorHandler: answerUnread,
    serverFactory: (handle) => {
      const server = createOperatorListener(handle, options.certificate ?? null);
      guardListener(server, { connections: 256, connectionsPerAddress: 192, idleMs: 30_000 });
      resolve(server);
      return server;
    },
  });
  app.addHook('onSend', async (_, reply) => {
    reply.headers(plainHeaders);
  });
  app.get('/metrics', async (_, reply) => {
    reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8');
    return options.metrics();
  });
  app.get('/health', async () => ({ status: 'ok' }));
  app.get('/ready', async (_, reply) => {
    const problems = options.problems();
    if (problems.length > 0) reply.code(503);
    const malwareFeed = options.malwareFeed?.() ?? null;
    const store = options.store?.();
    const more = {
      ...(malwareFeed === null ? {} : { malwareFeed }),
      ...(store === undefined ? {} : { store }),
    };
    return { ready: problems.length === 0, problems, ...more };
  });
  await options.addApi?.(app);
  await app.ready();
  const server = await promise;
  server.listen({ fd: options.fd });
  return server;
}
