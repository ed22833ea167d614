// Where credentials come from: what answers handed out to a job while it ran, and the runtime's own token. Known by keyed
// hashes; the text of a token goes no further than to whoever keeps its hash.

import type { CredentialKind } from './operation.ts';

/** How a credential was made. `runtime`: the one that the runner gave the job for artifacts, caches and logs. */
export type Making =
  | 'runtime'
  | 'identity' // an identity token of the platform (OIDC)
  | 'exchange' // for an identity token, by whoever trusts the platform
  | 'installation' // of a GitHub App
  | 'access-token'
  | 'registry'
  | 'cloud'
  | 'action'; // with a resolved action, for its archive

/** A credential as an answer hands it out. */
export interface MintedToken {
  readonly token: string;
  readonly made: Making;
  /** Hosts that take it: `*` is one label, a leading `**.` any depth below. Null: nobody can say. */
  readonly homes: readonly string[] | null;
  /** Of an identity token: what was asked for; null: the platform's default. */
  readonly audience?: string | null;
  /** What it was made with, where that was in the body; else it is the credential of the head. */
  readonly madeWith?: Lineage;
}

/** What is known of a credential that was made here. */
export interface Lineage extends FlowLineage {
  readonly homes: readonly string[] | null;
}

/** The same for a record. */
export interface FlowLineage {
  readonly made: Making;
  /** Keyed hash of the token: the same in every record of this gateway since its keeper started. */
  readonly id: string;
  /** Keyed hash of what it was made with; null: with nothing, or nobody knows. */
  readonly parent: string | null;
  /** Kind of the credential at its beginning; `job`: it does no more than the job's own. */
  readonly root: CredentialKind;
  /** Id of the flow whose answer handed it out; null: it came with the job. */
  readonly flow: string | null;
  readonly audience?: string | null;
}

/** What of it enters a record. */
export function toFlowLineage({ made, id, parent, root, flow, audience }: Lineage): FlowLineage {
  return { made, id, parent, root, flow, ...(audience === undefined ? {} : { audience }) };
}

/** True for a canonical host that takes the credential, as far as anybody can say. */
export function isHome(homes: readonly string[] | null, host: string): boolean {
  return homes === null || homes.some((home) => coversHost(home, host));
}

function coversHost(home: string, host: string): boolean {
  if (home === host) return true;
  if (home.startsWith('**.')) return host.endsWith(home.slice(2));
  if (!home.includes('*')) return false;
  const [pattern, labels] = [home.split('.'), host.split('.')];
  return (
    pattern.length === labels.length && pattern.every((label, at) => label === '*' || label === labels[at])
  );
}

/** Signed identities (JWT, RFC 7519) in a text, at most 1,024: as many as 64 KB hold; whatever else is encoded is not seen. */
export function findSigned(text: string): string[] {
  if (!text.includes('eyJ')) return [];
  const found: string[] = [];
  for (const run of text.split(/[^\w.-]+/)) {
    if (run.length < 64 || run.length > 16_384 || !run.startsWith('eyJ')) continue;
    if (run.split('.', 4).length === 3) found.push(run);
    if (found.length >= 1_024) break;
  }
  return found;
}
