// Asks what a request means before it is decided, by its head; where the body decides the answer says so. Whose
// credential it carries, and what is known of that one's lineage, is found once and when it is asked for.

import type { AskedRequest, Understanding } from '../flow/asked-request.ts';
import { isHome, type Lineage } from '../flow/lineage.ts';
import { withQueryTokens } from '../flow/query-token.ts';
import type { CredentialKind } from '../flow/operation.ts';
import type { Connection } from './connection.ts';
import type { Fields } from './fields.ts';
import type { RequestQuery } from './options.ts';

/** What credentials that an answer hands out were made with. */
export interface Maker {
  /** Keyed hash, or null: with none. */
  readonly id: string | null;
  /** Kind of the credential at the beginning. */
  readonly root: CredentialKind;
}

/** The credential of one request's head. */
export class Carried {
  readonly #connection: Connection;
  readonly #query: RequestQuery;
  readonly #search: string;
  readonly #fields: Fields;
  #tokens: readonly string[] | null = null;
  #kind: CredentialKind | null = null;
  #lineage: Lineage | null | undefined;

  constructor(connection: Connection, query: RequestQuery, search: string, fields: Fields) {
    this.#connection = connection;
    this.#query = query;
    this.#search = search;
    this.#fields = fields;
  }

  get kind(): CredentialKind {
    return (this.#kind ??= this.#findKind());
  }

  /** Also where it is elsewhere than at home. */
  get lineage(): Lineage | null {
    if (this.#lineage === undefined) this.#lineage = this.#findLineage();
    return this.#lineage;
  }

  /** For what is made with it. */
  get maker(): Maker {
    const { kind, lineage } = this;
    if (lineage !== null) return { id: lineage.id, root: lineage.root };
    const [token] = this.#bare();
    const { lineages } = this.#connection.core;
    return { id: token === undefined ? null : lineages.hash(token), root: kind };
  }

  /** True when an identity token of the job may be on its way: bodies are looked at then. */
  get isWatched(): boolean {
    const { core, holder } = this.#connection;
    return core.lineages.hasIdentity(holder);
  }

  findIdentity(text: string): Lineage | null {
    const { core, holder } = this.#connection;
    return this.#place(core.lineages.findIdentity(holder, text));
  }

  /** Who takes an identity token is the policy's to say, before what its audience tells. */
  #place(lineage: Lineage | null): Lineage | null {
    if (lineage?.made !== 'identity') return lineage;
    const { core, attribution } = this.#connection;
    const { host } = this.#query;
    const takes = core.decider?.takesIdentity?.(attribution, lineage.audience ?? null, host) ?? null;
    return takes === null ? lineage : { ...lineage, homes: takes ? [host] : [] };
  }

  /** Bare tokens of the head, in the order of what counts. */
  get tokens(): readonly string[] {
    return this.#bare();
  }

  readonly #header = (name: string): string | null =>
    withQueryTokens((field) => this.#fields.header(field), this.#search)(name);

  #bare(): readonly string[] {
    const { ports } = this.#connection.core;
    return (this.#tokens ??= ports.tokens?.(this.#header, this.#search) ?? []);
  }

  #findKind(): CredentialKind {
    const { core, attribution } = this.#connection;
    const { lineage } = this;
    if (lineage?.made === 'runtime') return 'runtime';
    if (lineage !== null && isHome(lineage.homes, this.#query.host)) return 'derived';
    return core.ports.credential?.(attribution, this.#header) ?? 'unknown';
  }

  #findLineage(): Lineage | null {
    const { core, attribution, holder } = this.#connection;
    const { lineages, ports } = core;
    const isRuntime = ports.runtime?.(attribution) ?? null;
    if (isRuntime !== null) {
      const token = this.#bare().find((one) => isRuntime(one));
      if (token !== undefined) return runtimeLineage(lineages.hash(token));
    }
    if (!lineages.has(holder)) return null;
    const found = lineages.find(holder, this.#bare());
    if (found !== null || !this.isWatched) return this.#place(found);
    return this.findIdentity(`${this.#fields.text()}\r\n${this.#search}`);
  }
}

/** The runtime's token, as the job was declared with it: it does no more than the job's own. */
function runtimeLineage(id: string): Lineage {
  return { made: 'runtime', id, parent: null, root: 'job', flow: null, homes: null };
}

/** What the head says; null where nobody knows the host, or nobody is asked. */
export function understandHead(
  { core, attribution, runner }: Connection,
  query: RequestQuery,
  search: string,
  fields: Fields,
  carried: Carried,
): Understanding | null {
  const { interpreter } = core.ports;
  if (interpreter === undefined) return null;
  const { scheme, host, port, method, path, hasBody } = query;
  const asked: AskedRequest = {
    scheme,
    host,
    port,
    method,
    path,
    query: search,
    hasBody,
    header: (name) => fields.header(name),
    attribution,
    // Found when it is asked for: of most hosts nobody does.
    get credential() {
      return carried.kind;
    },
    get lineage() {
      return carried.lineage;
    },
    ...(carried.isWatched ? { findIdentity: (text: string) => carried.findIdentity(text) } : {}),
  };
  const found = interpreter.understand(asked);
  const platform = found?.operation?.platform;
  if (attribution.job === null && scheme === 'https' && (platform === 'github' || platform === 'gitlab'))
    core.ports.meetTokens?.(runner, query, () => carried.tokens);
  return withForeignRuntime(found, carried, core.ports.runtime?.(attribution) ?? null);
}

const ofRuntime = /^(?:artifact|cache|log|job)\//;

/** Where the job's own runtime token is known, another one at the runner's service is another run's. */
function withForeignRuntime(
  found: Understanding | null,
  carried: Carried,
  isRuntime: ((token: string) => boolean) | null,
): Understanding | null {
  const operation = found?.operation ?? null;
  if (found === null || isRuntime === null || operation === null || !ofRuntime.test(operation.name))
    return found;
  if (carried.lineage?.made === 'runtime' || carried.kind === 'none') return found;
  const detail = `${operation.name} with a token that is not the one of this job’s runtime`;
  return { ...found, evidence: [...found.evidence, { kind: 'foreign-token', detail }] };
}
