// Attribution source 0: jobs that the operator declared, by the runner's address (`jobs:` in sallyport.yaml, or the
// flags of `run`). Exact addresses first, then the longest matching network.

import type { FromSchema, JSONSchema } from 'json-schema-to-ts';
import {
  cidrContains,
  formatAddress,
  formatCidr,
  parseAddress,
  parseCidr,
  unmapAddress,
  type Cidr,
} from '../flow/address.ts';
import { unattributed, type Attribution, type AttributionPort, type Job } from '../flow/job.ts';
import { readTokenDigest } from '../flow/token-digest.ts';

const text = (description: string, example: string) =>
  ({ type: 'string', minLength: 1, description, examples: [example] }) as const;
const flag = (description: string) => ({ type: 'boolean', description, examples: [true] }) as const;

/** `jobs:` of sallyport.yaml: which runner addresses belong to which job. */
export const declaredJobSchema = {
  type: 'array',
  description: 'Jobs by runner address, for fleets in which an address is one job. Default: none.',
  examples: [[{ addresses: ['10.77.0.20'], repository: 'acme/app', ref: 'refs/heads/main' }]],
  items: {
    type: 'object',
    additionalProperties: false,
    required: ['addresses'],
    description: 'One job. A field that is left out is unknown, and no scope that asks for it matches.',
    properties: {
      addresses: {
        type: 'array',
        minItems: 1,
        items: { type: 'string', minLength: 1 },
        description: 'Addresses or networks of the runners that run it.',
        examples: [['10.77.0.20', 'fd77::20']],
      },
      platform: {
        enum: ['github', 'gitlab'],
        description: 'Platform of the forge. Default: `github`.',
        examples: ['gitlab'],
      },
      server: text(
        'Host of the forge. Default: `github.com`, or `gitlab.com` for gitlab.',
        'github.example.com',
      ),
      repository: text('owner/name, or a GitLab project path.', 'acme/app'),
      repositoryId: text('Numeric id of the repository.', '123456'),
      workflow: text('Path of the workflow file.', '.github/workflows/release.yml'),
      calledWorkflow: text('Path of the called workflow.', '.github/workflows/build.yml'),
      ref: {
        type: 'string',
        pattern: '^refs/.',
        description: 'Full ref, for GitLab alike.',
        examples: ['refs/heads/main'],
      },
      event: text('Event, for example push.', 'push'),
      environment: text('Deployment environment.', 'production'),
      name: text('Name of the job in the workflow.', 'build'),
      runId: text('Id of the run.', '9876543210'),
      runnerGroup: text('Runner group.', 'default'),
      actor: text('Who started the run.', 'octocat'),
      fork: flag('The run is for a fork.'),
      protected: flag('The ref is protected.'),
      private: flag('The repository is private.'),
      tokenDigest: {
        type: 'string',
        pattern: '^hmac-sha256:[A-Za-z0-9_-]{22}:[A-Za-z0-9_-]{43}$',
        description:
          'The job’s own token as `hmac-sha256:KEY:DIGEST` (base64url), by which requests with it are told from others. `sallyport run --token-env` writes it.',
        examples: ['hmac-sha256:AAAAAAAAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
      },
      runtimeTokenDigest: {
        type: 'string',
        pattern: '^hmac-sha256:[A-Za-z0-9_-]{22}:[A-Za-z0-9_-]{43}$',
        description:
          'The token of the job’s runtime (`ACTIONS_RUNTIME_TOKEN`) in the same form: artifacts and caches with it are the job’s own, and with another one foreign. `sallyport run --runtime-token-env` writes it.',
        examples: ['hmac-sha256:AAAAAAAAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
      },
    },
  },
} as const satisfies JSONSchema;

export type DeclaredJob = FromSchema<typeof declaredJobSchema>[number];

/** Ascribes addresses to declared jobs. */
export class DeclaredJobs implements AttributionPort {
  readonly #tokens = new Map<Attribution, (token: string) => boolean>();
  readonly #runtimes = new Map<Attribution, (token: string) => boolean>();
  readonly #exact = new Map<string, Attribution>();
  readonly #networks: { readonly cidr: Cidr; readonly attribution: Attribution }[] = [];

  /** Entries that are no address or network are left out; config.ts has refused them. */
  constructor(jobs: readonly DeclaredJob[]) {
    for (const declared of jobs) {
      const attribution: Attribution = {
        job: toJob(declared),
        source: 'declared',
        certainty: 'certain',
        conflict: false,
        ...(isOneMachine(declared.addresses) ? { machine: declared.addresses.join(' ') } : {}),
      };
      const isToken = readTokenDigest(declared.tokenDigest ?? '');
      if (isToken !== null) this.#tokens.set(attribution, isToken);
      const isRuntime = readTokenDigest(declared.runtimeTokenDigest ?? '');
      if (isRuntime !== null) this.#runtimes.set(attribution, isRuntime);
      for (const entry of declared.addresses) this.#add(entry, attribution);
    }
    this.#networks.sort((a, b) => b.cidr.prefix - a.cidr.prefix);
  }

  attribute(runnerAddress: string): Attribution {
    const exact = this.#exact.get(runnerAddress);
    if (exact !== undefined || (this.#networks.length === 0 && !runnerAddress.startsWith('::ffff:'))) {
      return exact ?? unattributed;
    }
    const parsed = parseAddress(runnerAddress);
    if (parsed === null) return unattributed;
    const bytes = unmapAddress(parsed);
    return (
      this.#exact.get(formatAddress(bytes)) ??
      this.#networks.find(({ cidr }) => cidrContains(cidr, bytes))?.attribution ??
      unattributed
    );
  }

  /** True for the own token of the job that the flow is ascribed to. */
  isOwnToken(attribution: Attribution, token: string): boolean {
    return !attribution.conflict && this.#tokens.get(attribution)?.(token) === true;
  }

  /** Tells the token of the job's runtime from others; null where nobody declared it. */
  runtimeToken(attribution: Attribution): ((token: string) => boolean) | null {
    return attribution.conflict ? null : (this.#runtimes.get(attribution) ?? null);
  }

  /** Every declared job, once. */
  jobs(): readonly Job[] {
    const all = [...this.#exact.values(), ...this.#networks.map(({ attribution }) => attribution)];
    return [...new Set(all)].flatMap(({ job }) => job ?? []);
  }

  /** The addresses that stand for one runner each. */
  addresses(): ReadonlyMap<string, Attribution> {
    return this.#exact;
  }

  /** Every address and range (CIDR text) that a job is declared for, for the kernel's plan; the narrowest counts. */
  ranges(): ReadonlyMap<string, Attribution> {
    const networks = this.#networks.map(({ cidr, attribution }) => [formatCidr(cidr), attribution] as const);
    return new Map([...this.#exact, ...networks]);
  }

  #add(entry: string, attribution: Attribution): void {
    const cidr = parseCidr(entry);
    if (cidr === null) return;
    if (cidr.prefix === cidr.bytes.length * 8) this.#exact.set(formatAddress(cidr.bytes), attribution);
    else this.#networks.push({ cidr, attribution });
  }
}

/** Two single addresses of different families are one runner's. */
function isOneMachine(addresses: readonly string[]): boolean {
  const sizes = addresses.map((entry) => {
    const { bytes, prefix } = parseCidr(entry) ?? { bytes: [], prefix: 0 };
    return prefix === bytes.length * 8 ? bytes.length : 0;
  });
  return sizes.length === 2 && sizes.includes(4) && sizes.includes(16);
}

function toJob(declared: DeclaredJob): Job {
  const platform = declared.platform ?? 'github';
  return {
    platform,
    server: (declared.server ?? `${platform}.com`).toLowerCase(),
    repository: declared.repository ?? null,
    repositoryId: declared.repositoryId ?? null,
    workflow: declared.workflow ?? null,
    calledWorkflow: declared.calledWorkflow ?? null,
    ref: declared.ref ?? null,
    event: declared.event ?? null,
    environment: declared.environment ?? null,
    name: declared.name ?? null,
    runId: declared.runId ?? null,
    runnerGroup: declared.runnerGroup ?? null,
    actor: declared.actor ?? null,
    fork: declared.fork ?? null,
    protected: declared.protected ?? null,
    private: declared.private ?? null,
  };
}
