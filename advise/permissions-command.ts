// `sallyport permissions`: the smallest `permissions:` block of each job, from the records of a gateway.

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { exitCodes, SallyportError } from '../flow/errors.ts';
import type { FlowRecord } from '../flow/flow.ts';
import type { CommandIo } from '../policy/check-command.ts';
import { readSegments } from '../store/read-segments.ts';
import { deriveAllowlists } from './derive-allowlists.ts';
import { derivePermissions } from './derive-permissions.ts';
import { compareGranted, readGranted } from './granted-permissions.ts';
import { writeAllowlists } from './write-allowlists.ts';
import { writePermissions } from './write-permissions.ts';

const help = `usage: sallyport permissions [--repo OWNER/NAME] [--workflow FILE] [--job NAME] [--granted PERMISSIONS]
                             [--segments DIR | --state DIR] [--json]

Prints the smallest permissions: block of each job of GitHub, from the requests that its runs made; of each job of
GitLab the projects that must have it on the allowlists of their job tokens, and the permissions of each entry.
  --repo, --workflow, --job   only these; a workflow by its path or the last part of it
  --granted                   what the workflow grants today, to be compared: "contents: write, issues: read",
                              read-all, write-all or none
  --segments                  directory of records (default: segments/ of the state directory)
  --state                     state directory of the gateway (default /var/lib/sallyport)
  --json                      one object {jobs, unattributed, allowlists}

Blocked and failed calls, calls on other repositories and with other credentials are not counted.

Exit codes: 0 done, 1 no call of such a job was recorded, 2 invalid input.
`;

const text = { type: 'string' } as const;
const options = {
  repo: text,
  workflow: text,
  job: text,
  granted: text,
  segments: text,
  state: { type: 'string', default: '/var/lib/sallyport' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

interface Wanted {
  readonly repo?: string | undefined;
  readonly workflow?: string | undefined;
  readonly job?: string | undefined;
}

/** Runs the command; answers its exit code. @throws SallyportError usage */
export async function runPermissions(args: readonly string[], io: CommandIo): Promise<number> {
  const { values } = parseArgs({ args: [...args], options });
  if (values.help) {
    io.stdout.write(help);
    return exitCodes.ok;
  }
  const granted = values.granted === undefined ? null : readGranted(values.granted);
  const directory = values.segments ?? join(values.state, 'segments');
  await requireDirectory(directory);
  const wanted = { isWanted: (record: FlowRecord) => isWanted(record, values) };
  const found = await derivePermissions(readSegments(directory), wanted);
  const allowlists = await deriveAllowlists(readSegments(directory), wanted);
  if (values.json) {
    const jobs = found.jobs.map((job) =>
      granted === null ? job : { ...job, granted, differences: compareGranted(granted, job.permissions) },
    );
    io.stdout.write(`${JSON.stringify({ ...found, jobs, allowlists })}\n`);
  } else {
    const both = found.jobs.length > 0 && allowlists.length > 0 ? '---\n' : '';
    io.stdout.write(`${writePermissions(found.jobs, granted)}${both}${writeAllowlists(allowlists)}`);
    if (found.unattributed > 0)
      io.stderr.write(
        `${found.unattributed} requests to GitHub belong to no known job and are not counted\n`,
      );
  }
  if (found.jobs.length + allowlists.length > 0) return exitCodes.ok;
  if (!values.json) io.stderr.write(`no call of such a job is recorded in ${directory}\n`);
  return exitCodes.failed;
}

async function requireDirectory(directory: string): Promise<void> {
  const found = await stat(directory).catch(() => null);
  if (found?.isDirectory() !== true)
    throw new SallyportError(
      'usage',
      `${directory} is no directory; --segments or --state names that of the records`,
    );
}

function isWanted({ job }: FlowRecord, { repo, workflow, job: name }: Wanted): boolean {
  if (repo !== undefined && job?.repository?.toLowerCase() !== repo.toLowerCase()) return false;
  if (name !== undefined && job?.name !== name) return false;
  if (workflow === undefined) return true;
  return job?.workflow === workflow || job?.workflow?.endsWith(`/${workflow}`) === true;
}
