// The policy that `run` hands to its gateway: the user's own file; with --mode a copy of it (and of every file it
// names) in which only the top level's mode differs; without any file one that records everything.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Mode } from '../flow/decision.ts';
import { SallyportError } from '../flow/errors.ts';
import { loadPolicy, readPolicyBundle } from '../policy/load.ts';

/**
 * Path of the policy to be used: always a copy inside `directory`, which the gateway's users can read.
 * @throws InvalidInputError with every problem of the policy, SallyportError usage
 */
export function prepareRunPolicy(
  path: string | undefined,
  mode: Mode | undefined,
  directory: string,
): string {
  if (path === undefined) {
    const own = join(directory, 'policy.yaml');
    writeFileSync(own, `version: 1\nmode: ${mode ?? 'audit'}\n`);
    return own;
  }
  const bundle = readPolicyBundle(path);
  loadPolicy(bundle);
  const folder = join(directory, 'policy');
  for (const [name, text] of Object.entries(bundle.files)) {
    const target = resolve(folder, name);
    if (!target.startsWith(`${folder}/`)) {
      throw new SallyportError('usage', `the policy names ${name}, which is outside its own folder`);
    }
    mkdirSync(dirname(target), { recursive: true });
    const isEntry = name === bundle.entry;
    writeFileSync(target, isEntry && mode !== undefined ? replaceMode(text, mode) : text);
  }
  return resolve(folder, bundle.entry);
}

/** The policy's text with another mode at the top level; no line moves, so that errors keep their places. */
export function replaceMode(text: string, mode: Mode): string {
  if (/^mode:.*$/m.test(text)) return text.replace(/^mode:.*$/m, `mode: ${mode}`);
  return `${text.trimEnd()}\nmode: ${mode}\n`;
}

/** Whether this policy may let anything through that the kernel forwards: an audit, or a `network` rule. */
export function needsForwarding(text: string): boolean {
  // Bundles and scopes may hold either key; a false yes only means forwarding that nothing uses.
  return (
    !/^mode:\s*block\b/m.test(text) ||
    /\bnetwork['"]?\s*:/.test(text) ||
    /\bmode['"]?\s*:\s*['"]?audit\b/.test(text)
  );
}
