// `sallyport run --json` on the lab's host: the namespace `gateway` of a lab without a gateway of its own, whose only
// way out is the lab's internet.

import { join } from 'node:path';
import { startInside, waitForExit } from '../../netns/enter.ts';
import type { FlowSummary } from '../../netns/flow-table.ts';
import type { Lab } from './lab.ts';
import { labAddresses } from './origins.ts';

const main = join(import.meta.dirname, '../../main.ts');

export interface Ran {
  readonly code: number;
  /** What the command printed, both streams. */
  readonly printed: string;
  readonly summary: FlowSummary & { readonly exitCode: number };
}

/** Runs the command with these options of `run` to its end; upstream certificates are the lab's. */
export async function runOnHost(
  lab: Lab,
  options: readonly string[],
  command: readonly string[],
  cwd = lab.directory,
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  lab.useResolver(labAddresses.dns4);
  const program = [process.execPath, '--disable-warning=ExperimentalWarning', main, 'run', '--json'];
  const child = startInside(
    [...program, '--authority', join(lab.directory, 'lab-ca.pem'), ...options, '--', ...command],
    {
      namespace: lab.topology.gateway,
      resolvConf: join(lab.directory, 'resolv.conf'),
      user: null,
      env: {
        PATH: process.env['PATH'],
        HOME: lab.directory,
        GIT_TERMINAL_PROMPT: '0',
        GIT_CONFIG_NOSYSTEM: '1',
        ...env,
      },
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let [stdout, printed] = ['', ''];
  child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr?.on('data', (chunk) => (printed += String(chunk)));
  const code = await waitForExit(child);
  if (stdout === '') throw new Error(`run printed nothing and ended with ${code}:\n${printed}`);
  // Printed by run-command.ts in this shape.
  return { code, printed, summary: JSON.parse(stdout) as Ran['summary'] };
}
