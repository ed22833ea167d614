// The audit log: every write that was asked for, who asked, why, and what became of it.

import { auditOutcomes, type AuditQuestion } from '../auth/access-port.ts';
import type { AccessPorts } from '../auth/register-access.ts';
import { ProblemError } from '../problem.ts';
import { objectOf, orNull, type ApiRoute } from './api-route.ts';
import { orAway } from './token-routes.ts';

const text = (description: string, maxLength = 200) => ({ type: 'string', maxLength, description }) as const;
const time = (description: string) => ({ type: 'string', format: 'date-time', description }) as const;
const outcome = {
  type: 'string',
  enum: auditOutcomes,
  description: 'What became of it; `begun`: nobody said how it ended.',
} as const;
const cursorShape = /^[0-9a-f-]{36}$/;

const entrySchema = objectOf({
  id: text('Identifier; later ones are greater.'),
  time: time('When it was asked for.'),
  actor: text('Who: `user:NAME`, `oidc:NAME`, `proxy:NAME`, `token:ID`, `local:root`, or `nobody`.'),
  address: text('Where from.'),
  action: text('Method and path.'),
  target: text('What it was done to.', 500),
  reason: text('What for.', 500),
  outcome,
});

/** The route of the audit log. */
export function auditRoutes({ store }: AccessPorts): readonly ApiRoute[] {
  return [
    {
      rule: {
        method: 'GET',
        path: '/v1/audit',
        role: 'admin',
        owners: 'everything',
        audited: false,
        rate: 'read',
      },
      id: 'listAuditEntries',
      summary: 'Writes that were asked for, the newest first.',
      tag: 'access',
      query: {
        limit: {
          type: 'integer',
          minimum: 1,
          maximum: 1_000,
          default: 100,
          description: 'Entries of a page.',
        },
        cursor: text('`next` of the page before.'),
        actor: text('Only of this actor.'),
        action: text('Only of this action.'),
        outcome,
        from: time('Only from this time on.'),
        until: time('Only before this time.'),
      },
      answer: objectOf({
        items: { type: 'array', items: entrySchema },
        next: orNull(text('Cursor of the next page.')),
      }),
      handle: async ({ query }) => {
        const limit = Number(query['limit'] ?? 100);
        const found = await orAway(store.entries({ ...questionOf(query), limit: limit + 1 }));
        const items = found.slice(0, limit).map(({ atMs, ...entry }) => ({
          ...entry,
          time: new Date(atMs).toISOString(),
        }));
        return { items, next: found.length > limit ? (items.at(-1)?.id ?? null) : null };
      },
    },
  ];
}

function questionOf(query: Readonly<Record<string, unknown>>): Omit<AuditQuestion, 'limit'> {
  const words = Object.fromEntries(
    ['actor', 'action'].flatMap((name) => {
      const value = query[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
  const known = auditOutcomes.find((one) => one === query['outcome']);
  return {
    ...words,
    ...(known === undefined ? {} : { outcome: known }),
    ...cursorOf(query['cursor']),
    ...timeOf('fromMs', query['from']),
    ...timeOf('untilMs', query['until']),
  };
}

function cursorOf(value: unknown): Pick<AuditQuestion, 'beforeId'> {
  if (value === undefined) return {};
  if (typeof value !== 'string' || !cursorShape.test(value)) throw new ProblemError('invalid-cursor');
  return { beforeId: value };
}

function timeOf(name: 'fromMs' | 'untilMs', value: unknown): Pick<AuditQuestion, 'fromMs' | 'untilMs'> {
  if (value === undefined) return {};
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms))
    throw new ProblemError('invalid-query', 'a time is written like 2026-11-25T01:00:00Z');
  return { [name]: ms };
}
