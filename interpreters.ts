// Puts together who says what requests mean: forges first, then clouds, then registries.

import { resolveOperation, understandResolution } from './actions/understand-resolution.ts';
import type {
  AnswerHead,
  AnswerMeaning,
  AnswerReader,
  AnswerStream,
  AskedRequest,
  Interpreter,
  ReviewedAnswer,
  Understanding,
} from './flow/asked-request.ts';
import { defaultServers, findPlatformHost, type PlatformServer } from './flow/platform-server.ts';
import type { Held } from './flow/held.ts';
import { withPackages } from './flow/join-understanding.ts';
import type { Operation, Touch } from './flow/operation.ts';
import { platformRegistries } from './flow/platform-registries.ts';
import { publicRegistries, RegistryHosts, type RegistryServer } from './flow/registry-server.ts';
import { inOrder } from './flow/understand-whole.ts';
import { createAwsCustomerInterpreter, createAwsInterpreter } from './platform/aws/interpreter.ts';
import type { Hearing } from './platform/hearing.ts';
import { createPlatformInterpreter } from './platform/interpreter.ts';
import { withLineage } from './platform/lineage/interpreter.ts';
import { packageEvidence, type MalwareLookup } from './registry/evidence.ts';
import { createRegistryInterpreter } from './registry/interpreter.ts';
import { PackageTimes } from './registry/times.ts';

/** What is known of packages besides what a request says. */
export interface PackageKnowledge {
  readonly times: PackageTimes;
  /** The malware feed at this moment; null where there is none. */
  feed(): MalwareLookup | null;
}

/** Everybody who understands requests; without knowledge nothing is said of a package's age. */
export function createInterpreter(
  servers: readonly PlatformServer[],
  registries: readonly RegistryServer[],
  knowledge: PackageKnowledge | null = null,
  hearing: Hearing | null = null,
): Interpreter {
  const registry = createRegistryInterpreter({
    registries: [...registries, ...platformRegistries(servers)],
    times: knowledge?.times ?? null,
  });
  const all = inOrder([
    withPackages(withActions(createPlatformInterpreter(servers, hearing)), (request) =>
      registry.understandNamed(request),
    ),
    createAwsInterpreter(),
    registry,
    createAwsCustomerInterpreter(),
  ]);
  const facts =
    knowledge === null
      ? all
      : { ...all, understand: (request: AskedRequest) => addFacts(all.understand(request), knowledge) };
  const known = [...registries, ...platformRegistries(servers), ...publicRegistries];
  return withLineage(facts, servers, known);
}

/** Which actions are resolved stands in bodies of one form, whichever platform it is. */
function withActions(platforms: Interpreter): Interpreter {
  return {
    ...platforms,
    understand: (request) => {
      const found = platforms.understand(request);
      const operation = found?.operation ?? null;
      if (found === null || operation?.name !== resolveOperation) return found;
      return understandResolution(found, operation);
    },
  };
}

/** Says of each package what is known at this moment; once more of what a body names. */
function addFacts(found: Understanding | null, knowledge: PackageKnowledge): Understanding | null {
  if (found === null) return null;
  const { operation, hold, review } = found;
  const tell = (told: Operation): Operation => ({ ...told, touches: withFacts(told.touches, knowledge) });
  const read = (body: Held): ReviewedAnswer => {
    const reviewed = review!.read(body);
    return { ...reviewed, operation: tell(reviewed.operation) };
  };
  const withBody = (body: Held) => addFacts(hold!.withBody(body), knowledge)!;
  const known = operation === null ? null : tell(operation);
  return {
    ...found,
    operation: known,
    ...(found.answer === undefined ? {} : { answer: withLateFacts(found.answer, known, knowledge) }),
    ...(hold === undefined ? {} : { hold: { ...hold, withBody } }),
    ...(review === undefined ? {} : { review: { ...review, read } }),
  };
}

function withFacts(touches: readonly Touch[], { times, feed }: PackageKnowledge): readonly Touch[] {
  if (!touches.some(isNamed)) return touches;
  return touches.map((touch) =>
    isNamed(touch) ? { ...touch, facts: packageEvidence(touch, times, feed(), Date.now()) } : touch,
  );
}

