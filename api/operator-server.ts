// The operator's listener: metrics and health. Runners cannot reach it (kernel rules, loopback by default).

import type { Server } from 'node:http';
import { fastify } from 'fastify';
import { guardListener } from './guard-listener.ts';
import { createOperatorListener, type OperatorCertificate } from './operator-listener.ts';

export interface OperatorOptions {
  readonly fd: number;
  /** Null: plain HTTP. */
  readonly certificate?: OperatorCertificate | null;
  metrics(): Promise<string>;
  /** What is not ready, or an empty list. */
  problems(): readonly string[];
  /** How the fetched malware feed stands; null where there is none. */
  malwareFeed?(): object | null;
}

/** Serves /metrics, /health and /ready on an inherited listening socket. */
export async function startOperatorServer(options: OperatorOptions): Promise<Server> {
  const { promise, resolve } = Promise.withResolvers<Server>();
  const app = fastify({
    bodyLimit: 1024,
    serverFactory: (handle) => {
      const server = createOperatorListener(handle, options.certificate ?? null);
      guardListener(server, { connections: 64, connectionsPerAddress: 64, idleMs: 15_000 });
      resolve(server);
      return server;
    },
  });
  app.addHook('onSend', async (_, reply) => {
    reply.headers({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
    });
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
    return { ready: problems.length === 0, problems, ...(malwareFeed === null ? {} : { malwareFeed }) };
  });
  await app.ready();
  const server = await promise;
  server.listen({ fd: options.fd });
  return server;
}
