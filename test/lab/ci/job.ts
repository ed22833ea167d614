// A job as the lab knows it: what is true, whatever is said of it later.

import type { Seeded } from './seeded.ts';

export interface LabStep {
  /** As step updates name it. */
  readonly id: string;
  /** As the runner shows it. */
  readonly title: string;
  readonly contextName: string;
  /** `owner/repo@ref` of an action; null: a script. */
  readonly uses: string | null;
  /** What the step does to the network (traffic.ts); as its script. */
  readonly script: string;
}

export interface LabJob {
  readonly jobId: string;
  readonly planId: string;
  readonly server: string;
  readonly repository: string;
  readonly repositoryId: string;
  readonly isPrivate: boolean;
  /** Full. */
  readonly ref: string;
  readonly isProtected: boolean;
  readonly sha: string;
  readonly event: string;
  /** Path in the repository. */
  readonly workflow: string;
  /** The key in the workflow file. */
  readonly name: string;
  readonly environment: string | null;
  /** Repository whose head a pull request brings; null: no pull request. */
  readonly headRepository: string | null;
  /** `owner/repo/path@ref` of the reusable workflow that the job stands in. */
  readonly calledWorkflow: string | null;
  readonly runId: string;
  readonly runAttempt: string;
  readonly runnerGroup: string;
  readonly actor: string;
  readonly matrix: Readonly<Record<string, string | number | boolean>> | null;
  readonly steps: readonly LabStep[];
}

const owners = ['acme', 'example-org', 'Big-Corp'];
const repositories = ['widget', 'storefront', 'infra.tools', 'data_lake'];
const events = ['push', 'push', 'pull_request', 'schedule', 'workflow_dispatch'];
const names = ['build', 'test', 'lint', 'ship'];
const actions = [
  'actions/checkout@v4',
  'actions/setup-node@v4',
  'acme/tools/scan@v1',
  'docker/login-action@v3',
];

/** A job of chance; `scripts` are what its steps do, in order. */
export function drawJob(random: Seeded, scripts: readonly string[], known: Partial<LabJob> = {}): LabJob {
  const repository = `${random.pick(owners)}/${random.pick(repositories)}`;
  const event = random.pick(events);
  const isPull = event === 'pull_request';
  const number = 1 + random.below(900);
  return {
    jobId: random.guid(),
    planId: random.guid(),
    server: 'github.com',
    repository,
    repositoryId: String(900_000 + random.below(90_000)),
    isPrivate: random.chance(0.5),
    ref: isPull
      ? `refs/pull/${number}/merge`
      : random.pick(['refs/heads/main', 'refs/heads/feature/é-1', 'refs/tags/v1.2.3']),
    isProtected: !isPull && random.chance(0.5),
    sha: random.hex(40),
    event,
    workflow: `.github/workflows/${random.pick(['ci', 'release', 'nightly build'])}.yml`,
    name: random.pick(names),
    environment: random.chance(0.3) ? random.pick(['production', 'staging']) : null,
    headRepository: isPull ? random.pick([repository, `outside/${repository.split('/')[1]}`]) : null,
    calledWorkflow: random.chance(0.2) ? 'acme/shared/.github/workflows/deploy.yml@refs/tags/v3' : null,
    runId: String(10_000_000_000 + random.below(1e9)),
    runAttempt: String(1 + random.below(3)),
    runnerGroup: random.pick(['Default', 'linux-build']),
    actor: random.pick(['dev-one', 'dev-two', 'renovate[bot]']),
    matrix: random.chance(0.3) ? { os: 'linux', node: 22, slow: false } : null,
    steps: drawSteps(random, scripts),
    ...known,
  };
}

function drawSteps(random: Seeded, scripts: readonly string[]): LabStep[] {
  return scripts.map((script, at) => {
    const uses = random.chance(0.4) ? random.pick(actions) : null;
    const contextName =
      uses === null
        ? at === 0
          ? '__run'
          : `__run_${at + 1}`
        : `__${uses.split('@')[0]!.replaceAll('/', '_')}`;
    const title = uses === null ? `Run step ${at + 1}` : `Run ${uses}`;
    return { id: random.guid(), title, contextName, uses, script };
  });
}
