// The shape of a preset: rules as data, each with the public document that it comes from.

import type {
  GithubRuleFile,
  GitlabRuleFile,
  HttpRuleFile,
  ImageRuleFile,
  RuleListsFile,
} from '../schema.ts';

export interface Preset {
  readonly summary: string;
  readonly rules: Omit<RuleListsFile, 'presets'> & { readonly http: HttpRuleFile[] };
}

type Line<Rule> = readonly [id: string, source: string, rule: Omit<Rule, 'id' | 'reason'>];

/** Rules on what requests mean. */
interface Meanings {
  readonly github?: readonly Line<GithubRuleFile>[];
  readonly gitlab?: readonly Line<GitlabRuleFile>[];
  readonly images?: readonly Line<ImageRuleFile>[];
}

/** A preset of http rules and of those on what requests mean; `source` names the public document of each line. */
export function createPreset(
  name: string,
  summary: string,
  http: readonly Line<HttpRuleFile>[],
  { github = [], gitlab = [], images = [] }: Meanings = {},
): Preset {
  const write = <Rule>(lines: readonly Line<Rule>[]) =>
    lines.map(([id, source, rule]) => ({ ...rule, id: `preset:${name}/${id}`, reason: `Source: ${source}` }));
  return {
    summary,
    rules: {
      http: write(http),
      ...(github.length > 0 && { github: write(github) }),
      ...(gitlab.length > 0 && { gitlab: write(gitlab) }),
      ...(images.length > 0 && { images: write(images) }),
    },
  };
}
