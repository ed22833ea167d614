// The shape of a preset: rules as data, each with the public document that it comes from.

import type { HttpRuleFile, RuleListsFile } from '../schema.ts';

export interface Preset {
  readonly summary: string;
  readonly rules: RuleListsFile & { readonly http: HttpRuleFile[] };
}

interface Line extends Omit<HttpRuleFile, 'reason' | 'host'> {
  readonly host: string | string[];
}

/** A preset of http rules; `source` names the public document of the line that follows it. */
export function createPreset(
  name: string,
  summary: string,
  lines: readonly (readonly [id: string, source: string, rule: Line])[],
): Preset {
  const http = lines.map(([id, source, rule]) => ({
    ...rule,
    id: `preset:${name}/${id}`,
    reason: `Source: ${source}`,
  }));
  return { summary, rules: { http } };
}
