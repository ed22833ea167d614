// All presets by the name that a policy uses.

import type { PresetName } from '../schema.ts';
import { githubRunner } from './github-runner.ts';
import { gitlabRunner } from './gitlab-runner.ts';
import type { Preset } from './preset.ts';
import { crates, debian, dockerHub, go, maven, npm, nuget, pypi, rubygems } from './registries.ts';

export const presets: Readonly<Record<PresetName, Preset>> = {
  'github-runner': githubRunner,
  'gitlab-runner': gitlabRunner,
  npm,
  pypi,
  debian,
  'docker-hub': dockerHub,
  go,
  crates,
  maven,
  nuget,
  rubygems,
};
