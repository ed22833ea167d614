// Tokens as root of the machine makes, lists and revokes them, on the operator's socket: the first token needs no token.
// Each change has its row in the audit log, or is not made.

import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AuditTrail } from './auth/audit-trail.ts';
import { askedTokenFields, issueToken, listTokens, type AskedToken } from './auth/issue-token.ts';
import type { AccessPorts } from './auth/register-access.ts';
import { SallyportError } from '../flow/errors.ts';
import { ProblemError } from './problem.ts';

/** Whoever may open the socket, in audit rows. */
export const rootActor = { actor: 'local:root', address: 'socket' } as const;
const reason = { type: 'string', minLength: 1, maxLength: 500 } as const;

/** What the socket of the operator's actions does about tokens. */
export function addTokenActions(app: FastifyInstance, ports: AccessPorts): void {
  const trail = new AuditTrail(ports.store, ports.clock, ports.log);
  const { store, settings, clock } = ports;
  const create = objectOf({ ...askedTokenFields, reason }, ['label', 'role', 'lifetimeSeconds', 'reason']);
  app.post<{ Body: AskedToken & { readonly reason: string } }>(
    '/v1/tokens/create',
    { schema: { body: create }, errorHandler: refuseBody },
    async ({ body }, reply) =>
      answer(reply, ports, async () => {
        const write = { ...rootActor, action: 'token create', target: '', reason: body.reason };
        const id = await trail.begin(write);
        try {
          const { text, token } = await issueToken(store, settings, body, clock());
          await trail.end(id, 'done', `token:${token.id}`);
          return { token: text, ...token };
        } catch (error) {
          await trail.end(id, error instanceof SallyportError ? 'refused' : 'failed', '');
          throw error;
        }
      }),
  );
  app.post('/v1/tokens/list', async (_, reply) =>
    answer(reply, ports, async () => ({ items: await listTokens(store, clock()) })),
  );
  const revoke = objectOf({ id: { type: 'string', pattern: '^[0-9a-f]{16}$' }, reason }, ['id', 'reason']);
  app.post<{ Body: { readonly id: string; readonly reason: string } }>(
    '/v1/tokens/revoke',
    { schema: { body: revoke }, errorHandler: refuseBody },
    async ({ body }, reply) =>
      answer(reply, ports, async () => {
        const target = `token:${body.id}`;
        const id = await trail.begin({ ...rootActor, action: 'token revoke', target, reason: body.reason });
        const isRevoked = await store.revokeToken(body.id, clock()).catch(async (error: unknown) => {
          await trail.end(id, 'failed', target);
          throw error;
        });
        await trail.end(id, isRevoked ? 'done' : 'refused', target);
        return { revoked: isRevoked };
      }),
  );
}

function objectOf(properties: object, required: readonly string[]) {
  return { type: 'object', additionalProperties: false, required, properties };
}

/** What was asked for is the caller's to put right. */
function refuseBody(error: FastifyError, _: FastifyRequest, reply: FastifyReply): void {
  void reply.code(error.validation === undefined ? 500 : 422).send({ error: error.message });
}

async function answer(
  reply: FastifyReply,
  { log }: AccessPorts,
  act: () => Promise<object>,
): Promise<FastifyReply> {
  try {
    return await reply.send(await act());
  } catch (error) {
    if (error instanceof SallyportError && error.code === 'usage')
      return reply.code(422).send({ error: error.message });
    if (!(error instanceof ProblemError)) log.error({ err: error }, 'the store does not answer about tokens');
    return reply.code(503).send({ error: 'the store does not answer: nothing was changed' });
  }
}
