// A flow record as one JSON line, redacted on the way. Written by hand, field by field: it runs before every dial,
// and what is not named here cannot enter a segment.

import type { Decision } from '../flow/decision.ts';
import type { Evidence } from '../flow/evidence.ts';
import type {
  Destination,
  FlowAttribution,
  FlowBytes,
  FlowDns,
  FlowHttp,
  FlowRecord,
  FlowStep,
  FlowTimings,
  FlowTls,
} from '../flow/flow.ts';
import type { Job } from '../flow/job.ts';
import {
  redactAttribution,
  redactJob,
  redactLineage,
  redactName,
  redactPath,
  redactRecord,
  redactStep,
  redactText,
} from '../flow/redact.ts';
import { RecurringText } from './recurring-text.ts';

const words = new RecurringText((text) => JSON.stringify(text));
const names = new RecurringText((text) => JSON.stringify(redactName(text)));
const quote = (text: string) => JSON.stringify(text);
const quoteOrNull = (text: string | null) => (text === null ? 'null' : words.of(text));
const nameOrNull = (text: string | null) => (text === null ? 'null' : names.of(text));

/** One line of JSON with its line end; equal, when parsed, to `redactRecord(record)`. */
export function serialiseRecord(record: FlowRecord): string {
  const { v, id, phase, kind, time } = record;
  return `{"v":${v},"id":"${id}${phaseText(phase, kind)}${time}",${sourceOf(record)}${outcomeText(record)}`;
}

function phaseText(phase: FlowRecord['phase'], kind: FlowRecord['kind']): string {
  if (kind !== 'request') return `","phase":"${phase}","kind":"${kind}","time":"`;
  return phase === 'opened'
    ? '","phase":"opened","kind":"request","time":"'
    : '","phase":"closed","kind":"request","time":"';
}

interface KnownSource {
  readonly record: FlowRecord;
  readonly text: string;
}
const maxSources = 256;
const sources = new Map<string, KnownSource>();

/** Requests of one connection have the same source: its text is made once for those that are under way. */
function sourceOf(record: FlowRecord): string {
  const { parent } = record;
  if (parent === null) return sourceText(record);
  const known = sources.get(parent);
  if (known !== undefined && isSameSource(known.record, record)) return known.text;
  const text = flat(sourceText(record));
  if (sources.size >= maxSources) sources.clear();
  sources.set(parent, { record, text });
  return text;
}

function isSameSource(a: FlowRecord, b: FlowRecord): boolean {
  return (
    a.parent === b.parent &&
    a.gateway === b.gateway &&
    a.fleet === b.fleet &&
    a.runner === b.runner &&
    a.job === b.job &&
    a.attribution.source === b.attribution.source &&
    a.attribution.certainty === b.attribution.certainty &&
    a.attribution.jobId === b.attribution.jobId &&
    a.attribution.conflict === b.attribution.conflict &&
    a.step === b.step &&
    a.infrastructure === b.infrastructure &&
    a.process === null &&
    b.process === null
  );
}

/** The fields of a line that say who makes the flow, up to the comma before `destination`. */
export function sourceText(record: FlowRecord): string {
  return (
    `"parent":${quoteOrNull(record.parent)},"gateway":${quote(record.gateway)},"fleet":${quote(record.fleet)},` +
    `"runner":${quote(record.runner)},"job":${jobText(record.job)},` +
    `"attribution":${attributionText(record.attribution)},${stepText(record.step)}` +
    (record.infrastructure === true ? '"infrastructure":true,' : '') +
    `"process":${record.process === null ? 'null' : JSON.stringify(redactRecord(record).process)},`
  );
}

function attributionText(attribution: FlowAttribution): string {
  const { source, certainty, jobId, conflict } = attribution;
  if (jobId !== undefined || conflict !== undefined) return JSON.stringify(redactAttribution(attribution));
  return `{"source":"${source}","certainty":"${certainty}"}`;
}

const stepTexts = new WeakMap<FlowStep, string>();

/** A step is written with each flow of its time: its text is made once. */
function stepText(step: FlowStep | undefined): string {
  if (step === undefined) return '';
  const known = stepTexts.get(step);
  if (known !== undefined) return known;
  const text = `"step":${JSON.stringify(redactStep(step))},`;
  stepTexts.set(step, text);
  return text;
}

/** The fields from `destination` on, and the end of the line. */
export function outcomeText(record: FlowRecord): string {
  const { operation } = record;
  return (
    `${destinationText(record.destination)},` +
    (operation === null
      ? '"operation":null,'
      : `"operation":${JSON.stringify(redactRecord(record).operation)},`) +
    lineageText(record) +
    `"http":${httpText(record.http)}${restText(record)}${decisionText(record.decision)},` +
    `"policyRevision":${quoteOrNull(record.policyRevision)},"bytes":${bytesText(record.bytes)},` +
    `"timings":${timingsText(record.timings)},"ended":${quoteOrNull(record.ended)}}\n`
  );
}

