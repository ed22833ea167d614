// The policy that `run` hands to its gateway: the user's own file; with --mode a copy of it (and of every file it
// names) in which only the top level's mode differs; without any file one that records everything.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { Mode } from '../flow/decision.ts';
import { SallyportError } from '../flow/errors.ts';
import { readPolicyBundle } from '../policy/load.ts';

/** Path of the policy to be used. @throws InvalidInputError, SallyportError usage */
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
  if (mode === undefined) return resolve(path);
  return copyWithMode(path, mode, directory);
}

function copyWithMode(path: string, mode: Mode, directory: string): string {
  const folder = dirname(resolve(path));
  const copy = join(directory, 'policy', 'policy.yaml');
  for (const name of Object.keys(readPolicyBundle(path).files)) {
    if (resolve(folder, name) === resolve(path)) continue;
    if (isAbsolute(name)) continue;
    const target = resolve(dirname(copy), name);
    if (!target.startsWith(`${dirname(copy)}/`)) {
      throw new SallyportError(
        'usage',
        `--mode cannot be used with a policy that names ${name} outside its own folder`,
      );
    }
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, readFileSync(resolve(folder, name)));
  }
  mkdirSync(dirname(copy), { recursive: true });
  writeFileSync(copy, replaceMode(readFileSync(path, 'utf8'), mode));
  return copy;
}

/** The policy's text with another mode at the top level; no line moves, so that errors keep their places. */
export function replaceMode(text: string, mode: Mode): string {
  if (/^mode:.*$/m.test(text)) return text.replace(/^mode:.*$/m, `mode: ${mode}`);
  return `${text.trimEnd()}\nmode: ${mode}\n`;
}

/** Whether this policy may let anything through that the kernel forwards: an audit, or a `network` rule. */
export function needsForwarding(text: string): boolean {
  // Bundles and scopes may hold either key; a false yes only means forwarding that nothing uses.
  return !/^mode:\s*block\b/m.test(text) || /\bnetwork\s*:/.test(text) || /\bmode\s*:\s*audit\b/.test(text);
}
