// Follows credentials that are made while a job runs: what answers hand out is told to whoever keeps their hashes, and
// a request that carries one of them says so. What is foreign by its lineage is evidence.

import type {
  AnswerHead,
  AnswerMeaning,
  AnswerReader,
  AskedRequest,
  Interpreter,
  Understanding,
} from '../../flow/asked-request.ts';
import { hostsOfAudience } from '../../flow/audience-hosts.ts';
import type { Evidence } from '../../flow/evidence.ts';
import type { Held } from '../../flow/held.ts';
import { isHome, type Lineage, type MintedToken } from '../../flow/lineage.ts';
import type { Operation } from '../../flow/operation.ts';
import type { PlatformServer } from '../../flow/platform-server.ts';
import type { RegistryServer } from '../../flow/registry-server.ts';
import { createHomes, type FindHomes } from './find-homes.ts';
import { exchange, findMint, type Mint } from './read-minted.ts';

const answerLimits = { maxBytes: 262_144, maxDecodedBytes: 524_288, maxRatio: 100 };
/** Bodies that are looked at for an identity token where nobody else holds them. */
const bodyLimits = { maxBytes: 65_536, maxDecodedBytes: 131_072, maxRatio: 20 };
const nothing: Understanding = { operation: null, evidence: [] };

/** The same interpreter, which besides knows the lineage of credentials. */
export function withLineage(
  inner: Interpreter,
  servers: readonly PlatformServer[],
  registries: readonly RegistryServer[],
): Interpreter {
  const homes = createHomes(servers, registries);
  return { ...inner, understand: (request) => trace(inner.understand(request), { request, homes }) };
}

interface Setting {
  readonly request: AskedRequest;
  readonly homes: FindHomes;
}

function trace(found: Understanding | null, setting: Setting): Understanding | null {
  const { request } = setting;
  const lineage = request.lineage ?? null;
  const isWatched = request.findIdentity !== undefined;
  if (lineage === null && !isWatched) return found === null ? null : trackAnswer(found, setting, null);
  const known = lineage === null ? (found ?? nothing) : inherit(found ?? nothing, request, lineage);
  const identity = lineage?.made === 'identity' ? lineage : null;
  if (isWatched && identity === null && request.hasBody) return watchBody(known, setting);
  const traced = trackAnswer(known, setting, identity);
  return traced === nothing ? null : traced;
}

/** What the credential of the head makes of it. */
function inherit(found: Understanding, request: AskedRequest, lineage: Lineage): Understanding {
  const { operation, hold } = found;
  const evidence = elsewhere(lineage, request.host);
  const isOwn = evidence.length === 0 && lineage.made !== 'identity';
  return {
    ...found,
    operation: operation !== null && isOwn ? descend(operation, lineage) : operation,
    evidence: [...found.evidence, ...evidence],
    ...(hold === undefined
      ? {}
      : { hold: { ...hold, withBody: (body: Held) => inherit(hold.withBody(body), request, lineage) } }),
  };
}

function descend(operation: Operation, { made, root }: Lineage): Operation {
  const credential = made === 'runtime' ? 'runtime' : 'derived';
  return { ...operation, credential, made, root, widens: operation.widens && root === 'job' };
}

function elsewhere({ homes, made, audience }: Lineage, host: string): Evidence[] {
  // Whoever takes identity tokens may hand out what others made.
  if (made === 'exchange' || isHome(homes, host)) return [];
  const whose =
    made === 'identity'
      ? `an identity token for ${(audience ?? 'the default').slice(0, 200)}`
      : `a token (${made})`;
  return [
    { kind: 'foreign-token', detail: `${whose} that this job was given, and the host is none that takes it` },
  ];
}

const textTypes =
  /^(?!application\/grpc)(?:application\/(?:x-www-form-urlencoded|(?:[\w.+-]+\+)?json|[\w.+-]*xml|x-amz-[\w.-]+)|text\/|multipart\/form-data)/i;