/** Nothing, for most requests. */
function lineageText({ lineage, minted }: FlowRecord): string {
  const own = lineage === undefined ? '' : `"lineage":${JSON.stringify(redactLineage(lineage))},`;
  return minted === undefined ? own : `${own}"minted":${JSON.stringify(minted.map(redactLineage))},`;
}

/** From `dns` to `evidence`: nothing, for most requests. */
function restText(record: FlowRecord): string {
  const { dns, tls, packet, evidence } = record;
  if (dns === null && tls === null && packet === null && evidence.length === 0)
    return ',"dns":null,"tls":null,"packet":null,"evidence":[],"decision":';
  return (
    `,"dns":${dnsText(dns)},"tls":${tlsText(tls)},` +
    `"packet":${packet === null ? 'null' : JSON.stringify(packet)},` +
    `"evidence":${evidenceText(evidence)},"decision":`
  );
}

/** A text that is joined from pieces is copied piece by piece each time that it is written: this one is whole. */
function flat(text: string): string {
  return Buffer.from(text).toString();
}

let lastDestination: Destination | null = null;
let lastDestinationText = '';

function destinationText(destination: Destination): string {
  const last = lastDestination;
  const { host, address, port, protocol } = destination;
  const isSame =
    last !== null &&
    last.host === host &&
    last.address === address &&
    last.port === port &&
    last.protocol === protocol;
  if (isSame) return lastDestinationText;
  lastDestination = destination;
  lastDestinationText = flat(
    `"destination":{"host":${nameOrNull(host)},"address":${quoteOrNull(address)},` +
      `"port":${port},"protocol":"${protocol}"}`,
  );
  return lastDestinationText;
}

let lastDecision: Decision | null = null;
let lastDecisionText = '';

/** Most records have the decision of the one before: opened and closed, and one request after another. */
function decisionText(decision: Decision): string {
  if (lastDecision !== null && isSameDecision(lastDecision, decision)) return lastDecisionText;
  const { verdict, enforced, mode, rule, scope, reason } = decision;
  lastDecision = decision;
  lastDecisionText = flat(
    `{"verdict":"${verdict}","enforced":${enforced},"mode":"${mode}",` +
      `"rule":${quoteOrNull(rule)},"scope":${quoteOrNull(scope)},"reason":"${reason}"}`,
  );
  return lastDecisionText;
}

function isSameDecision(a: Decision, b: Decision): boolean {
  return (
    a.rule === b.rule &&
    a.reason === b.reason &&
    a.verdict === b.verdict &&
    a.enforced === b.enforced &&
    a.mode === b.mode &&
    a.scope === b.scope
  );
}

const jobTexts = new WeakMap<Job, string>();

/** A job is written with each of its flows: its text is made once. */
function jobText(job: Job | null): string {
  if (job === null) return 'null';
  const known = jobTexts.get(job);
  if (known !== undefined) return known;
  const text = JSON.stringify(redactJob(job));
  jobTexts.set(job, text);
  return text;
}

function httpText(http: FlowHttp | null): string {
  if (http === null) return 'null';
  const method = names.of(http.method);
  return `{"method":${method},"path":${quote(redactPath(http.path))},"version":"${http.version}","status":${http.status}${webSocketText(http)}}`;
}

const webSocketText = ({ webSocket }: FlowHttp) =>
  webSocket === undefined ? '' : `,"webSocket":${JSON.stringify(webSocket)}`;

function dnsText(dns: FlowDns | null): string {
  if (dns === null) return 'null';
  const answers = dns.answers.length === 0 ? '[]' : JSON.stringify(dns.answers.map(redactName));
  const type = quote(redactName(dns.type));
  return `{"type":${type},"rcode":${quoteOrNull(dns.rcode)},"answers":${answers},"transport":"${dns.transport}","queries":${dns.queries}}`;
}

function tlsText(tls: FlowTls | null): string {
  if (tls === null) return 'null';
  return (
    `{"serverName":${nameOrNull(tls.serverName)},"alpn":${nameOrNull(tls.alpn)},` +
    `"version":${quoteOrNull(tls.version)},"treatment":${quoteOrNull(tls.treatment)}}`
  );
}

function evidenceText(evidence: readonly Evidence[]): string {
  if (evidence.length === 0) return '[]';
  return JSON.stringify(evidence.map(({ kind, detail }) => ({ kind, detail: redactText(detail) })));
}

function bytesText(bytes: FlowBytes | null): string {
  return bytes === null ? 'null' : `{"sent":${bytes.sent},"received":${bytes.received}}`;
}

function timingsText(timings: FlowTimings | null): string {
  if (timings === null) return 'null';
  const { resolveMs, connectMs, handshakeMs, firstByteMs, totalMs } = timings;
  const isWarm = resolveMs === null && connectMs === null && handshakeMs === null;
  const dialled = isWarm
    ? '{"resolveMs":null,"connectMs":null,"handshakeMs":null,"firstByteMs":'
    : `{"resolveMs":${resolveMs},"connectMs":${connectMs},"handshakeMs":${handshakeMs},"firstByteMs":`;
  return `${dialled}${firstByteMs},"totalMs":${totalMs}}`;
}
