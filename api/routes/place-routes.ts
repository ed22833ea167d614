// Where jobs run and who sees them: repositories, runners with how well their flows are known, gateways, and who runs
// where at this moment.

import { formatAddress, parseAddress, unmapAddress } from '../../flow/address.ts';
import type { LiveEntry, PublishedTable } from '../../jobs/live-table.ts';
import { instanceOf } from '../../jobs/live-table.ts';
import { listRoute } from '../answer-list.ts';
import { maySeeOwner, type Actor } from '../auth/role.ts';
import type { AskStore } from '../store-question.ts';
import { objectOf, orNull, type ApiRoute, type Fields } from './api-route.ts';
import { asked, count, flag, isoOrNull, isoTime, text, time, word } from './fields.ts';
import { jobFields, showJob } from './job-routes.ts';

/** Who runs where, as control knows it. */
export type LiveSide = () => Pick<PublishedTable, 'jobs' | 'recall' | 'managers' | 'conflicts'>;

const platforms = ['github', 'gitlab'] as const;
const search = { search: asked('A part of its name.', 255) };

const liveFields: Fields = {
  address: text('Address of the runner.'),
  state: word('`recalled`: known from before a restart, and not confirmed yet.', ['live', 'recalled']),
  source: text('How it is known.'),
  certainty: text('How surely.'),
  agent: orNull(text('Program that asked for the job.')),
  machine: orNull(text('One name for all addresses of its machine.')),
  since: time('Since when.'),
  until: time('Until when, unless it is renewed.'),
  instance: orNull(text('Server and the platform’s own id of the job.')),
  platform: word('Platform.', platforms),
  server: text('Host of the platform.'),
  repository: orNull(text('Repository or project.')),
  workflow: orNull(text('Workflow file.')),
  name: orNull(text('Job within it.')),
  runId: orNull(text('The platform’s id of the run.')),
  ref: orNull(text('Full ref.')),
};

function showEntry(entry: LiveEntry, state: 'live' | 'recalled'): object {
  const { address, source, certainty, agent, machine = null, sinceMs, untilMs, message } = entry;
  const { platform, server, repository, workflow, name, runId, ref } = message.job;
  const instance = instanceOf(message);
  const who = { address, state, source, certainty, agent, machine };
  return {
    ...who,
    since: isoTime(sinceMs),
    until: isoTime(untilMs),
    instance: instance === '' ? null : instance,
    platform,
    server,
    repository,
    workflow,
    name,
    runId,
    ref,
  };
}

/** Whether the entry's repository is one of the caller's owners. */
const maySee = (actor: Actor | null, { message }: LiveEntry): boolean =>
  actor !== null && maySeeOwner(actor, message.job.repository?.split('/', 1)[0] ?? null);

function liveRoute(live: LiveSide): ApiRoute {
  return {
    rule: {
      method: 'GET',
      path: '/v1/live',
      role: 'viewer',
      owners: 'filtered',
      audited: false,
      rate: 'read',
    },
    id: 'listLive',
    summary: 'Who runs where at this moment, as this gateway knows it.',
    tag: 'places',
    query: { address: asked('Address of a runner.', 45) },
    answer: objectOf({
      time: time('When this was so.'),
      items: { type: 'array', items: objectOf(liveFields) },
      managers: { type: 'array', items: text('Address whose runner starts its jobs elsewhere.') },
      conflicts: { type: 'array', items: text('Address that more than one job or program claims.') },
    }),
    handle: async ({ query, actor }) => {
      const table = live();
      const wanted = canonical(query['address']);
      const isWanted = (address: string) => wanted === null || address === wanted;
      const of = (entries: readonly LiveEntry[], state: 'live' | 'recalled') =>
        entries
          .filter((entry) => isWanted(entry.address) && maySee(actor, entry))
          .map((entry) => showEntry(entry, state));
      const isLimited = actor?.owners !== null;
      return {
        time: isoTime(Date.now()),
        items: [...of(table.jobs, 'live'), ...of(table.recall, 'recalled')],
        // An address belongs to no owner.
        managers: isLimited ? [] : table.managers.filter(isWanted),
        conflicts: isLimited ? [] : table.conflicts.filter(isWanted),
      };
    },
  };
}

