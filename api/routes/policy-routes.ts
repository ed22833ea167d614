// The policy: what is in force with its text, what was, and what changed between two.

import type { PolicyBundle } from '../../policy/load.ts';
import { listRoute } from '../answer-list.ts';
import { diffTexts } from '../diff-texts.ts';
import { ProblemError } from '../problem.ts';
import type { AskStore } from '../store-question.ts';
import { objectOf, orNull, type ApiRoute, type Fields, type Schema } from './api-route.ts';
import { isoTime, text, time, word } from './fields.ts';

/** The policy as control has it in force. */
export interface PolicySide {
  /** Null: none has been loaded yet. */
  current(): {
    readonly revision: string;
    readonly mode: 'audit' | 'block';
    readonly bundle: PolicyBundle;
  } | null;
  /** What is wrong with the files as they were read last, or why they are not in force everywhere; null: all is well. */
  problem(): string | null;
  /** Reads the files anew; resolves whatever came of it. */
  reload(): Promise<void>;
}

const read = { method: 'GET', role: 'viewer', owners: 'everything', audited: false, rate: 'read' } as const;
const revision: Schema = {
  type: 'string',
  pattern: '^[0-9a-f]{12}$',
  description: 'Revision: 12 hexadecimal digits.',
};
const files: Schema = {
  type: 'array',
  description: 'The policy’s file first, then those that it names.',
  items: objectOf({ name: text('Relative to the policy’s folder.'), text: text('As it was read.') }),
};
const currentFields: Fields = {
  revision: orNull(text('Revision in force; null: none.')),
  mode: orNull(word('Mode.', ['audit', 'block'])),
  problem: orNull(text('What is wrong with the files as they were read last; null: they are in force.')),
  files,
};

function filesOf({ entry, files: all }: PolicyBundle): { name: string; text: string }[] {
  const others = Object.keys(all).filter((name) => name !== entry);
  return [entry, ...others.toSorted()].map((name) => ({ name, text: all[name] ?? '' }));
}

function showCurrent(side: PolicySide): object {
  const current = side.current();
  const { revision: name = null, mode = null } = current ?? {};
  return {
    revision: name,
    mode,
    problem: side.problem(),
    files: current === null ? [] : filesOf(current.bundle),
  };
}

export function policyRoutes(ask: AskStore, side: PolicySide): readonly ApiRoute[] {
  return [
    {
      rule: { ...read, path: '/v1/policy' },
      id: 'getPolicy',
      summary: 'The policy in force, with its text.',
      tag: 'policy',
      answer: objectOf(currentFields),
      handle: async () => showCurrent(side),
    },
    reloadRoute(side),
    listRoute({
      path: '/v1/policy/revisions',
      id: 'listRevisions',
      summary: 'Each coming into force of a policy at a gateway, the last first.',
      tag: 'policy',
      owners: 'everything',
      filters: {},
      sorts: ['-time'],
      item: {
        revision: text('Revision.'),
        time: time('When it came into force.'),
        fleet: text('Fleet.'),
        gateway: text('Gateway.'),
      },
      find: async (_, { limit, cursor }) => {
        const page = await ask('revisions', { limit, cursor });
        return {
          items: page.items.map(({ atMs, ...rest }) => ({ ...rest, time: isoTime(atMs) })),
          next: page.next,
        };
      },
    }),
    {
      rule: { ...read, path: '/v1/policy/revisions/:revision' },
      id: 'getRevision',
      summary: 'The text of a revision that was in force.',
      tag: 'policy',
      params: { revision },
      answer: objectOf({ revision: text('Revision.'), time: time('When it first came into force.'), files }),
      handle: async ({ params }) => {
        const found = await bundleOf(ask, side, String(params['revision']));
        return { revision: params['revision'], time: isoTime(found.atMs), files: filesOf(found.bundle) };
      },
    },
    diffRoute(ask, side),
  ];
}

function reloadRoute(side: PolicySide): ApiRoute {
  return {
    rule: {
      method: 'POST',
      path: '/v1/policy/reload',
      role: 'admin',
      owners: 'everything',
      audited: true,
      rate: 'write',
    },
    id: 'reloadPolicy',
    summary: 'Reads the policy’s files anew; a policy with an error changes nothing.',
    tag: 'policy',
    body: reasonBody,
    answer: objectOf(currentFields),
    handle: async () => {
      await side.reload();
      const problem = side.problem();
      if (problem !== null) throw new ProblemError('refused', problem);
      return showCurrent(side);
    },
  };
}

/** Of a write that takes nothing else. */
export const reasonBody: Schema = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: {
    reason: { type: 'string', minLength: 1, maxLength: 500, description: 'Why, for the audit log.' },
  },
};

function diffRoute(ask: AskStore, side: PolicySide): ApiRoute {
  return {
    rule: { ...read, path: '/v1/policy/diff' },
    id: 'diffPolicies',
    summary: 'What changed between two revisions, file by file, as `diff -u` writes it.',
    tag: 'policy',
    query: { base: revision, head: revision },
    answer: objectOf({
      base: text('Revision.'),
      head: text('Revision.'),
      files: {
        type: 'array',
        items: objectOf({
          name: text('File.'),
          change: word('What became of it.', ['added', 'removed', 'changed']),
          diff: text('Hunks of a unified diff.'),
        }),
      },
    }),
    handle: async ({ query }) => {
      const { base, head } = query;
      if (base === undefined || head === undefined)
        throw new ProblemError('invalid-query', 'base and head name two revisions');
      const [before, after] = await Promise.all(
        [base, head].map((name) => bundleOf(ask, side, String(name))),
      );
      return { base, head, files: changesOf(before!.bundle, after!.bundle) };
    },
  };
}

function changesOf(before: PolicyBundle, after: PolicyBundle): object[] {
  const names = [...new Set([...Object.keys(before.files), ...Object.keys(after.files)])].toSorted();
  return names.flatMap((name) => {
    const [old, now] = [before.files[name], after.files[name]];
    if (old === now) return [];
    const change = old === undefined ? 'added' : now === undefined ? 'removed' : 'changed';
    return [{ name, change, diff: diffTexts(old ?? '', now ?? '') }];
  });
}

/** A revision's files. @throws ProblemError not-found */
async function bundleOf(
  ask: AskStore,
  side: PolicySide,
  name: string,
): Promise<{ readonly atMs: number; readonly bundle: PolicyBundle }> {
  const found = await ask('bundle', name);
  // Written by control alone, as policy/load.ts has it.
  if (found !== null) return { atMs: found.atMs, bundle: JSON.parse(found.text) as PolicyBundle };
  const current = side.current();
  if (current?.revision === name) return { atMs: Date.now(), bundle: current.bundle };
  throw new ProblemError('not-found', 'no such revision was in force');
}
