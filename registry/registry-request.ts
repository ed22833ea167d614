// A request as the readers of each ecosystem see it, and what they make of it: small builders that keep each reader a
// table. What a reader cannot place is `unknown`: a read or a write by its method, of a package that is not known.

import type { AnswerRewrite, AskedRequest } from '../flow/asked-request.ts';
import type { HoldLimits, Held } from '../flow/held.ts';
import type { Access, Ecosystem, Sureness, Touch } from '../flow/operation.ts';
import type { OpenStream } from './answer-reader.ts';
import type { AwaitedConfigs } from './learn-oci.ts';
import type { PackageTimes, TimeClass } from './times.ts';

export interface RegistryRequest {
  readonly ecosystem: Ecosystem;
  /** The registry as users name it, or the host. */
  readonly registry: string;
  /** Of a registry that many share, the path that is one's own; undefined of any other. */
  readonly part: string | undefined;
  readonly method: string;
  /** GET and HEAD without a body. */
  readonly isRead: boolean;
  /** Below the prefix, with a slash in front, as it came; `%2F` is still encoded. */
  readonly path: string;
  /** Of the path, decoded each by itself; an encoded slash is a slash here. The last is empty behind a slash. */
  readonly segments: readonly string[];
  readonly asked: AskedRequest;
  /** Where what answers tell is kept; null where nobody asked for it. */
  readonly learning: Learning | null;
}

/** Times that answers tell, and who tells them. */
export interface Learning {
  readonly times: PackageTimes;
  readonly timeClass: TimeClass;
  /** The registry with its part: under that what is learnt is kept. */
  readonly registry: string;
  readonly awaited: AwaitedConfigs;
}

/** What a request means, before it becomes an operation. */
export interface Meaning {
  /** `npm/install`, `oci/push`. */
  readonly name: string;
  readonly touches: readonly Touch[];
  readonly sureness: Sureness;
  readonly detail: string | null;
  readonly hold?: HoldLimits & { withBody(body: Held): Meaning };
  /** Reads the body of a successful answer as it passes. */
  readonly answer?: OpenStream;
  readonly rewrite?: AnswerRewrite;
  /** Set when the whole answer tells what the request means: `read` answers in place of this before it goes on. */
  readonly review?: { readonly limits: HoldLimits; read(body: Held): Meaning };
  /** Told the host and canonical path that a redirect leads to. */
  readonly leads?: (host: string, path: string) => void;
}

export type PackageAct = Extract<Touch, { kind: 'package' }>['act'];
export type PackageTouch = Extract<Touch, { kind: 'package' }>;
export type ImageTouch = Extract<Touch, { kind: 'image' }>;

/** Splits a canonical path into decoded segments; null when one of them is no UTF-8. */
export function splitPath(path: string): string[] | null {
  const segments = path.slice(1).split('/');
  if (!path.includes('%')) return segments;
  try {
    return segments.map((segment) => decodeURIComponent(segment));
  } catch {
    return null;
  }
}

export interface PackageFacts {
  readonly purl: string | null;
  readonly version?: string | null;
  readonly file?: string;
  readonly integrity?: string;
}

/** A meaning that touches one package. */
export function packageMeaning(
  request: RegistryRequest,
  verb: string,
  act: PackageAct,
  access: Access,
  facts: PackageFacts,
): Meaning {
  const touch = packageTouch(request, act, access, facts);
  return { name: `${request.ecosystem}/${verb}`, touches: [touch], sureness: 'known', detail: null };
}

export function packageTouch(
  request: RegistryRequest,
  act: PackageAct,
  access: Access,
  facts: PackageFacts,
): PackageTouch {
  return {
    kind: 'package',
    access,
    act,
    purl: facts.purl,
    version: facts.version ?? null,
    registry: request.registry,
    ...(request.part === undefined ? {} : { part: request.part }),
    ...(facts.file === undefined ? {} : { file: facts.file }),
    ...(facts.integrity === undefined ? {} : { integrity: facts.integrity }),
  };
}

/** What no table holds. A write may be anything that the registry offers: it counts as publishing an unknown package. */
export function unknownMeaning(
  request: RegistryRequest,
  detail: string,
  purl: string | null = null,
): Meaning {
  const touch = request.isRead
    ? packageTouch(request, 'metadata', 'read', { purl })
    : packageTouch(request, 'publish', 'write', { purl });
  return {
    name: `${request.ecosystem}/${request.isRead ? 'read' : 'write'}`,
    touches: [touch],
    sureness: 'unknown',
    detail,
  };
}

/** Of a broken percent sign URLSearchParams keeps the text, and never throws. */
export function readQuery(query: string): URLSearchParams {
  return new URLSearchParams(query.length > 65_536 ? '' : query);
}

/** Bodies of publishing requests that name the package: kept whole up to this size. */
export const publishHold: HoldLimits = { maxBytes: 33_554_432, maxDecodedBytes: 67_108_864, maxRatio: 100 };
