// The only way into records and logs: text that a runner chose loses what may be a secret. Each function is linear
// in its input, bounded in length and never throws. What is taken out becomes `[redacted:<kind>]`.
//
// Thresholds. Looked at: runs of at least 20 token characters (the shortest public token format, AKIA…, has 20).
// A run is high-entropy when, UUIDs left out, its pieces of 6 and more letters and digits that change between
// upper case, lower case and digits at 18 % of their places or more (a capital before lower case does not count)
// hold 24 characters together, at 3 bits each or more (Shannon). Random base64 changes at 48 %, base36 at 40 %,
// base32 at 30 %; file names, package names and CamelCase stay below 15 %. Digests in lower-case hex of the usual
// lengths, whole or split after 2 or 4 digits, are names of content and stay. Not seen: letters of one case alone,
// and secrets cut into parts shorter than these.

import type { Evidence } from './evidence.ts';
import type { FlowAttribution, FlowDns, FlowHttp, FlowRecord, FlowStep } from './flow.ts';
import type { Job } from './job.ts';
import type { FlowLineage } from './lineage.ts';
import type { Operation, Touch } from './operation.ts';

const minRun = 20;
const minSecret = 24;
const minPiece = 6;
const maxText = 4096;
const digestLengths = new Set([38, 40, 56, 60, 62, 64, 96, 128]);

/** 1: part of a token run; 2: ends the plain case (query, fragment, userinfo). Everything else ends a run. */
const classes = new Uint8Array(128);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=%~') {
  classes[char.charCodeAt(0)] = 1;
}
for (const char of '?#@') classes[char.charCodeAt(0)] = 2;

/** True when nothing in the text can be a secret by its length or its punctuation: no pattern need be tried. */
function isPlain(text: string): boolean {
  let run = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const kind = code < 128 ? classes[code] : 0;
    if (kind === 1) {
      if (++run >= minRun) return false;
    } else if (kind === 2) return false;
    else run = 0;
  }
  return text.length <= maxText;
}

