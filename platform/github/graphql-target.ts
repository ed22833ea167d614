// Which alternative the id in a mutation's input speaks for: GitHub's ids begin with the kind of thing they name (`I_`,
// `PR_`), older ones are base64 of it. It narrows what is derived of a call, and never opens anything.

import type { FieldNode } from 'graphql';
import { textAt, type Variables } from '../graphql-value.ts';
import type { NeedSet } from '../need-sets.ts';

const inputs = ['subjectId', 'labelableId', 'assignableId', 'lockableId', 'id'];
/** Comments on issues and pull requests share a kind. */
const keyOfKind: ReadonlyMap<string, string> = new Map([
  ['I', 'issues'],
  ['Issue', 'issues'],
  ['PR', 'pull-requests'],
  ['PRR', 'pull-requests'],
  ['PRRC', 'pull-requests'],
  ['PullRequest', 'pull-requests'],
  ['PullRequestReview', 'pull-requests'],
  ['PullRequestReviewComment', 'pull-requests'],
  ['D', 'discussions'],
  ['DC', 'discussions'],
  ['Discussion', 'discussions'],
  ['DiscussionComment', 'discussions'],
  ['CC', 'contents'],
  ['CommitComment', 'contents'],
]);

/** The alternatives that are left; all of them where the id tells nothing. */
export function narrowByTarget(needs: NeedSet, field: FieldNode, variables: Variables): NeedSet {
  for (const input of inputs) {
    const id = textAt(field, ['input', input], variables);
    if (id === null) continue;
    const key = keyOfKind.get(kindOf(id));
    const left = key === undefined ? [] : needs.filter((need) => Object.hasOwn(need, key));
    return left.length > 0 ? left : needs;
  }
  return needs;
}

function kindOf(id: string): string {
  const [kind = '', rest] = id.slice(0, 200).split('_');
  if (rest !== undefined) return kind;
  const old = Buffer.from(id.slice(0, 200), 'base64').toString('latin1');
  return /^0\d+:([A-Za-z]+)\d+$/.exec(old)?.[1] ?? '';
}
