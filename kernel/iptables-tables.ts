// Reads and writes iptables' tables by the stock programs. Whatever is replaced is replaced within one commit of its
// table, hooks included, so that a reload never leaves a moment without rules.

import { spawnSync } from 'node:child_process';
import { SallyportError } from '../flow/errors.ts';
import type { Capability } from './harden.ts';
import { hookLines, type IptablesText, type PrintedTable } from './print-iptables.ts';
import type { Family } from './rule-model.ts';

/** Rules of one family as the kernel holds them: by table and chain, without `-A CHAIN`. */
export type HeldTables = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

const programs = { 4: 'iptables', 6: 'ip6tables' } as const;
const families: readonly Family[] = [4, 6];
const limitMs = 60_000;

/** Rights that the programs need; the extension that reads sets opens a raw socket. */
export const programRights: readonly Capability[] = ['NET_ADMIN', 'NET_RAW'];

/** Makes missing sets, replaces the lists, and puts all rules in force. @throws SallyportError kernel, missing-program */
export function applyIptables(text: IptablesText): void {
  runProgram('ipset', ['restore'], text.ipset);
  const restores = families.map((family) => {
    const held = readTables(family);
    return { family, texts: text.tables[family].map((table) => restoreText(table, held, text.prefix)) };
  });
  // One table after the other: all are tested before the first one is changed.
  for (const { family, texts } of restores) restore(family, ['--test'], texts.join(''));
  for (const { family, texts } of restores) restore(family, [], texts.join(''));
}

/** Removes everything of ours, the guard last; what is missing is no error. @throws SallyportError */
export function removeIptables(text: IptablesText): void {
  for (const family of families) {
    const held = readTables(family);
    for (const { table } of text.tables[family].toReversed()) {
      restore(family, [], removalText(table, held, text.prefix));
    }
  }
  // Sets are destroyed one by one: a set that is still in use elsewhere stays.
  for (const name of text.sets) spawnSync('ipset', ['destroy', name], { env, timeout: limitMs });
}

/** What the kernel holds of a family's tables. @throws SallyportError kernel, missing-program */
export function readTables(family: Family): HeldTables {
  const tables = new Map<string, Map<string, string[]>>();
  let chains = new Map<string, string[]>();
  for (const line of runProgram(`${programs[family]}-save`, []).split('\n')) {
    if (line.startsWith('*')) {
      chains = new Map();
      tables.set(line.slice(1), chains);
    } else if (line.startsWith(':')) chains.set(line.slice(1, line.indexOf(' ')), []);
    else if (line.startsWith('-A ')) {
      const end = line.indexOf(' ', 3);
      chains.get(line.slice(3, end))?.push(line.slice(end + 1));
    }
  }
  return tables;
}

/**
 * Our part of what the kernel holds, for comparison: the rules of our chains and the first rules of the chains that
 * lead to ours, by family, table and chain.
 */
export function ownPart(text: IptablesText, family: Family, held: HeldTables): Map<string, string> {
  const parts = new Map<string, string>();
  for (const { table, hooks } of text.tables[family]) {
    for (const [chain, rules] of held.get(table) ?? []) {
      if (chain.startsWith(text.prefix)) parts.set(`IPv${family} ${table} ${chain}`, rules.join('\n'));
    }
    for (const chain of new Set(hooks.map((hook) => hook.chain))) {
      const count = hooks.filter((hook) => hook.chain === chain).length;
      const first = held.get(table)?.get(chain)?.slice(0, count) ?? [];
      parts.set(`IPv${family} ${table} ${chain}`, first.join('\n'));
    }
  }
  return parts;
}

/** Whether as many rules stand in each of our chains, and the hooks first in theirs, as were printed. */
export function isAsPrinted(text: IptablesText, family: Family, held: HeldTables): boolean {
  return text.tables[family].every(({ table, chains, hooks }) => {
    const own = held.get(table);
    const isWhole = chains.every(({ name, lines }) => own?.get(name)?.length === lines.length);
    const count = [...(own?.keys() ?? [])].filter((name) => name.startsWith(text.prefix)).length;
    return isWhole && count === chains.length && areFirst(hooks, own);
  });
}

function areFirst(hooks: PrintedTable['hooks'], own: ReadonlyMap<string, readonly string[]> | undefined) {
  const wanted = Map.groupBy(hooks, ({ chain }) => chain);
  return [...wanted].every(([chain, list]) =>
    list.every(({ target }, index) => own?.get(chain)?.[index] === `-j ${target}`),
  );
}

// One table for the restore program: our chains filled anew, hooks put first where they are not, others of ours gone.
function restoreText(printed: PrintedTable, held: HeldTables, prefix: string): string {
  const { table, chains, hooks } = printed;
  const own = held.get(table);
  const names = new Set(chains.map(({ name }) => name));
  const obsolete = [...(own?.keys() ?? [])].filter((name) => name.startsWith(prefix) && !names.has(name));
  const lines = [
    `*${table}`,
    ...[...names, ...obsolete].map((name) => `:${name} - [0:0]`),
    ...chains.flatMap(({ name, lines }) => lines.map((line) => `-A ${name} ${line}`)),
    ...(areFirst(hooks, own) ? [] : [...unhookLines(own, prefix), ...hookLines(hooks)]),
    ...obsolete.map((name) => `-X ${name}`),
    'COMMIT',
  ];
  return `${lines.join('\n')}\n`;
}

function removalText(table: string, held: HeldTables, prefix: string): string {
  const own = held.get(table);
  const names = [...(own?.keys() ?? [])].filter((name) => name.startsWith(prefix));
  if (names.length === 0) return '';
  const lines = [
    `*${table}`,
    ...names.map((name) => `:${name} - [0:0]`),
    ...unhookLines(own, prefix),
    ...names.map((name) => `-X ${name}`),
    'COMMIT',
  ];
  return `${lines.join('\n')}\n`;
}

// Every jump to a chain of ours from one that is not, as often as it stands there.
function unhookLines(own: ReadonlyMap<string, readonly string[]> | undefined, prefix: string): string[] {
  return [...(own ?? [])]
    .filter(([chain]) => !chain.startsWith(prefix))
    .flatMap(([chain, rules]) =>
      rules.filter((rule) => rule.startsWith(`-j ${prefix}`)).map((rule) => `-D ${chain} ${rule}`),
    );
}

function restore(family: Family, flags: readonly string[], text: string): void {
  if (text !== '') runProgram(`${programs[family]}-restore`, ['-w', '10', '--noflush', ...flags], text);
}

// Root's own programs, whatever path the caller has.
const env = { PATH: '/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' };

function runProgram(program: string, args: readonly string[], input = ''): string {
  const options = { input, encoding: 'utf8', env, timeout: limitMs, maxBuffer: 256 * 1024 * 1024 } as const;
  const result = spawnSync(program, args, options);
  const failure: NodeJS.ErrnoException | undefined = result.error;
  if (failure?.code === 'ENOENT') {
    throw new SallyportError('missing-program', `${program} is missing; install iptables and ipset`, failure);
  }
  if (failure !== undefined || result.status !== 0) {
    const detail = failure?.message ?? result.stderr.trim().slice(0, 2000);
    throw new SallyportError('kernel', `${program}: ${detail}`, failure);
  }
  return result.stdout;
}
