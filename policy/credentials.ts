// What policy asks of the credentials that requests carry: `credentials` and `oidc` of the top level and of the scopes
// that apply. Scopes add to what the top level asks; nothing takes away.

import type { Evidence } from '../flow/evidence.ts';
import type { Attribution } from '../flow/job.ts';
import { unattributed } from '../flow/job.ts';
import type { Making } from '../flow/lineage.ts';
import type { CredentialKind, Operation } from '../flow/operation.ts';
import type { Reason } from '../flow/reason.ts';
import type { AudienceFile, CredentialsFile, KindRuleFile, OidcFile } from './credential-schema.ts';
import { findForeignOwner } from './foreign-owner.ts';
import { matchesHost, type HostPattern } from './match-host.ts';
import type { ProblemList, ValuePath } from './problem-list.ts';
import { readHosts, toEntries, toList } from './read-values.ts';

interface KindRule {
  readonly hosts: readonly HostPattern[];
  readonly allow: ReadonlySet<CredentialKind>;
}

/** `credentials` and `oidc` of one place, read; null: not asked. */
export interface CredentialTerms {
  readonly foreignToken: 'block' | 'detect' | null;
  readonly foreignOwner: 'block' | 'detect' | null;
  readonly kinds: readonly KindRule[];
  readonly audiences: ReadonlySet<string> | null;
  /** Hosts that take identity tokens for an audience, where the policy says so. */
  readonly takers: ReadonlyMap<string, readonly HostPattern[]>;
}

/** What holds for one job. */
export interface EffectiveCredentials {
  readonly foreignToken: 'block' | 'detect' | null;
  readonly foreignOwner: 'block' | 'detect' | null;
  /** Each place must let a kind pass. */
  readonly kinds: readonly (readonly KindRule[])[];
  readonly audiences: ReadonlySet<string> | null;
  readonly takers: ReadonlyMap<string, readonly HostPattern[]>;
}

/** Reads both keys of one place. */
export function readCredentialTerms(
  file: { readonly credentials?: CredentialsFile | undefined; readonly oidc?: OidcFile | undefined },
  path: ValuePath,
  list: ProblemList,
): CredentialTerms {
  const { credentials, oidc } = file;
  const kinds = toEntries<KindRuleFile>(credentials?.kinds, [...path, 'credentials', 'kinds']);
  return {
    foreignToken: credentials?.foreignToken ?? null,
    foreignOwner: credentials?.foreignOwner ?? null,
    kinds: kinds.map(([rule, at]) => ({
      hosts: readHosts(rule.host, [...at, 'host'], list),
      allow: new Set(toList<CredentialKind>(rule.allow)),
    })),
    ...readAudiences(oidc, [...path, 'oidc', 'audiences'], list),
  };
}

function readAudiences(
  oidc: OidcFile | undefined,
  path: ValuePath,
  list: ProblemList,
): Pick<CredentialTerms, 'audiences' | 'takers'> {
  const takers = new Map<string, readonly HostPattern[]>();
  if (oidc === undefined) return { audiences: null, takers };
  const entries = toEntries<string | AudienceFile>(oidc.audiences, path);
  const names = entries.map(([entry, at]) => {
    if (typeof entry === 'string') return entry;
    takers.set(entry.audience, readHosts(entry.host, [...at, 'host'], list));
    return entry.audience;
  });
  return { audiences: new Set(names), takers };
}

/** Whether a host takes identity tokens for an audience (null: the platform's default); null where no place says. */
export function takesIdentity(
  { takers }: EffectiveCredentials,
  audience: string | null,
  host: string,
): boolean | null {
  const hosts = takers.get(audience ?? defaultAudience);
  return hosts === undefined ? null : hosts.some((pattern) => matchesHost(pattern, host));
}

export interface TermsOfScope {
  readonly terms: CredentialTerms;
  readonly exclusive: boolean;
}

/** What the places ask together; null when none asks anything. A scope that only may apply can ask for more. */
export function uniteCredentials(
  top: CredentialTerms,
  yes: readonly TermsOfScope[],
  maybe: readonly TermsOfScope[],
): EffectiveCredentials | null {
  const all = [top, ...yes.map(({ terms }) => terms), ...maybe.map(({ terms }) => terms)];
  const strictest = (key: 'foreignToken' | 'foreignOwner') => {
    const words = all.map((terms) => terms[key]);
    return words.includes('block') ? 'block' : words.includes('detect') ? 'detect' : null;
  };
  const united = {
    foreignToken: strictest('foreignToken'),
    foreignOwner: strictest('foreignOwner'),
    kinds: all.map(({ kinds }) => kinds).filter((kinds) => kinds.length > 0),
    audiences: uniteAudiences(top, yes, maybe),
    takers: uniteTakers([top, ...yes.map(({ terms }) => terms)]),
  } as const;
  return asksAnything(united) ? united : null;
}

