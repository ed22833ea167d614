// Destinations: who goes where, when first, how much; hours: the sums that charts are made of.

import { flowKinds, flowVerdicts } from '../../store/flow-row.ts';
import type { DestinationFilter, StoredDestination } from '../../store/read-destinations.ts';
import { listRoute } from '../answer-list.ts';
import { ProblemError } from '../problem.ts';
import type { AskStore } from '../store-question.ts';
import { objectOf, orNull, type ApiRoute, type Call, type Fields, type Scalars } from './api-route.ts';
import { asked, between, count, dayOf, flag, isoOrNull, isoTime, number, readBetween } from './fields.ts';
import { text, time, totalFields, word } from './fields.ts';
import { jobFields, showJob } from './job-routes.ts';

const dayMs = 86_400_000;
const usualDays = 30;
const longestHours = 92;

const day = (description: string) => ({ type: 'string', format: 'date', description });

const destinationFields: Fields = {
  host: text('Host.'),
  firstDay: day('First day within the time asked for.'),
  lastDay: day('Last day within it.'),
  firstSeenAt: orNull(time('When any flow to it ended first, whenever that was.')),
  lastSeenAt: orNull(time('When one did last.')),
  workflowJobs: count('Jobs, as workflows define them, that ever went there.'),
  repositories: count('Their repositories.'),
  ...totalFields,
};

function showDestination({ firstSeenMs, lastSeenMs, ...rest }: StoredDestination): object {
  return { ...rest, firstSeenAt: isoOrNull(firstSeenMs), lastSeenAt: isoOrNull(lastSeenMs) };
}

const filters: Fields = {
  from: between['from']!,
  until: between['until']!,
  repository: number('Number of a repository.'),
  search: asked('A part of the host’s name.', 255),
  blocked: flag('Whether any flow to it was blocked.'),
};

/** Sums are by the day: of the last 30 unless told. */
function daysOf(query: Scalars): { readonly fromDay: string; readonly untilDay: string } {
  const { fromMs, untilMs } = readBetween(query);
  const lastMs = untilMs === undefined ? Date.now() + dayMs : untilMs - 1;
  return { fromDay: dayOf(fromMs ?? Math.max(0, lastMs - usualDays * dayMs)), untilDay: dayOf(lastMs) };
}

function readFilter({ query, actor }: Call): DestinationFilter {
  const { repository, search, blocked } = query;
  return {
    ...daysOf(query),
    ...(typeof repository === 'number' ? { repository } : {}),
    ...(typeof search === 'string' ? { name: search } : {}),
    ...(typeof blocked === 'boolean' ? { isBlocked: blocked } : {}),
    owners: actor?.owners ?? null,
  };
}

const sorts = { '-flows': 'flows', '-blocked': 'blocked', '-sent': 'sent', '-received': 'received' } as const;

const isSort = (text: string): text is keyof typeof sorts => Object.hasOwn(sorts, text);

export function destinationRoutes(ask: AskStore): readonly ApiRoute[] {
  return [
    listRoute({
      path: '/v1/destinations',
      id: 'listDestinations',
      summary: 'Hosts, those with the most flows first; in the order in which they were met by `sort=met`.',
      tag: 'flows',
      rate: 'search',
      filters,
      sorts: ['-flows', '-blocked', '-sent', '-received', 'met'],
      item: destinationFields,
      find: async (call, { limit, cursor, sort }) => {
        const order = isSort(sort) ? sorts[sort] : 'first';
        const page = await ask('destinations', readFilter(call), { limit, cursor, sort: order });
        return { items: page.items.map(showDestination), next: page.next };
      },
    }),
    {
      rule: {
        method: 'GET',
        path: '/v1/destinations/:host',
        role: 'viewer',
        owners: 'filtered',
        audited: false,
        rate: 'search',
      },
      id: 'getDestination',
      summary: 'One host, with the jobs that went there last.',
      tag: 'flows',
      params: { host: asked('Whole name of the host.', 255) },
      query: { from: filters['from']!, until: filters['until']!, repository: filters['repository']! },
      answer: objectOf({
        ...destinationFields,
        runs: count('Runs that ever went there.'),
        jobs: count('Their jobs.'),
        sampleJobs: { type: 'array', items: objectOf(jobFields), description: 'The last ten.' },
      }),
      handle: (call) => answerDestination(ask, call),
    },
    hourRoute(ask),
  ];
}

async function answerDestination(ask: AskStore, call: Call): Promise<object> {
  const host = String(call.params['host']).toLowerCase();
  const filter = readFilter(call);
  const { items } = await ask('destinations', { ...filter, host }, { limit: 1, cursor: null });
  const [found] = items;
  if (found === undefined) throw new ProblemError('not-found');
  const { last, ...counts } = await ask('visits', host, filter);
  const jobs = await ask('jobsOf', last, filter.owners ?? null);
  return { ...showDestination(found), ...counts, sampleJobs: jobs.map(showJob) };
}

function hourRoute(ask: AskStore): ApiRoute {
  return {
    rule: {
      method: 'GET',
      path: '/v1/hours',
      role: 'viewer',
      owners: 'filtered',
      audited: false,
      rate: 'search',
    },
    id: 'listHours',
    summary: 'Flows by the hour, kind and verdict, of the last day unless told.',
    tag: 'flows',
    query: { ...between, repository: number('Number of a repository.') },
    answer: objectOf({
      items: {
        type: 'array',
        items: objectOf({
          hour: time('Its beginning.'),
          kind: word('Kind.', flowKinds),
          verdict: word('Verdict.', flowVerdicts),
          flows: count('Flows that have ended.'),
          sent: count('Bytes to the destinations.'),
          received: count('Bytes from them.'),
        }),
      },
    }),
    handle: async ({ query, actor }) => {
      const { fromMs, untilMs = Date.now() } = readBetween(query);
      const firstMs = fromMs ?? untilMs - dayMs;
      if (untilMs - firstMs > longestHours * dayMs)
        throw new ProblemError('invalid-query', `at most ${longestHours} days at once`);
      const { repository } = query;
      const of = typeof repository === 'number' ? { repository } : {};
      const hours = await ask('hours', firstMs, untilMs, { ...of, owners: actor?.owners ?? null });
      return { items: hours.map(({ hourMs, ...rest }) => ({ ...rest, hour: isoTime(hourMs) })) };
    },
  };
}
