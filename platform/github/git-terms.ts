// What git and LFS need on a repository, and on a gist, which no workflow's key grants.

import type { Operation, Touch } from '../../flow/operation.ts';

/** The touch of the place that the path names, with this access and these refs. */
export type TouchAs = (access: 'read' | 'write', refs: readonly string[] | null) => Touch;

export const readContents: Operation['needs'] = [{ contents: 'read' }];
export const writeContents: Operation['needs'] = [{ contents: 'write' }];
const nothing: Operation['needs'] = [{}];

export interface GitTerms {
  /** Begins the names of operations. */
  readonly family: 'git' | 'gist';
  readonly read: Operation['needs'];
  readonly write: Operation['needs'];
  /** What a push needs that no key grants. */
  readonly beyond: readonly string[];
  /** What a push does not show, for people. */
  readonly unseen: string;
}

const unseen = 'files under .github/workflows cannot be seen in a push';

export const repositoryTerms: GitTerms = {
  family: 'git',
  read: readContents,
  write: writeContents,
  beyond: [],
  unseen,
};
export const gistTerms: GitTerms = {
  family: 'gist',
  read: nothing,
  write: nothing,
  beyond: ['gists: write'],
  unseen,
};