function canonical(address: unknown): string | null {
  if (typeof address !== 'string') return null;
  const parsed = parseAddress(address);
  return parsed === null ? address : formatAddress(unmapAddress(parsed));
}

const runnerFields: Fields = {
  id: count('Number of the runner.'),
  fleet: text('Fleet.'),
  address: text('Address.'),
  platform: orNull(word('Platform of its last job.', platforms)),
  firstSeenAt: time('When it was first seen.'),
  lastSeenAt: time('When it was last seen.'),
  attributed: orNull(count('Flows whose job is known; null where only some owners’ are shown.')),
  unattributed: orNull(count('Flows whose job is not known.')),
  currentJob: orNull(text('What it runs now: server and the platform’s own id.')),
  currentRepository: orNull(text('Repository of that.')),
  lastJob: { ...objectOf(jobFields, 'The last job that was seen there.'), type: ['object', 'null'] },
};

function runnerRoute(ask: AskStore, live: LiveSide): ApiRoute {
  return listRoute({
    path: '/v1/runners',
    id: 'listRunners',
    summary: 'Runners, in the order in which they were met.',
    tag: 'places',
    filters: search,
    sorts: ['met'],
    item: runnerFields,
    find: async ({ query, actor }, { limit, cursor }) => {
      const owners = actor?.owners ?? null;
      const part = query['search'];
      const filter = { owners, ...(typeof part === 'string' ? { search: part } : {}) };
      const page = await ask('runners', filter, { limit, cursor });
      const ids = page.items.flatMap(({ lastJob }) => lastJob ?? []);
      const jobs = new Map((await ask('jobsOf', ids, owners)).map((job) => [job.id, job]));
      const entries = new Map(live().jobs.map((entry) => [entry.address, entry]));
      const items = page.items.map(({ firstMs, lastMs, lastJob, ...runner }) => {
        const entry = entries.get(runner.address);
        const current = entry !== undefined && maySee(actor, entry) ? entry : null;
        const last = lastJob === null ? undefined : jobs.get(lastJob);
        return {
          ...runner,
          // Of all owners together: a limited caller is not told what others did there.
          ...(owners === null ? {} : { attributed: null, unattributed: null }),
          platform: current?.message.job.platform ?? last?.platform ?? null,
          firstSeenAt: isoTime(firstMs),
          lastSeenAt: isoTime(lastMs),
          currentJob: current === null ? null : instanceOf(current.message) || null,
          currentRepository: current?.message.job.repository ?? null,
          lastJob: last === undefined ? null : showJob(last),
        };
      });
      return { items, next: page.next };
    },
  });
}

function repositoryRoute(ask: AskStore): ApiRoute {
  return listRoute({
    path: '/v1/repositories',
    id: 'listRepositories',
    summary: 'Repositories and projects, in the order in which they were met.',
    tag: 'places',
    filters: search,
    sorts: ['met'],
    item: {
      id: count('Number of the repository.'),
      platform: word('Platform.', platforms),
      server: text('Host of the platform.'),
      repository: text('Its name.'),
      platformId: orNull(text('The platform’s own number of it.')),
      jobs: count('Jobs that are known.'),
      lastAt: orNull(time('When one was last heard of.')),
    },
    find: async ({ query, actor }, { limit, cursor }) => {
      const part = query['search'];
      const filter = { owners: actor?.owners ?? null, ...(typeof part === 'string' ? { search: part } : {}) };
      const page = await ask('repositories', filter, { limit, cursor });
      const items = page.items.map(({ lastMs, ...rest }) => ({ ...rest, lastAt: isoOrNull(lastMs) }));
      return { items, next: page.next };
    },
  });
}

