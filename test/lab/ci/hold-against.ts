// Holds what was recorded against what programs said: whose each flow was, at which step, and whether it was the
// runner's own.

import type { FlowRecord } from '../../../flow/flow.ts';
import { jobInstance } from '../../../flow/job-record.ts';
import type { Said, SaidFlow } from './said.ts';

/** One flow of which a program said whose it was, with everything that was recorded of it. */
export interface Compared {
  readonly said: SaidFlow;
  readonly records: readonly FlowRecord[];
  readonly verdict: 'right' | 'unknown' | 'wrong' | 'unrecorded';
}

/** `server` by the id of a job. */
export function compare(
  said: readonly Said[],
  records: readonly FlowRecord[],
  serverOf: (job: string) => string,
): Compared[] {
  const found = new Map<string, FlowRecord[]>();
  for (const record of records)
    for (const mark of marksOf(record)) {
      const known = found.get(mark);
      if (known === undefined) found.set(mark, [record]);
      else known.push(record);
    }
  const flows = said.filter((line): line is SaidFlow => line.said === 'flow');
  return flows.map((flow) => {
    const own = (found.get(flow.mark) ?? []).filter(
      ({ kind }) => (kind === 'packet') === (flow.kind === 'packet'),
    );
    return { said: flow, records: own, verdict: judge(flow, own, serverOf) };
  });
}

/** What may be the mark of a record: its path, the end of its path, the first label of its host, its port. */
function marksOf({ kind, http, destination }: FlowRecord): string[] {
  if (kind === 'packet') return destination.port === null ? [] : [String(destination.port)];
  const [label = '', ...rest] = (destination.host ?? '').split('.');
  const own = rest.join('.') === 'wild.example.com' ? [label] : [];
  if (http === null) return own;
  const last = /^\/m\/(\w+)$/.exec(http.path)?.[1];
  return [...own, ...(last === undefined || last === label ? [] : [last]), http.path];
}

function judge(
  { job, kind }: SaidFlow,
  records: readonly FlowRecord[],
  serverOf: (job: string) => string,
): Compared['verdict'] {
  const wanted = job === null ? undefined : jobInstance(serverOf(job), job);
  const ids = records.map(({ attribution }) => attribution.jobId);
  if (ids.some((id) => id !== undefined && id !== wanted)) return 'wrong';
  if (!records.some((record) => record.kind === kind && record.phase === 'closed')) return 'unrecorded';
  const last = records.findLast((record) => record.kind === kind && record.phase === 'closed');
  return last?.attribution.jobId === wanted ? 'right' : 'unknown';
}

/** Of those that are right, and sure to be: what is wrong of step or `infrastructure`, a line each. */
export function findWrongSteps(compared: readonly Compared[]): string[] {
  return compared
    .filter(({ verdict, said }) => verdict === 'right' && said.job !== null && said.unsure === undefined)
    .flatMap(({ said, records }) =>
      records
        .filter(({ kind, attribution }) => kind === 'request' && attribution.jobId !== undefined)
        .flatMap((record) => {
          const isOwn = record.infrastructure === true;
          const path = `${record.destination.host}${record.http?.path}`;
          if (said.infrastructure !== null && isOwn !== said.infrastructure)
            return [`${path} (${record.phase}): infrastructure is ${isOwn}`];
          const { step } = said;
          if (step === null || (record.step?.name === step.name && record.step.number === step.number))
            return [];
          return [
            `${path} (${record.phase}): step ${JSON.stringify(record.step)}, not ${JSON.stringify(step)}`,
          ];
        }),
    );
}

/** How many of each verdict. */
export function count(compared: readonly Compared[]): Record<Compared['verdict'], number> {
  const counts = { right: 0, unknown: 0, wrong: 0, unrecorded: 0 };
  for (const { verdict } of compared) counts[verdict]++;
  return counts;
}