/** True when terms ask something of requests. */
export function asksAnything(terms: CredentialTerms | EffectiveCredentials): boolean {
  const { foreignToken, foreignOwner, kinds, audiences } = terms;
  return foreignToken !== null || foreignOwner !== null || kinds.length > 0 || audiences !== null;
}

function uniteTakers(places: readonly CredentialTerms[]): EffectiveCredentials['takers'] {
  const united = new Map<string, readonly HostPattern[]>();
  for (const { takers } of places)
    for (const [audience, hosts] of takers) united.set(audience, [...(united.get(audience) ?? []), ...hosts]);
  return united;
}

/** Lists of scopes that apply unite with the top one; those of exclusive scopes narrow it. */
function uniteAudiences(
  top: CredentialTerms,
  yes: readonly TermsOfScope[],
  maybe: readonly TermsOfScope[],
): ReadonlySet<string> | null {
  const listed = (scopes: readonly TermsOfScope[]) =>
    scopes.flatMap(({ terms, exclusive }) =>
      terms.audiences === null ? [] : { audiences: terms.audiences, exclusive },
    );
  const own = listed(yes);
  const exclusive = [...own, ...listed(maybe)].filter((scope) => scope.exclusive);
  const lists = [top.audiences ?? [], own.map(({ audiences }) => audiences)].flat();
  if (exclusive.length > 0)
    return exclusive.map(({ audiences }) => audiences).reduce((a, b) => a.intersection(b));
  if (top.audiences === null && own.length === 0) return null;
  return lists.reduce<ReadonlySet<string>>((a, b) => a.union(b), new Set());
}

/** What a decision about credentials looks at. */
export interface CredentialUse {
  readonly host: string;
  readonly evidence: readonly Evidence[];
  readonly operation?: Operation | null;
  readonly credential?: CredentialKind | null;
  readonly attribution?: Attribution;
}

/** Why the request may not go with what it carries, or null. */
export function findWithheld(terms: EffectiveCredentials, use: CredentialUse): Reason | null {
  const operation = use.operation ?? null;
  if (terms.foreignToken === 'block' && use.evidence.some(isToken)) return 'foreign-token';
  if (terms.foreignOwner === 'block' && findForeignOwner(operation, use.attribution ?? unattributed) !== null)
    return 'foreign-owner';
  if (terms.kinds.length > 0 && !mayCarry(terms, use)) return 'credential-kind';
  return terms.audiences !== null && asksForOther(terms.audiences, operation) ? 'oidc-audience' : null;
}

const isToken = ({ kind }: Evidence): boolean => kind === 'foreign-token' || kind === 'secret-in-request';

function mayCarry({ kinds }: EffectiveCredentials, { host, operation, credential }: CredentialUse): boolean {
  const kind = operation?.credential ?? credential ?? 'unknown';
  const counted = kind === 'derived' ? [kind, ...formerKinds(operation ?? null)] : [kind];
  return kinds.every((rules) => {
    const near = rules.filter(({ hosts }) => hosts.some((pattern) => matchesHost(pattern, host)));
    return near.length === 0 || near.some(({ allow }) => counted.some((one) => allow.has(one)));
  });
}

/** What a credential that was made here also counts as: what it was made with, and what its form says. */
function formerKinds(operation: Operation | null): CredentialKind[] {
  const { root, made } = operation ?? {};
  const form = made === undefined ? undefined : forms[made];
  return [...(root === undefined ? [] : [root]), ...(form === undefined ? [] : [form])];
}

const forms: Readonly<Partial<Record<Making, CredentialKind>>> = {
  installation: 'app',
  'access-token': 'pat',
  registry: 'registry',
  cloud: 'cloud',
};

/** What a request that names no audience is called in a policy. */
const defaultAudience = 'default';

function asksForOther(audiences: ReadonlySet<string>, operation: Operation | null): boolean {
  const asked = operation?.touches.filter((touch) => touch.kind === 'identity') ?? [];
  if (asked.length === 0) return false;
  return (
    operation?.sureness === 'unknown' ||
    asked.some(({ audience }) => !audiences.has(audience ?? defaultAudience))
  );
}
