// Cutting a runner off, and letting it in again.

import { formatAddress, parseAddress, unmapAddress } from '../../flow/address.ts';
import { SallyportError } from '../../flow/errors.ts';
import type { EventFeed } from '../event-feed.ts';
import { ProblemError } from '../problem.ts';
import { objectOf, orNull, type ApiRoute, type Schema } from './api-route.ts';
import { isoTime, text, time } from './fields.ts';

/** Through the keeper; `durationMs` 0 lifts it. Rejected when it refuses. */
export type Quarantine = (runner: string, durationMs: number, reason: string) => Promise<void>;

const body: Schema = {
  type: 'object',
  additionalProperties: false,
  required: ['runner', 'seconds'],
  properties: {
    runner: { type: 'string', minLength: 2, maxLength: 45, description: 'Address of the runner.' },
    seconds: { type: 'integer', minimum: 0, maximum: 31_536_000, description: 'How long; 0 lifts it.' },
    reason: { type: 'string', minLength: 1, maxLength: 500, description: 'Why, for the audit log.' },
  },
};

export function quarantineRoutes(quarantine: Quarantine, feed: EventFeed): readonly ApiRoute[] {
  return [
    {
      rule: {
        method: 'POST',
        path: '/v1/quarantine',
        role: 'operator',
        owners: 'everything',
        audited: true,
        rate: 'write',
        target: 'runner',
      },
      id: 'quarantine',
      summary: 'Cuts a runner off at once, open connections included; `seconds: 0` lets it in again.',
      tag: 'places',
      body,
      answer: objectOf({
        runner: text('Address of the runner.'),
        until: orNull(time('Until when; null: it is lifted.')),
      }),
      handle: async ({ body: asked, request, actor }) => {
        const { runner, seconds } = asked as { readonly runner: string; readonly seconds: number }; // checked above
        const address = parseAddress(runner);
        if (address === null) throw new ProblemError('invalid-body', 'runner is an address');
        const shown = formatAddress(unmapAddress(address));
        const reason = `${actor?.name ?? 'nobody'}: ${request.auditReason}`;
        try {
          await quarantine(shown, seconds * 1_000, reason);
        } catch (error) {
          if (!(error instanceof SallyportError)) throw error;
          throw new ProblemError('refused', error.message);
        }
        const until = seconds === 0 ? null : isoTime(Date.now() + seconds * 1_000);
        feed.publish('quarantine', { runner: shown, until }, null);
        return { runner: shown, until };
      },
    },
  ];
}