/** The body is looked at for an identity token, where it is a text; what is too large or coded otherwise goes on. */
function watchBody(found: Understanding, setting: Setting): Understanding | null {
  const { request } = setting;
  const { hold, ...rest } = found;
  const unseen = trackAnswer(found, setting, null);
  const isText = textTypes.test(request.header('content-type') ?? 'text/plain');
  if (hold === undefined && !isText) return unseen === nothing ? null : unseen;
  const withBody = (body: Held): Understanding => {
    const read = hold === undefined ? rest : hold.withBody(body);
    const bytes = body.kind === 'whole' ? body.body : Buffer.concat(body.raw);
    const identity = request.findIdentity?.(bytes.toString('latin1', 0, bodyLimits.maxDecodedBytes)) ?? null;
    if (identity === null) return trackAnswer(read, setting, null);
    const evidence = [...read.evidence, ...elsewhere(identity, request.host)];
    return trackAnswer({ ...read, evidence, presented: identity }, setting, identity);
  };
  return { ...unseen, hold: { ...(hold ?? bodyLimits), withBody } };
}

/** The answer is read where it hands something out. */
function trackAnswer(found: Understanding, setting: Setting, identity: Lineage | null): Understanding {
  const { operation, answer, hold } = found;
  const known = operation === null ? null : findMint(operation, setting.request);
  const mint = known ?? (identity === null ? null : exchange);
  const traced =
    mint === null || answer?.stream !== undefined
      ? found
      : { ...found, answer: mintReader(answer ?? null, { ...setting, operation, mint, identity }) };
  if (hold === undefined) return traced;
  return {
    ...traced,
    hold: { ...hold, withBody: (body: Held) => trackAnswer(hold.withBody(body), setting, identity) },
  };
}

interface Minting extends Setting {
  readonly operation: Operation | null;
  readonly mint: Mint;
  readonly identity: Lineage | null;
}

function mintReader(inner: AnswerReader | null, minting: Minting): AnswerReader {
  const limits = inner === null ? answerLimits : widest(inner.limits);
  const wants = (head: AnswerHead): boolean =>
    head.status >= 200 && head.status < 300 && isText(head.header('content-type'));
  return {
    limits,
    mints: true,
    wantsBody: (head) => wants(head) || inner?.wantsBody(head) === true,
    read: (head, body) => {
      const told: AnswerMeaning = inner?.read(head, body) ?? { grants: [], accepted: null, evidence: [] };
      return wants(head) && body?.kind === 'whole'
        ? { ...told, minted: readMinted(body.body.toString('utf8'), minting) }
        : told;
    },
  };
}

function widest({ maxBytes, maxDecodedBytes, maxRatio }: AnswerReader['limits']): AnswerReader['limits'] {
  return {
    maxBytes: Math.max(maxBytes, answerLimits.maxBytes),
    maxDecodedBytes: Math.max(maxDecodedBytes, answerLimits.maxDecodedBytes),
    maxRatio: Math.max(maxRatio, answerLimits.maxRatio),
  };
}

const isText = (type: string | null): boolean =>
  type === null ||
  /^(?:application\/(?:[\w.+-]*json|[\w.+-]*xml|x-www-form-urlencoded|x-amz-[\w.-]+)|text\/)/i.test(type);

function readMinted(body: string, { mint, operation, request, homes, identity }: Minting): MintedToken[] {
  const asked = operation?.touches.find((touch) => touch.kind === 'identity');
  const audience = asked?.kind === 'identity' ? asked.audience : null;
  const isIdentity = mint.made === 'identity';
  const own = isIdentity ? hostsOfAudience(audience) : homes(operation, request, mint);
  return mint.read(body).map((token) => ({
    token,
    made: mint.made,
    homes: own,
    ...(isIdentity ? { audience } : {}),
    ...(identity === null ? {} : { madeWith: identity }),
  }));
}