/** What a gateway says of itself. */
export interface GatewayHealth {
  readonly version: string;
  readonly policyRevision: string | null;
  readonly mode: string | null;
  /** What is not ready, or an empty list. */
  readonly problems: readonly string[];
  readonly workers: number;
  /** Of its segments, not in the store yet, or dropped before they could be; null: not known. */
  readonly backlogBytes: number | null;
  readonly lostBytes: number | null;
}

export interface GatewayNews extends GatewayHealth {
  readonly fleet: string;
  readonly gateway: string;
  readonly atMs: number;
}

/** What the gateways of the store told last. */
export type GatewaySide = () => Promise<readonly GatewayNews[]>;

const freshMs = 60_000;

const gatewayFields: Fields = {
  fleet: text('Fleet.'),
  name: text('Name.'),
  firstSeenAt: orNull(time('When a flow of it began first.')),
  lastFlowAt: orNull(time('When one did last.')),
  lastHeardAt: orNull(time('When it last said something of itself.')),
  version: orNull(text('Version of the program.')),
  policyRevision: orNull(text('Revision of the policy in force there.')),
  mode: orNull(text('Mode of that policy.')),
  workers: orNull(count('Processes that serve.')),
  backlogBytes: orNull(count('Bytes of records that are not in the store yet.')),
  lostBytes: orNull(count('Bytes of records that were lost before.')),
  isHealthy: flag('Heard of within a minute, and nothing is wrong.'),
  problems: { type: 'array', items: { type: 'string' }, description: 'What is wrong there.' },
};

function gatewayRoute(ask: AskStore, side: GatewaySide): ApiRoute {
  return {
    rule: {
      method: 'GET',
      path: '/v1/gateways',
      role: 'viewer',
      owners: 'everything',
      audited: false,
      rate: 'read',
    },
    id: 'listGateways',
    summary: 'Gateways, and what each said last of itself.',
    tag: 'places',
    answer: objectOf({ items: { type: 'array', items: objectOf(gatewayFields) } }),
    handle: async () => {
      const [known, told] = await Promise.all([ask('gateways'), side()]);
      const keyOf = (fleet: string, name: string) => JSON.stringify([fleet, name]);
      const seen = new Map(known.map((one) => [keyOf(one.fleet, one.name), one]));
      const news = new Map(told.map((one) => [keyOf(one.fleet, one.gateway), one]));
      const keys = [...new Set([...seen.keys(), ...news.keys()])].toSorted();
      return { items: keys.map((key) => showGateway(key, seen.get(key), news.get(key))) };
    },
  };
}

function showGateway(
  key: string,
  seen: { readonly firstMs: number; readonly lastMs: number } | undefined,
  news: GatewayNews | undefined,
): object {
  const [fleet, name] = JSON.parse(key) as [string, string]; // made of these two
  const isHeard = news !== undefined && Date.now() - news.atMs < freshMs;
  return {
    fleet,
    name,
    firstSeenAt: isoOrNull(seen?.firstMs),
    lastFlowAt: isoOrNull(seen?.lastMs),
    lastHeardAt: isoOrNull(news?.atMs),
    version: news?.version ?? null,
    policyRevision: news?.policyRevision ?? null,
    mode: news?.mode ?? null,
    workers: news?.workers ?? null,
    backlogBytes: news?.backlogBytes ?? null,
    lostBytes: news?.lostBytes ?? null,
    isHealthy: isHeard && news.problems.length === 0,
    problems: isHeard ? news.problems : ['it has not been heard of for a minute'],
  };
}

export function placeRoutes(ask: AskStore, live: LiveSide, gateways: GatewaySide): readonly ApiRoute[] {
  return [liveRoute(live), runnerRoute(ask, live), repositoryRoute(ask), gatewayRoute(ask, gateways)];
}