/** The answer may tell what nobody knew when it was asked for: the record of a package has its age all the same. */
function withLateFacts(
  reader: AnswerReader,
  operation: Operation | null,
  knowledge: PackageKnowledge,
): AnswerReader {
  if (operation === null || !operation.touches.some(isOfUnknownAge)) return reader;
  const tell = (meaning: AnswerMeaning): AnswerMeaning => ({
    ...meaning,
    touches: withFacts(operation.touches, knowledge),
  });
  const { stream } = reader;
  const opened = (head: AnswerHead): AnswerStream | null => {
    const inner = stream?.(head) ?? null;
    return inner && { push: (chunk) => inner.push(chunk), end: () => tell(inner.end()) };
  };
  return {
    ...reader,
    read: (head, body) => tell(reader.read(head, body)),
    ...(stream === undefined ? {} : { stream: opened }),
  };
}

function isOfUnknownAge(touch: Touch): boolean {
  if (!isNamed(touch) || touch.facts?.ageMs != null) return false;
  return touch.kind === 'image' ? touch.reference !== null : touch.version !== null;
}

type NamedTouch = Extract<Touch, { kind: 'package' | 'image' }>;

const isNamed = (touch: Touch): touch is NamedTouch =>
  touch.kind === 'image' || (touch.kind === 'package' && touch.purl !== null);

const heldUploads: ReadonlySet<string> = new Set(['pypi', 'nuget', 'cargo', 'gem']);

/** What a worker asks: the interpreter of the servers that its policy knows, replaced with the policy. */
export class CurrentInterpreter implements Interpreter {
  readonly #knowledge: PackageKnowledge;
  readonly #registries: readonly RegistryServer[];
  readonly #hearing: Hearing | null;
  #hosts: RegistryHosts;
  #servers = '';
  #known: readonly PlatformServer[] = defaultServers;
  #interpreter: Interpreter;

  constructor(
    feed: () => MalwareLookup | null,
    registries: readonly RegistryServer[] = [],
    hearing: Hearing | null = null,
  ) {
    this.#hearing = hearing;
    this.#registries = registries;
    this.#hosts = hostsOf(defaultServers, registries);
    this.#knowledge = { times: new PackageTimes(), feed };
    this.#interpreter = createInterpreter(defaultServers, registries, this.#knowledge, hearing);
  }

  follow(servers: readonly PlatformServer[]): void {
    const text = JSON.stringify(servers);
    // What was learnt from answers is kept where nothing changes.
    if (text === this.#servers) return;
    this.#servers = text;
    this.#known = servers;
    this.#hosts = hostsOf(servers, this.#registries);
    this.#interpreter = createInterpreter(servers, this.#registries, this.#knowledge, this.#hearing);
  }

  understand(request: AskedRequest): Understanding | null {
    return this.#interpreter.understand(request);
  }

  /** The advisory that names a version, or null. */
  findMalware(purl: string, version: string): string | null {
    return this.#knowledge.feed()?.find(purl, version) ?? null;
  }

  /** True for a host of a registry whose lists of versions can be shortened. */
  hasLists(host: string): boolean {
    return this.#hosts
      .find(host)
      .some(({ server }) => server.ecosystem === 'npm' || server.ecosystem === 'pypi');
  }

  /** True for a host of a registry whose answers tell how old an image is. */
  hasImages(host: string): boolean {
    return this.#hosts.find(host).some(({ server }) => server.ecosystem === 'oci');
  }

  /** True for a host of a registry whose uploads say inside what they publish. */
  takesUploads(host: string): boolean {
    return this.#hosts.find(host).some(({ server }) => heldUploads.has(server.ecosystem));
  }

  /** True for a host where runners have actions resolved. */
  resolvesActions(host: string): boolean {
    const found = findPlatformHost(this.#known, host);
    if (found === null || found.server.platform !== 'github') return false;
    // A GitHub Enterprise Server has its service on its one host.
    return found.role === 'service' || (found.role === 'web' && found.server.server !== 'github.com');
  }

  mayHold(host: string): boolean {
    return this.#interpreter.mayHold?.(host) ?? true;
  }
}

function hostsOf(servers: readonly PlatformServer[], registries: readonly RegistryServer[]): RegistryHosts {
  return new RegistryHosts([...registries, ...platformRegistries(servers), ...publicRegistries]);
}
