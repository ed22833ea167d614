// Reads who is asking from plain data (a line of `explain --batch`, options of a command) into a declared job.

import { unattributed, type Attribution, type Job } from '../flow/job.ts';
import { canonicaliseHost } from './canonicalise-host.ts';

/** A declared attribution; no context is no known job. Fields of another type than expected count as unknown. */
export function readContext(context: unknown): Attribution {
  if (typeof context !== 'object' || context === null) return unattributed;
  const fields = new Map<string, unknown>(Object.entries(context));
  const text = (key: string) => {
    const value = fields.get(key);
    return typeof value === 'string' && value !== ''
      ? value
      : typeof value === 'number'
        ? String(value)
        : null;
  };
  const flag = (key: string) => {
    const value = fields.get(key);
    return typeof value === 'boolean' ? value : null;
  };
  const usual = text('project') === null ? 'github.com' : 'gitlab.com';
  const server = readServer(text('server') ?? text('server_url') ?? text('api_url') ?? usual);
  const repository = text('repository') ?? text('project');
  const job: Job = {
    platform: isGitlab(server, text('api_url'), text('project')) ? 'gitlab' : 'github',
    server,
    repository,
    repositoryId: text('repository_id'),
    workflow: text('workflow'),
    calledWorkflow: text('called_workflow') ?? text('calledWorkflow'),
    ref: normaliseRef(text('ref')),
    event: text('event'),
    environment: text('environment'),
    name: text('job'),
    runId: text('run_id'),
    runnerGroup: text('runner_group') ?? text('runnerGroup'),
    actor: text('actor'),
    fork: flag('fork'),
    protected: flag('protected'),
    private: flag('private'),
  };
  return { job, source: 'declared', certainty: 'certain', conflict: false };
}

function readServer(text: string): string {
  const bare = text.replace(/^https?:\/\//i, '').replace(/[/?#].*$/, '');
  const host = canonicaliseHost(bare.replace(/:\d+$/, ''));
  const name = host.kind === 'name' ? host.name : bare;
  if (name === 'api.github.com') return 'github.com';
  return name.replace(/^api\.(?=[a-z0-9-]+\.ghe\.com$)/, '');
}

function isGitlab(server: string, apiUrl: string | null, project: string | null): boolean {
  return project !== null || /\/api\/v4\b/.test(apiUrl ?? '') || server.split('.').includes('gitlab');
}

/** A branch name alone becomes a full ref, as sources of jobs write it. */
function normaliseRef(ref: string | null): string | null {
  return ref === null || ref.startsWith('refs/') ? ref : `refs/heads/${ref}`;
}
