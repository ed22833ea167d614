// The schema of `actions`: which actions runners may have resolved and fetched.

import type { JSONSchema } from 'json-schema-to-ts';
import { oneOrList } from './rule-schema.ts';

const patterns = (description: string) =>
  oneOrList({ type: 'string', minLength: 3, maxLength: 512 }, description);
const word = (description: string) => ({ enum: ['allow', 'detect', 'block'], description }) as const;

export const actionsSchema = {
  type: 'object',
  description:
    'Actions that workflows use, judged where the platform resolves them. Archives open to the job that resolved them, whatever this says of others.',
  additionalProperties: false,
  properties: {
    allow: patterns(
      'Only these: `owner/repo`, `owner/repo/path@ref`, with `*` for a segment or a piece of one: `actions/*`, `acme/tools/*@v1.*`. Without a path every path, without `@` every reference.',
    ),
    pinned: {
      enum: ['detect', 'required'],
      description:
        'An action whose reference is no full commit SHA: recorded, or refused. Left out: not asked.',
    },
    allowUnpinned: patterns('Actions that need not be pinned.'),
    movedRef: word(
      'A reference that stands for another commit than when it was seen last: default `detect`. Refused, it stays what it was.',
    ),
    allowMoves: patterns('Actions whose references may move.'),
    offBranch: word(
      'A commit to which no branch and no tag of the repository leads. Default `allow`: not asked. Otherwise the gateway asks the repository, and where it does not answer the commit counts as off.',
    ),
    allowOffBranch: patterns('Actions whose repositories are not asked.'),
  },
} as const satisfies JSONSchema;
