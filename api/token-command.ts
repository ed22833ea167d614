// `sallyport token`: makes, lists and revokes tokens for the operator's API, through the running gateway of this machine.

import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { exitCodes, SallyportError } from '../flow/errors.ts';
import { isRole, roles } from './auth/role.ts';

const usage = `usage: sallyport token create --role viewer|operator|admin --label TEXT [--owner OWNER]... [--expires 90d]
       sallyport token list
       sallyport token revoke ID

Tokens for programs that ask the operator's API (docs/access.md). Works on the gateway that runs on this machine, as root.
  --role R        viewer reads; operator also quarantines; admin also reloads the policy, has tokens and the audit log
  --label TEXT    what it is for
  --owner OWNER   it sees jobs of this owner only; may stand several times (default: all)
  --expires TIME  how long it is valid, in minutes, hours or days: 30m, 12h, 90d (default: 90d)
  --reason TEXT   why, for the audit log (default: the command)
  --config FILE   sallyport.yaml of the gateway (default /etc/sallyport/sallyport.yaml)
  --state DIR     its state directory, if not the one that FILE names
  --json          print JSON
The token itself is printed once, by create, and kept nowhere.
Exit codes: 0 done, 1 there is no such valid token to revoke, 2 invalid input, 69 no gateway or no store answers.
`;

interface Io {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

/** Where a gateway is found. */
export interface GatewayPlace {
  readonly config?: string;
  readonly state?: string;
}

/** Sends one of the operator's actions to the gateway; answers what it answered. @throws SallyportError kernel, usage */
export type AskGateway = (place: GatewayPlace, path: string, body: object) => Promise<unknown>;

interface ListedToken {
  readonly id: string;
  readonly label: string;
  readonly role: string;
  readonly owners: readonly string[] | null;
  readonly state: string;
  readonly expires: string;
  readonly lastUsed: string | null;
}

const options = {
  role: { type: 'string' },
  label: { type: 'string' },
  owner: { type: 'string', multiple: true },
  expires: { type: 'string' },
  reason: { type: 'string' },
  config: { type: 'string' },
  state: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;
type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];

/** Answers the exit code. @throws SallyportError usage, kernel */
export async function runToken(args: readonly string[], io: Io, ask: AskGateway): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (values.help) {
    io.stdout.write(usage);
    return exitCodes.ok;
  }
  const [action, ...rest] = positionals;
  const send = (path: string, body: object): Promise<unknown> => ask(placeOf(values), path, body);
  if (action === 'create' && rest.length === 0) return create(values, io, send);
  if (action === 'list' && rest.length === 0) return list(values, io, send);
  if (action === 'revoke' && rest.length === 1) return revoke(rest[0]!, values, io, send);
  throw new SallyportError('usage', 'say create, list or revoke ID; --help explains');
}

type Send = (path: string, body: object) => Promise<unknown>;

async function create(values: Values, io: Io, send: Send): Promise<number> {
  const { role, label, owner: owners, expires = '90d' } = values;
  if (role === undefined || !isRole(role))
    throw new SallyportError('usage', `--role is one of ${roles.join(', ')}`);
  if (label === undefined || label.trim() === '')
    throw new SallyportError('usage', '--label says what the token is for');
  const lifetimeSeconds = readSeconds(expires);
  const reason = values.reason ?? `sallyport token create on ${hostname()}`;
  const asked = { role, label, ...(owners === undefined ? {} : { owners }), lifetimeSeconds, reason };
  // as: the gateway's own answer (api/token-actions.ts).
  const made = (await send('/v1/tokens/create', asked)) as ListedToken & { readonly token: string };
  if (values.json) io.stdout.write(`${JSON.stringify(made)}\n`);
  else {
    io.stderr.write(`token ${made.id}, ${made.role}, valid until ${made.expires}; it is shown this once\n`);
    io.stdout.write(`${made.token}\n`);
  }
  return exitCodes.ok;
}

async function list(values: Values, io: Io, send: Send): Promise<number> {
  // as: the gateway's own answer.
  const { items } = (await send('/v1/tokens/list', {})) as { readonly items: readonly ListedToken[] };
  if (values.json) io.stdout.write(`${JSON.stringify(items)}\n`);
  else {
    const rows = items.map(({ id, role, state, expires, lastUsed, owners, label }) => [
      id,
      role,
      state,
      expires,
      lastUsed ?? 'never',
      owners?.join(',') ?? 'all',
      label,
    ]);
    io.stdout.write(table([['ID', 'ROLE', 'STATE', 'EXPIRES', 'LAST USED', 'OWNERS', 'LABEL'], ...rows]));
  }
  return exitCodes.ok;
}

async function revoke(id: string, values: Values, io: Io, send: Send): Promise<number> {
  // A whole token is taken too: who finds one that leaked has nothing else.
  const named = /^(?:slp_)?([0-9a-f]{16})(?:_[A-Za-z0-9_-]{43})?$/.exec(id)?.[1];
  if (named === undefined)
    throw new SallyportError('usage', 'ID has 16 hexadecimal digits: see `token list`');
  const reason = values.reason ?? `sallyport token revoke on ${hostname()}`;
  // as: the gateway's own answer.
  const { revoked } = (await send('/v1/tokens/revoke', { id: named, reason })) as {
    readonly revoked: boolean;
  };
  if (values.json) io.stdout.write(`${JSON.stringify({ id: named, revoked })}\n`);
  else if (revoked) io.stdout.write(`${named} is revoked\n`);
  else io.stderr.write(`there is no token ${named} that was not revoked before\n`);
  return revoked ? exitCodes.ok : exitCodes.failed;
}

function placeOf({ config, state }: Values): GatewayPlace {
  return { ...(config === undefined ? {} : { config }), ...(state === undefined ? {} : { state }) };
}

const unitSeconds: Readonly<Record<string, number>> = { m: 60, h: 3_600, d: 86_400 };

function readSeconds(text: string): number {
  if (!/^[1-9][0-9]{0,4}[mhd]$/.test(text))
    throw new SallyportError('usage', `--expires ${text}: write it like 30m, 12h or 90d`);
  return Number(text.slice(0, -1)) * unitSeconds[text.at(-1)!]!;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
