// Asks a policy one question in one line and answers in one line, so that cases read as tables.

import { unattributed, type Attribution } from '../../flow/job.ts';
import { InvalidInputError, type Problem } from '../../flow/errors.ts';
import type { Policy } from '../../policy/compile.ts';
import { explainQuestion, type Meanings } from '../../policy/explain.ts';
import { loadPolicy, type LoadOptions } from '../../policy/load.ts';
import { readContext } from '../../policy/read-context.ts';

/** Job J of the tables: a push to main of acme/app on github.com. */
export const jobFields = {
  server: 'github.com',
  repository: 'acme/app',
  event: 'push',
  ref: 'refs/heads/main',
  workflow: '.github/workflows/ci.yml',
  job: 'build',
  actor: 'octocat',
} as const;

/** J with some fields changed; null takes one away. */
export function job(changes: Readonly<Record<string, unknown>> = {}): Attribution {
  return readContext({ ...jobFields, ...changes });
}
export const nobody = unattributed;
/** J while a second job claims its address. */
export const conflicted: Attribution = { ...job(), conflict: true };

/** The policy of a text, in block mode unless the text names one. */
export function policyOf(
  text: string,
  files: Readonly<Record<string, string>> = {},
  options: LoadOptions = {},
): Policy {
  return loadPolicy({ entry: 'policy.yaml', files: { 'policy.yaml': withHead(text), ...files } }, options)
    .policy;
}

/** The text with the version and mode that it leaves out. */
export function withHead(text: string): string {
  const version = /^version:/m.test(text) ? '' : 'version: 1\n';
  const mode = /^mode:/m.test(text) ? '' : 'mode: block\n';
  return text.startsWith('{') ? text : `${version}${mode}${text}`;
}

/** Problems of a text as `line:column severity message`. */
export function problemsOf(
  text: string,
  files: Readonly<Record<string, string>> = {},
  options: LoadOptions = {},
): readonly Problem[] {
  try {
    return loadPolicy({ entry: 'policy.yaml', files: { 'policy.yaml': text, ...files } }, options).warnings;
  } catch (error) {
    if (error instanceof InvalidInputError) return error.problems;
    throw error;
  }
}

/**
 * `METHOD URL [+body] [header=value]…` decided: `allow RULE`, `block REASON [RULE]` or `would REASON [RULE]`
 * (recorded only); a rule of a scope is written `scope:rule`.
 */
export function ask(policy: Policy, who: Attribution, question: string, meanings?: Meanings): string {
  const [method = '', url = '', ...rest] = question.split(' ');
  const headers = new Map<string, string>();
  for (const word of rest) if (word.includes('=')) headers.set(word.split('=')[0]!, word.split('=')[1]!);
  const hasBody = rest.includes('+body');
  const explanation = explainQuestion(policy, who, { method, url, hasBody, headers }, meanings);
  if (explanation.kind === 'unreadable') return `unreadable ${explanation.detail}`;
  const { verdict, enforced, rule, scope, reason } = explanation.decision;
  const by = rule === null ? '' : ` ${scope === null ? '' : `${scope}:`}${rule}`;
  if (verdict === 'allow') return `allow${by}`;
  return `${enforced ? 'block' : 'would'} ${reason}${by}`;
}
