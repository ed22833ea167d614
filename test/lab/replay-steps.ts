// Steps of an incident as a shell script of real clients, and the record that tells what became of each.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FlowRecord } from '../../flow/flow.ts';
import type { ArrivedRequest } from '../../netns/web-server.ts';
import type { Naming } from './naming.ts';
import { npmHost, tokens, type Replay } from './replays.ts';

/** Lists of versions that clients ask before their files: ages are learnt from them. */
const lists = ['flatmap-stream', 'lodahs', 'crossenv-fork'];

/** Files of a package or folder that take these steps: `steal.sh` and what it reads. `work` is a clone to push from. */
export function scriptOf(
  replays: readonly Replay[],
  naming: Naming,
  work: string,
): Readonly<Record<string, string>> {
  const asked = lists.map((name) => ({ send: `GET https://${npmHost}/${name}` }));
  const transfers = [...asked, ...replays].filter(({ send }) => send.includes('://')).map(transferOf);
  const others = replays.filter(({ send }) => !send.includes('://')).map((replay) => commandOf(replay, work));
  const lines = ['curl -s -K steal.conf', ...others].map((line) => `${line} >/dev/null 2>&1`);
  return {
    'steal.conf': naming.of(transfers.join('next\n')),
    'steal.sh': naming.of(`${lines.join('\n')}\nexit 0\n`),
  };
}

/** Writes the files of `scriptOf` into a folder. */
export function writeScript(folder: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

/** One transfer in curl's configuration format. */
function transferOf({ send, as, header, body }: Pick<Replay, 'send' | 'as' | 'header' | 'body'>): string {
  const [method = '', url = ''] = send.split(' ');
  const options: [string, string][] = [
    ['url', url],
    ['request', method],
    ['output', '/dev/null'],
    ['max-time', '5'],
    ['user-agent', 'steps'],
  ];
  if (as !== undefined) options.push(['header', `authorization: Bearer ${tokens[as]}`]);
  if (header !== undefined) options.push(['header', header]);
  if (body !== undefined) options.push(['header', 'content-type: application/json'], ['data', body]);
  return options.map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`).join('');
}

function commandOf({ send, as }: Replay, work: string): string {
  const [verb = '', target = ''] = send.split(' ');
  const token = as === undefined ? '' : tokens[as];
  if (verb === 'ask') return `dig +short +tries=1 +time=2 ${target}`;
  return `${pushOf(work, target, token)} HEAD:refs/heads/from-${target.split('.')[0]}`;
}

/** `git push` to `HOST/REPOSITORY` with a token, without the refs. */
export function pushOf(work: string, repository: string, token: string): string {
  const basic = Buffer.from(`x-access-token:${token}`).toString('base64');
  return `git -C ${work} -c http.extraHeader='authorization: basic ${basic}' push -q https://${repository}.git`;
}

/** The closed record of a step among those of its runner. */
export function findStep(
  records: readonly FlowRecord[],
  replay: Replay,
  naming: Naming,
): FlowRecord | undefined {
  const [verb = '', target = ''] = naming.of(replay.send).split(' ');
  if (verb === 'push')
    return records.findLast(
      ({ operation, destination, http }) =>
        operation?.name.endsWith('/push') === true &&
        target === `${destination.host}/${target.slice(target.indexOf('/') + 1)}` &&
        isBelow(http?.path ?? '', `${target.slice(target.indexOf('/'))}.git`),
    );
  if (verb === 'ask') return findName(records, target);
  const url = new URL(target);
  if (url.port !== '') return findName(records, url.hostname);
  // A doubled slash of the runner's service is one.
  const path = url.pathname.replace('//', '/');
  const found = records.findLast(
    ({ kind, destination, http }) =>
      kind === 'request' &&
      (destination.host ?? destination.address) === url.hostname &&
      http?.method === verb &&
      isPath(http.path, path),
  );
  // What is aimed at an address may end before it is a request.
  return (
    found ??
    records.findLast(({ kind, destination }) => kind !== 'request' && destination.address === url.hostname)
  );
}

const isBelow = (recorded: string, path: string): boolean =>
  isPath(recorded.split('/').slice(0, path.split('/').length).join('/'), path);

/** As it is recorded: what looks like a secret is not. */
function isPath(recorded: string, path: string): boolean {
  const [left, right] = [recorded, path].map((text) => text.toLowerCase().split('/')) as [string[], string[]]; // two
  return (
    left.length === right.length &&
    left.every((segment, at) => segment === right[at] || segment.startsWith('[redacted'))
  );
}

const findName = (records: readonly FlowRecord[], name: string): FlowRecord | undefined =>
  records.findLast(({ kind, destination }) => kind === 'dns' && destination.host === name.toLowerCase());

/** The host that a step is for, or the name that it asks. */
export function hostOf({ send }: Replay, naming: Naming): string {
  const [verb, target = ''] = naming.of(send).split(' ');
  if (verb === 'push') return target.split('/')[0]!;
  return verb === 'ask' ? target : new URL(target).hostname;
}

/** True when a step arrived at a server, or its name at a resolver. */
export function findArrival(
  { send }: Replay,
  naming: Naming,
  arrived: readonly ArrivedRequest[],
  questionsFor: (name: string) => readonly string[],
): boolean {
  const [verb = '', target = ''] = naming.of(send).split(' ');
  if (verb === 'ask') return questionsFor(target).length > 0;
  if (verb === 'push')
    return arrived.some(({ host, target: path }) =>
      `${host}${path}`.startsWith(`${target}.git/git-receive-pack`),
    );
  const url = new URL(target);
  return arrived.some(
    (request) =>
      request.host === url.host && request.method === verb && request.target === url.pathname + url.search,
  );
}