// Every quantifier is bounded or ends its pattern, and each pattern starts at the border of a word: linear time.
// Case is ignored, since names arrive in lower case.
const shapes: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ['private-key', /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[^]*/gi],
  ['github-token', /(?<![a-z0-9])(?:gh[pousr]_\w{16,}|github_pat_\w{16,})/gi],
  [
    'gitlab-token',
    /(?<![a-z0-9])(?:gl(?:pat|rt|rtr|dt|ptt|cbt|ft|soat|imt|wt|agent|oas|ffct)-|gr1348941)(?:[a-z0-9_]|[.-](?=[a-z0-9_])){16,}/gi,
  ],
  ['npm-token', /(?<![a-z0-9])npm_[a-z0-9]{20,}/gi],
  ['pypi-token', /(?<![a-z0-9])pypi-age[a-z0-9_-]{13,}/gi],
  ['aws-key', /(?<![a-z0-9])a(?:kia|sia|bia|cca)[a-z0-9]{16}(?![a-z0-9])/gi],
  [
    'hex-token',
    /(?<![a-z0-9])(?:do[opr]_v1_|sq[apu]_|pul-|bkua_|clojars_|packagist_[ou][ru]t_|rubygems_|shp(?:at|ca|pa|ss)_|dapi)[0-9a-f]{32,}/gi,
  ],
  [
    'hex-token',
    /(?<![a-z0-9])(?:sk[0-9a-f]{32}(?![a-z0-9])|pmak-[0-9a-f]{24}-[0-9a-f]{34}|nrak-[a-z0-9]{27}|oy2[a-z0-9]{43}(?![a-z0-9]))/gi,
  ],
  ['aws-session', /(?<![a-z0-9])(?:iqojb3jpz2lux2vj|fwogzxivyxdz)(?:[a-z0-9/+=]|%2[bf]|%3d){16,}/gi],
  ['azure-key', /(?<![a-z0-9])(?:account|sharedaccess)key=[a-z0-9+/%=]{16,}/gi],
  ['slack-token', /(?<![a-z0-9])(?:xox[a-z]|xapp)-[a-z0-9-]{10,}/gi],
  ['jwt', /(?<![a-z0-9_-])eyj[a-z0-9_-]{8,}\.[a-z0-9_-]{4,}(?:\.[a-z0-9_-]*)?/gi],
  [
    'api-key',
    /(?<![a-z0-9])(?:sk-(?=[a-z_-]{0,64}\d)[a-z0-9_-]{20,}|[sr]k_live_[a-z0-9]{16,}|aiza[a-z0-9_-]{30,})/gi,
  ],
];
const freeText: readonly (readonly [kind: string, pattern: RegExp, keep: string])[] = [
  [
    'header',
    /\b((?:proxy-)?authorization|(?:set-)?cookie|(?:private|job|runner)-token|x-api-key)\b[^\n]*/gi,
    '$1: ',
  ],
  ['credential', /\b(bearer|basic|remoteauth)\s+[^\s"',;]{4,}/gi, '$1 '],
  ['userinfo', /(:\/\/)[^/?#@\s]{1,2048}@/g, '$1'],
  ['query', /\?[^\s"'<>]+/g, '?'],
];

/** A host name, server name, method or other single word. */
export function redactName(text: string): string {
  return isPlain(text) ? text : redactRuns(shorten(text));
}

/** A path. What follows `?` or `#` is cut off, should it ever come this far. */
export function redactPath(path: string): string {
  if (isPlain(path)) return path;
  const end = path.search(/[?#]/);
  return redactRuns(withoutUserinfo(shorten(end < 0 ? path : path.slice(0, end))));
}

/** A name that interpreters put together of words they know: formats of tokens alone are looked for. */
function redactKnownName(text: string): string {
  if (isPlain(text)) return text;
  return shapes.reduce(
    (result, [kind, pattern]) => result.replace(pattern, `[redacted:${kind}]`),
    shorten(text),
  );
}

/** Free text for people (evidence, log messages), which may quote URLs and headers. */
export function redactText(text: string): string {
  let result = shorten(text);
  for (const [kind, pattern, keep] of freeText) {
    const mark = kind === 'userinfo' ? `[redacted:${kind}]@` : `[redacted:${kind}]`;
    result = result.replace(pattern, `${keep}${mark}`);
  }
  return redactRuns(result);
}

function withoutUserinfo(path: string): string {
  return path.includes('@') ? path.replace(/(\/\/)[^/@\s]{1,2048}@/g, '$1[redacted:userinfo]@') : path;
}

function shorten(text: string): string {
  return text.length <= maxText ? text : `${text.slice(0, maxText)}[cut]`;
}

function redactRuns(text: string): string {
  let result = text;
  for (const [kind, pattern] of shapes) result = result.replace(pattern, `[redacted:${kind}]`);
  return result.replace(/[A-Za-z0-9_+=%~-]{20,}/g, (run) =>
    isHighEntropy(run) ? '[redacted:entropy]' : run,
  );
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;

function isHighEntropy(run: string): boolean {
  const pieces = run.replace(uuid, '').split(/[^A-Za-z0-9]/);
  const random = pieces
    .filter((piece) => piece.length >= minPiece && !isDigest(piece) && changesOften(piece))
    .join('');
  return random.length >= minSecret && shannonBits(random) >= 3;
}

function isDigest(piece: string): boolean {
  return digestLengths.has(piece.length) && /^[0-9a-f]+$/.test(piece);
}

function changesOften(piece: string): boolean {
  let changes = 0;
  let last = letterClass(piece.charCodeAt(0));
  for (let i = 1; i < piece.length; i++) {
    const next = letterClass(piece.charCodeAt(i));
    if (next !== last && !(last === 1 && next === 2)) changes++;
    last = next;
  }
  return changes >= piece.length * 0.18;
}

function letterClass(code: number): 0 | 1 | 2 {
  return code < 58 ? 0 : code < 91 ? 1 : 2;
}

function shannonBits(text: string): number {
  const counts = new Uint16Array(128);
  for (let i = 0; i < text.length; i++) counts[text.charCodeAt(i)]!++;
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

const orNull = (text: string | null, redact: (text: string) => string) =>
  text === null ? null : redact(text);

/** A job without what may be a secret in a field that a workflow's author chose. */
export function redactJob(job: Job): Job {
  return {
    ...job,
    server: redactName(job.server),
    repository: orNull(job.repository, redactPath),
    workflow: orNull(job.workflow, redactPath),
    calledWorkflow: orNull(job.calledWorkflow, redactPath),
    ref: orNull(job.ref, redactPath),
    event: orNull(job.event, redactName),
    environment: orNull(job.environment, redactName),
    name: orNull(job.name, redactName),
    runnerGroup: orNull(job.runnerGroup, redactName),
    actor: orNull(job.actor, redactName),
  };
}

const redactHttp = (http: FlowHttp): FlowHttp => ({
  ...http,
  method: redactName(http.method),
  path: redactPath(http.path),
});
const redactDns = (dns: FlowDns): FlowDns => ({
  ...dns,
  type: redactName(dns.type),
  answers: dns.answers.map(redactName),
});
const redactEvidence = ({ kind, detail }: Evidence): Evidence => ({ kind, detail: redactText(detail) });

/** Every text of a touch is one that the request chose; kind, access and act are words of ours. */
function redactTouch(touch: Touch): Touch {
  const fields = Object.entries(touch).map(([key, value]: [string, unknown]) => {
    if (ownWords.has(key)) return [key, value];
    if (Array.isArray(value)) return [key, value.map((item) => redactPath(String(item)))];
    return [key, typeof value === 'string' ? redactPath(value) : value];
  });
  // The fields are the same ones, their strings still strings.
  return Object.fromEntries(fields) as Touch;
}
const ownWords: ReadonlySet<string> = new Set(['kind', 'access', 'act']);

const redactOperation = (operation: Operation): Operation => ({
  ...operation,
  server: redactName(operation.server),
  name: redactKnownName(operation.name),
  touches: operation.touches.map(redactTouch),
  detail: orNull(operation.detail, redactText),
});

/** Hashes and words of ours, but for the audience, which the request chose. */
export function redactLineage(lineage: FlowLineage): FlowLineage {
  const { audience } = lineage;
  return typeof audience === 'string' ? { ...lineage, audience: redactText(audience) } : lineage;
}

/** Ids of jobs are the platform's: server and number, or a name of a machine. */
export function redactAttribution(attribution: FlowAttribution): FlowAttribution {
  const { jobId } = attribution;
  return jobId === undefined ? attribution : { ...attribution, jobId: redactPath(jobId) };
}

/** A step without a name is called by the first line of its script. */
export function redactStep({ number, name }: FlowStep): FlowStep {
  return { number, name: redactText(name.length > maxStepName ? name.slice(0, maxStepName) : name) };
}
const maxStepName = 256;

/** The whole record, redacted: the same as what a segment holds of it. */
export function redactRecord(record: FlowRecord): FlowRecord {
  const { destination, process, operation, tls } = record;
  return {
    ...record,
    job: record.job && redactJob(record.job),
    attribution: redactAttribution(record.attribution),
    ...(record.step && { step: redactStep(record.step) }),
    process: process && { ...process, executable: orNull(process.executable, redactPath) },
    destination: { ...destination, host: orNull(destination.host, redactName) },
    operation: operation && redactOperation(operation),
    ...(record.lineage && { lineage: redactLineage(record.lineage) }),
    ...(record.minted && { minted: record.minted.map(redactLineage) }),
    http: record.http && redactHttp(record.http),
    dns: record.dns && redactDns(record.dns),
    tls: tls && {
      ...tls,
      serverName: orNull(tls.serverName, redactName),
      alpn: orNull(tls.alpn, redactName),
    },
    evidence: record.evidence.map(redactEvidence),
  };
}
