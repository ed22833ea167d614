// Flows: the list of every attempt to reach something, and one of them with all that was recorded.

import { flowAccesses, flowCertainties, flowKinds, flowModes, flowProtocols } from '../../store/flow-row.ts';
import { flowSources, flowVerdicts } from '../../store/flow-row.ts';
import { readRunId } from '../../store/read-jobs.ts';
import type { FlowFilter, StoredFlow } from '../../store/read-store.ts';
import { listRoute } from '../answer-list.ts';
import { ProblemError } from '../problem.ts';
import type { AskStore } from '../store-question.ts';
import { objectOf, orNull, type ApiRoute, type Call, type Fields } from './api-route.ts';
import { asked, between, count, flag, isoOrNull, isoTime, number, pick, readBetween } from './fields.ts';
import { text, time, word } from './fields.ts';

const flowFields: Fields = {
  id: text('UUIDv7.'),
  kind: word('What it is.', flowKinds),
  time: time('When it began.'),
  endedAt: orNull(time('When it ended; null: it is open, or nobody could say.')),
  parent: orNull(text('Connection that carried a request.')),
  gateway: text('Gateway that saw it.'),
  runner: text('Address of the runner.'),
  job: orNull(count('Number of the job; null: none is known.')),
  repositoryId: orNull(count('Number of the job’s repository.')),
  repository: orNull(text('The job’s repository.')),
  source: orNull(word('How the job is known.', flowSources)),
  certainty: orNull(word('How surely.', flowCertainties)),
  conflict: flag('More than one claimed the address: the flow is nobody’s.'),
  infrastructure: flag('The runner program’s own.'),
  stepNumber: orNull(count('Number of the step that ran.')),
  step: orNull(text('Name of the step that ran.')),
  host: orNull(text('Host, where a name is known.')),
  address: orNull(text('Address that was aimed at or dialled.')),
  port: orNull(count('Port.')),
  protocol: word('What it spoke.', flowProtocols),
  verdict: word('What was decided; `would-block`: policy blocks it, and only audits.', flowVerdicts),
  mode: word('Mode of the policy.', flowModes),
  reason: text('Stable code of why.'),
  rule: orNull(text('Rule that decided.')),
  scope: orNull(text('Scope of that rule.')),
  revision: orNull(text('Revision of the policy.')),
  method: orNull(text('HTTP method.')),
  path: orNull(text('Path without its query.')),
  status: orNull(count('HTTP status of the answer.')),
  operation: orNull(text('What the request meant.')),
  access: orNull(word('What that takes.', flowAccesses)),
  sent: orNull(count('Bytes to the destination.')),
  received: orNull(count('Bytes from it.')),
  totalMs: orNull(count('How long it took, in milliseconds.')),
  attempts: orNull(count('Packets of a flow of packets.')),
  ended: orNull(text('Why it ended otherwise than its decision foresaw.')),
};

/** A flow as the API shows it. */
export function showFlow(flow: StoredFlow): object {
  const { openedMs, closedMs, isConflict, isInfrastructure, detail: _detail, ...rest } = flow;
  return {
    ...rest,
    time: isoTime(openedMs),
    endedAt: isoOrNull(closedMs),
    conflict: isConflict,
    infrastructure: isInfrastructure,
  };
}

const filters: Fields = {
  ...between,
  repository: number('Number of a repository.'),
  run: asked('Name of a run.', 300),
  job: number('Number of a job.'),
  host: asked('Whole name of a host.', 255),
  search: asked('A part of a host’s name.', 255),
  path: asked('A part of the path.', 1_000),
  address: asked('Address of the destination.', 45),
  runner: asked('Address of a runner.', 45),
  gateway: asked('Name of a gateway.'),
  verdict: word('Verdict.', flowVerdicts),
  kind: word('Kind.', flowKinds),
  method: asked('HTTP method.', 40),
  rule: asked('Rule that decided.'),
  reason: asked('Code of the reason.', 64),
  operation: asked('What the request meant.'),
  attributed: flag('Whether a job is known.'),
  infrastructure: flag('Whether it is the runner program’s own.'),
};

const sameNames = [
  ...(['repository', 'job', 'host', 'search', 'path', 'address', 'runner', 'gateway'] as const),
  ...(['verdict', 'kind', 'method', 'rule', 'reason', 'operation'] as const),
];

function readFilter({ query, actor }: Call): FlowFilter {
  const { attributed, infrastructure, run } = query;
  return {
    ...pick<FlowFilter>(query, sameNames),
    ...readBetween(query),
    ...(typeof attributed === 'boolean' ? { isAttributed: attributed } : {}),
    ...(typeof infrastructure === 'boolean' ? { isInfrastructure: infrastructure } : {}),
    ...(run === undefined ? {} : ofRun(String(run), query['job'])),
    owners: actor?.owners ?? null,
  };
}

/** A run without a number is its one job. @throws ProblemError invalid-query */
function ofRun(name: string, job: unknown): FlowFilter {
  const run = readRunId(name);
  if (run === null) throw new ProblemError('invalid-query', 'run is the id of one of /v1/runs');
  if ('repository' in run) return { run };
  if (job !== undefined && job !== run.job)
    throw new ProblemError('invalid-query', 'run and job name two different jobs');
  return { job: run.job };
}

const evidence = { type: 'array', items: { type: 'object', additionalProperties: true } } as const;
const open = { type: 'object', additionalProperties: true } as const;

export function flowRoutes(ask: AskStore): readonly ApiRoute[] {
  return [
    listRoute({
      path: '/v1/flows',
      id: 'listFlows',
      summary: 'Flows, the newest first.',
      tag: 'flows',
      rate: 'search',
      filters,
      sorts: ['-time', 'time'],
      item: flowFields,
      find: async (call, { limit, cursor, sort }) => {
        const page = await ask('flows', readFilter(call), { limit, cursor, isOldestFirst: sort === 'time' });
        return { items: page.items.map(showFlow), next: page.next };
      },
    }),
    {
      rule: {
        method: 'GET',
        path: '/v1/flows/:id',
        role: 'viewer',
        owners: 'filtered',
        audited: false,
        rate: 'read',
      },
      id: 'getFlow',
      summary: 'One flow with all that was recorded of it.',
      tag: 'flows',
      params: { id: asked('UUIDv7.', 36) },
      answer: objectOf({
        ...flowFields,
        detail: {
          type: ['object', 'null'],
          description: 'What only some flows have.',
          additionalProperties: true,
          properties: { evidence, dns: open, tls: open, timings: open, operation: open },
        },
      }),
      handle: async ({ params, actor }) => {
        const flow = await ask('flow', String(params['id']), actor?.owners ?? null);
        if (flow === null) throw new ProblemError('not-found');
        return { ...showFlow(flow), detail: flow.detail ?? null };
      },
    },
  ];
}
