// `sallyport export`: the flows of a time range as JSON lines or CSV, page by page and never all at once.

import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { exitCodes, SallyportError } from '../flow/errors.ts';
import { flowKinds } from '../store/flow-row.ts';
import type { OpenedStore } from '../store/opened-store.ts';
import { StoreReader, type StoredFlow } from '../store/read-store.ts';
import { escapeHidden } from './send-answer.ts';
import { writeCsv } from './write-csv.ts';

const usage = `usage: sallyport export [--from TIME] [--to TIME] [--format jsonl|csv] [--kind KIND]... [--config FILE]

Prints flows of the store that began from TIME on and before TIME, the oldest first.
  --from TIME     as 2026-11-24 or 2026-11-24T08:00:00Z, UTC (default: the oldest)
  --to TIME       the same (default: now)
  --format F      jsonl (default): one JSON object a line; csv (RFC 4180): fields that a spreadsheet would compute are text
  --kind KIND     dns, connection, request or packet; may stand several times (default: all)
  --config FILE   sallyport.yaml of the gateway (default /etc/sallyport/sallyport.yaml)
  --json          the same as --format jsonl
Exit codes: 0 done, 2 invalid input, 69 the store is away, 70 our own error.
`;
const pageSize = 1_000;

/** Columns of the CSV, in order; JSON lines have these and what is known of one flow alone. */
const columns = [
  ...([
    'id',
    'kind',
    'opened',
    'closed',
    'parent',
    'gateway',
    'runner',
    'job',
    'host',
    'address',
    'port',
  ] as const),
  ...([
    'protocol',
    'verdict',
    'mode',
    'reason',
    'rule',
    'scope',
    'revision',
    'method',
    'path',
    'status',
  ] as const),
  ...(['operation', 'access', 'sent', 'received', 'totalMs', 'attempts', 'ended'] as const),
];

interface Io {
  readonly stdout: NodeJS.WritableStream;
}

/** Opens the store that a configuration names, for reading. */
export type OpenForExport = (
  config: string | undefined,
) => Promise<Pick<OpenedStore, 'reader' | 'flows' | 'close'>>;

/** Runs `sallyport export`. */
export async function runExport(args: readonly string[], io: Io, open: OpenForExport): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      from: { type: 'string' },
      to: { type: 'string' },
      format: { type: 'string' },
      kind: { type: 'string', multiple: true },
      config: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    io.stdout.write(usage);
    return exitCodes.ok;
  }
  const format = values.format ?? 'jsonl';
  if (format !== 'jsonl' && format !== 'csv')
    throw new SallyportError('usage', `"${format}" is no format: jsonl or csv`);
  const kinds = new Set((values.kind ?? flowKinds).flatMap((text) => text.split(',')));
  const odd = [...kinds].find((kind) => !flowKinds.some((known) => known === kind));
  if (odd !== undefined) throw new SallyportError('usage', `"${odd}" is no kind: ${flowKinds.join(', ')}`);
  const range = { fromMs: timeOf(values.from, 'from') ?? 0, untilMs: timeOf(values.to, 'to') ?? Date.now() };
  const store = await open(values.config);
  try {
    await write(new StoreReader(store.reader, store.flows), range, kinds, format, io.stdout);
  } finally {
    await store.close();
  }
  return exitCodes.ok;
}

function timeOf(text: string | undefined, name: string): number | null {
  if (text === undefined) return null;
  const isTime = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?Z)?$/.test(text);
  const ms = isTime ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms))
    throw new SallyportError(
      'usage',
      `--${name} "${text}" is no time: write 2026-11-24 or 2026-11-24T08:00:00Z`,
    );
  return ms;
}

async function write(
  reader: StoreReader,
  range: { readonly fromMs: number; readonly untilMs: number },
  kinds: ReadonlySet<string>,
  format: 'jsonl' | 'csv',
  output: NodeJS.WritableStream,
): Promise<void> {
  let cursor: string | null = null;
  let isFirst = true;
  do {
    const request = { limit: pageSize, cursor, isOldestFirst: true, withDetail: format === 'jsonl' };
    const page: Awaited<ReturnType<StoreReader['flows']>> = await reader.flows(range, request);
    const items = page.items.filter(({ kind }) => kinds.has(kind)).map(shown);
    const lines = format === 'csv' ? csvOf(items, isFirst) : items.map(lineOf).join('');
    isFirst = false;
    if (lines !== '' && !output.write(lines)) await once(output, 'drain');
    cursor = page.next;
  } while (cursor !== null);
}

function csvOf(items: readonly object[], isFirst: boolean): string {
  const text = writeCsv(columns, items);
  return isFirst ? text : text.slice(text.indexOf('\r\n') + 2);
}

const lineOf = (item: object): string => `${escapeHidden(JSON.stringify(item))}\n`;

const shown = ({ openedMs, closedMs, ...flow }: StoredFlow) => ({
  ...flow,
  opened: new Date(openedMs).toISOString(),
  closed: closedMs === null ? null : new Date(closedMs).toISOString(),
});
