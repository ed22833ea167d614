// Asks an action's repository which commits its branches and tags are at, and whether they lead to one: `ls-refs` and
// `fetch` of git's protocol, version 2 (git-scm.com/docs/protocol-v2). Of the history commits alone are fetched, no files.
// Requests for merging (refs/pull) are nobody's word and not asked for.

import type { OwnAnswer, SendOwn } from '../flow/action-facts.ts';
import { findCommits } from './read-pack.ts';

const maxRefsBytes = 4_194_304;
const maxPackBytes = 16_777_216;
const refsTimeMs = 10_000;
const packTimeMs = 20_000;
const maxWants = 4_096;
const prefixes = ['refs/heads/', 'refs/tags/'];

/** Whose refs, on which host. */
export interface RefsQuestion {
  readonly host: string;
  /** `owner/name`. */
  readonly repository: string;
  /** What the job was given to fetch the repository with, or null. */
  readonly token: string | null;
}

/** The commits of all branches and tags, tags unwrapped; a text says why nobody could tell. Never rejects. */
export async function askRefs(send: SendOwn, question: RefsQuestion): Promise<ReadonlySet<string> | string> {
  const wanted = ['peel\n', ...prefixes.map((prefix) => `ref-prefix ${prefix}\n`)];
  const answer = await post(send, question, command('ls-refs', wanted), refsLimits);
  const body = bodyOf(answer);
  if (typeof body === 'string') return body;
  return readRefs(body) ?? 'its repository answers with something else than refs';
}

/** Those of the wanted commits to which the tips lead; a text says why nobody could tell. Never rejects. */
export async function askHistory(
  send: SendOwn,
  question: RefsQuestion,
  tips: ReadonlySet<string>,
  wanted: ReadonlySet<string>,
): Promise<ReadonlySet<string> | string> {
  if (tips.size > maxWants) return `its repository has more than ${maxWants} branches and tags`;
  const lines = ['no-progress\n', 'filter tree:0\n', ...[...tips].map((tip) => `want ${tip}\n`), 'done\n'];
  const answer = await post(send, question, command('fetch', lines), packLimits);
  const body = bodyOf(answer);
  if (typeof body === 'string') return body;
  const pack = readPackSection(body);
  return pack === null ? 'its repository sends no history' : findCommits(pack, wanted);
}

interface AskLimits {
  readonly maxBytes: number;
  readonly timeMs: number;
}
const refsLimits: AskLimits = { maxBytes: maxRefsBytes, timeMs: refsTimeMs };
const packLimits: AskLimits = { maxBytes: maxPackBytes, timeMs: packTimeMs };

function post(
  send: SendOwn,
  { host, repository, token }: RefsQuestion,
  body: Buffer,
  limits: AskLimits,
): Promise<OwnAnswer> {
  const fields = {
    'git-protocol': 'version=2',
    'content-type': 'application/x-git-upload-pack-request',
    accept: 'application/x-git-upload-pack-result',
    ...(token === null ? {} : { authorization: `Basic ${basicOf(token)}` }),
  };
  const path = `/${repository}.git/git-upload-pack`;
  return send({ host, method: 'POST', path, fields, body, ...limits });
}

function bodyOf(answer: OwnAnswer): Buffer | string {
  if (answer.kind === 'failed') return answer.detail;
  return answer.status === 200 ? answer.body : `its repository answers ${answer.status}`;
}

const basicOf = (token: string): string => Buffer.from(`x-access-token:${token}`).toString('base64');

function command(name: string, lines: readonly string[]): Buffer {
  const head = [`command=${name}\n`, 'agent=sallyport\n'].map(pkt);
  return Buffer.from(`${head.join('')}0001${lines.map(pkt).join('')}0000`, 'latin1');
}

const pkt = (text: string): string => `${(text.length + 4).toString(16).padStart(4, '0')}${text}`;

const line =
  /^([0-9a-f]{40,64}) (refs\/[^ \n]{1,1000})(?: symref-target:[^ \n]+)?(?: peeled:([0-9a-f]{40,64}))?$/;

/** Commits of `{oid} {ref} [peeled:{oid}]` lines up to the flush; null where the bytes are none. Bounded by the answer. */
export function readRefs(bytes: Buffer): ReadonlySet<string> | null {
  const commits = new Set<string>();
  let at = 0;
  while (at + 4 <= bytes.length) {
    const digits = bytes.toString('latin1', at, at + 4);
    if (!/^[0-9a-f]{4}$/.test(digits)) return null;
    const size = Number.parseInt(digits, 16);
    if (size === 0) return at + 4 === bytes.length ? commits : null;
    if (size < 5 || at + size > bytes.length) return null;
    const match = line.exec(bytes.toString('utf8', at + 4, at + size).replace(/\n$/, ''));
    if (match === null) return null;
    if (prefixes.some((prefix) => match[2]!.startsWith(prefix))) commits.add(match[3] ?? match[1]!);
    at += size;
  }
  return null;
}

/** The pack of a `fetch` answer, out of its side band; null where there is none. */
export function readPackSection(bytes: Buffer): Buffer | null {
  const parts: Buffer[] = [];
  let [at, isPack] = [0, false];
  while (at + 4 <= bytes.length) {
    const digits = bytes.toString('latin1', at, at + 4);
    if (!/^[0-9a-f]{4}$/.test(digits)) return null;
    const size = Number.parseInt(digits, 16);
    if (size < 4) {
      at += 4;
      if (size === 0) break;
      continue;
    }
    if (at + size > bytes.length) return null;
    if (!isPack) isPack = bytes.toString('latin1', at + 4, at + size) === 'packfile\n';
    else if (bytes[at + 4] === 1) parts.push(bytes.subarray(at + 5, at + size));
    else if (bytes[at + 4] !== 2) return null;
    at += size;
  }
  return parts.length === 0 ? null : Buffer.concat(parts);
}
