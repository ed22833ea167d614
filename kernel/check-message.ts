// Reads the requests that children send to the keeper: every field typed, bounded and canonical, or refused.
// Pure: nothing here touches the kernel.

import { formatAddress, formatCidr, parseAddress, parseCidr } from '../flow/address.ts';
import { SallyportError } from '../flow/errors.ts';
import type { NetworkEntry, NetworkPlan, NetworkSide } from '../flow/network-plan.ts';
import type { Binding } from '../flow/ports.ts';

const maxBindings = 64;
const maxEntries = 100_000;
const maxRunners = 65_536;
/** A canonical name. */
export const hostShape = /^[a-z0-9._-]{1,253}$/;
const maxDayMs = 7 * 24 * 3600 * 1000;

/** @throws SallyportError kernel when it is no list of bindings */
export function readBindings(payload: Buffer): Binding[] {
  const list = arrayOf(parse(payload), maxBindings);
  return list.map((item) => {
    const value = record(item);
    return {
      runner: address(value['runner']),
      address: address(value['address']),
      protocol: oneOf(value['protocol'], ['tcp', 'udp'] as const),
      port: integer(value['port'], 1, 65_535),
      ttlMs: integer(value['ttlMs'], 1, maxDayMs),
      ...(value['host'] == null ? {} : { host: string(value['host'], hostShape) }),
    };
  });
}

/** @throws SallyportError kernel */
export function readAssignment(payload: Buffer): { host: string; runner: string } {
  const value = record(parse(payload));
  return { host: string(value['host'], hostShape), runner: address(value['runner']) };
}

/** @throws SallyportError kernel */
export function readAddress(payload: Buffer): string {
  return address(record(parse(payload))['address']);
}

/** @throws SallyportError kernel */
export function readRunner(payload: Buffer): string {
  return address(record(parse(payload))['runner']);
}

/** @throws SallyportError kernel */
export function readRunners(payload: Buffer): string[] {
  return arrayOf(record(parse(payload))['runners'], maxRunners).map(address);
}

/** @throws SallyportError kernel */
export function readQuarantine(payload: Buffer): { runner: string; durationMs: number } {
  const value = record(parse(payload));
  return { runner: address(value['runner']), durationMs: integer(value['durationMs'], 0, 365 * maxDayMs) };
}

/** @throws SallyportError kernel when a field of the plan is not what it must be */
export function readPlan(payload: Buffer): NetworkPlan {
  const value = record(parse(payload));
  const runners = Object.entries(record(value['runners']));
  if (runners.length > maxRunners) throw invalid('too many runners');
  return {
    revision: string(value['revision'], /^[0-9a-f]{0,64}$/),
    interceptedPorts: arrayOf(value['interceptedPorts'], 1000).map((port) => integer(port, 1, 65_535)),
    fleet: side(value['fleet']),
    runners: Object.fromEntries(
      runners.map(([runner, entry]) => [runner.includes('/') ? cidr(runner) : address(runner), side(entry)]),
    ),
    blocklist: arrayOf(value['blocklist'], maxEntries).map(cidr),
  };
}

function side(input: unknown): NetworkSide {
  const value = record(input);
  return {
    mode: oneOf(value['mode'], ['audit', 'block'] as const),
    allow: arrayOf(value['allow'], maxEntries).map(entry),
    block: arrayOf(value['block'], maxEntries).map(entry),
  };
}

function entry(input: unknown): NetworkEntry {
  const value = record(input);
  const inspect = value['inspect'];
  if (typeof inspect !== 'boolean') throw invalid('inspect is no boolean');
  return {
    to: cidr(value['to']),
    protocol: oneOf(value['protocol'], ['tcp', 'udp', 'icmp'] as const),
    ports: value['ports'] === null ? null : ports(value['ports']),
    rule: string(value['rule'], /^[^\0-\x1f\x7f"\\]{1,200}$/),
    inspect,
  };
}

function ports(input: unknown): [number, number] {
  const [from, to, ...rest] = arrayOf(input, 2);
  const range: [number, number] = [integer(from, 1, 65_535), integer(to, 1, 65_535)];
  if (rest.length > 0 || range[0] > range[1]) throw invalid('ports are no range');
  return range;
}

function parse(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'));
  } catch (error) {
    throw invalid('the payload is no JSON', error);
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('not an object');
  // Checked just above; the values stay unknown.
  return value as Readonly<Record<string, unknown>>;
}

function arrayOf(value: unknown, max: number): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid('not a list');
  if (value.length > max) throw invalid(`more than ${max} items`);
  return value;
}

function address(value: unknown): string {
  const bytes = typeof value === 'string' && value.length <= 45 ? parseAddress(value) : null;
  if (bytes === null) throw invalid('not an address');
  return formatAddress(bytes);
}

function cidr(value: unknown): string {
  const parsed = typeof value === 'string' && value.length <= 49 ? parseCidr(value) : null;
  if (parsed === null) throw invalid('not a network');
  return formatCidr(parsed);
}

function integer(value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw invalid(`not an integer from ${min} to ${max}`);
  }
  return value;
}

function string(value: unknown, shape: RegExp): string {
  if (typeof value !== 'string' || !shape.test(value)) throw invalid('not a string of the right shape');
  return value;
}

function oneOf<T extends string>(value: unknown, words: readonly T[]): T {
  const word = words.find((candidate) => candidate === value);
  if (word === undefined) throw invalid(`not one of ${words.join(', ')}`);
  return word;
}

function invalid(detail: string, cause?: unknown): SallyportError {
  return new SallyportError('kernel', `refused a request: ${detail}`, cause);
}
