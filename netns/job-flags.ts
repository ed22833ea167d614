// The flags by which `run` is told which job its command is: source 0 of attribution, *declared*.

import { SallyportError } from '../flow/errors.ts';
import type { Job } from '../flow/job.ts';
import { digestToken } from '../flow/token-digest.ts';
import type { DeclaredJob } from './gateway-port.ts';

export const jobOptions = {
  server: { type: 'string' },
  repo: { type: 'string' },
  ref: { type: 'string' },
  workflow: { type: 'string' },
  job: { type: 'string' },
  event: { type: 'string' },
  environment: { type: 'string' },
  actor: { type: 'string' },
  'repo-id': { type: 'string' },
  'run-id': { type: 'string' },
  fork: { type: 'boolean' },
  private: { type: 'boolean' },
  protected: { type: 'boolean' },
  'token-env': { type: 'string' },
  'runtime-token-env': { type: 'string' },
} as const;

export type JobFlags = {
  readonly [Key in keyof typeof jobOptions]?: (typeof jobOptions)[Key]['type'] extends 'boolean'
    ? boolean
    : string;
};

export const jobUsage =
  '  --server H --repo O/N --ref REF --workflow FILE --job NAME --event E --environment E --actor A\n' +
  '  --repo-id N --run-id N --fork --private --protected   which job the command is (matched by scopes)\n' +
  '  --token-env NAME   the variable that holds the job’s own token: requests with it are told from others\n' +
  '  --runtime-token-env NAME   the same for the token of its artifacts and caches (ACTIONS_RUNTIME_TOKEN)\n';

/** The job that the flags declare for these addresses; null when none was given. @throws SallyportError usage */
export function declareJob(flags: JobFlags, addresses: readonly string[]): DeclaredJob | null {
  const given = Object.keys(jobOptions).filter((key) => Reflect.get(flags, key) !== undefined);
  if (given.length === 0) return null;
  if (flags.ref !== undefined && !flags.ref.startsWith('refs/')) {
    throw new SallyportError(
      'usage',
      `--ref ${flags.ref} is no full ref: write refs/heads/${flags.ref} or refs/tags/${flags.ref}`,
    );
  }
  const tokenDigest = digestOf(flags, 'token-env');
  const runtimeTokenDigest = digestOf(flags, 'runtime-token-env');
  const server = flags.server ?? 'github.com';
  const job: { -readonly [Key in keyof DeclaredJob]: DeclaredJob[Key] } & { platform: Job['platform'] } = {
    addresses,
    platform: server.includes('gitlab') ? 'gitlab' : 'github',
    server,
  };
  const texts = {
    repo: 'repository',
    ref: 'ref',
    workflow: 'workflow',
    job: 'name',
    event: 'event',
    environment: 'environment',
    actor: 'actor',
    'repo-id': 'repositoryId',
    'run-id': 'runId',
  } as const;
  for (const [flag, key] of Object.entries(texts)) {
    const value: unknown = Reflect.get(flags, flag);
    if (typeof value === 'string') Reflect.set(job, key, value);
  }
  if (flags.fork !== undefined) job.fork = flags.fork;
  if (flags.protected !== undefined) job.protected = flags.protected;
  if (flags.private !== undefined) job.private = flags.private;
  if (tokenDigest !== null) job.tokenDigest = tokenDigest;
  if (runtimeTokenDigest !== null) job.runtimeTokenDigest = runtimeTokenDigest;
  return job;
}

/** The digest of the variable that a flag names, or null. @throws SallyportError usage */
function digestOf(flags: JobFlags, flag: 'token-env' | 'runtime-token-env'): string | null {
  const name = flags[flag];
  if (name === undefined) return null;
  const token = process.env[name];
  if (token === undefined || token === '')
    throw new SallyportError('usage', `--${flag} ${name}: the environment has no such variable`);
  return digestToken(token);
}
