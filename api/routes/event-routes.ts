// GET /v1/events: what happens, as server-sent events.

import { eventHeaders } from '../answer-headers.ts';
import type { EventFeed } from '../event-feed.ts';
import { ProblemError } from '../problem.ts';
import type { ApiRoute } from './api-route.ts';
import { asked } from './fields.ts';

const kinds = ['flow', 'job', 'policy', 'quarantine'] as const;

export function eventRoutes(feed: EventFeed): readonly ApiRoute[] {
  return [
    {
      rule: {
        method: 'GET',
        path: '/v1/events',
        role: 'viewer',
        owners: 'filtered',
        audited: false,
        rate: 'read',
      },
      id: 'listen',
      summary:
        'What happens at this gateway, as server-sent events: `flow`, `job`, `policy`, `quarantine`; `skipped` counts what was left out, `reset` says that what was missed is not known any more.',
      tag: 'events',
      query: {
        kinds: { ...asked(`Only these, joined by commas: ${kinds.join(', ')}.`, 100) },
        lastEventId: asked('The same as the header Last-Event-ID, which goes before it.', 64),
      },
      stream: 'text/event-stream',
      handle: async ({ actor, query, request, reply }) => {
        if (actor === null) throw new ProblemError('not-recognised');
        const wanted = query['kinds'] === undefined ? null : new Set(String(query['kinds']).split(','));
        const unknown = [...(wanted ?? [])].filter((kind) => !kinds.some((known) => known === kind));
        if (unknown.length > 0) throw new ProblemError('invalid-query', `kinds are ${kinds.join(', ')}`);
        if (request.method === 'HEAD') return reply.headers(eventHeaders).send();
        const header = request.headers['last-event-id'];
        const last = typeof header === 'string' ? header : (query['lastEventId'] ?? null);
        if (feed.isFullFor(actor)) throw new ProblemError('too-many-clients', '', { 'retry-after': '30' });
        reply.hijack();
        const response = reply.raw;
        response.writeHead(200, eventHeaders);
        feed.connect({ actor, kinds: wanted, response, last: last === null ? null : String(last) });
        return reply;
      },
    },
  ];
}
