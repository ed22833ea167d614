// Incidents, replayed by real clients against the policy that docs/recommended-policy.md recommends, which is read from
// there: in block mode stopped, in audit mode recorded as what would be; with the names that they had and with random
// ones. What the jobs should do passes under the same policy.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { missingProgram } from '../lab/missing-program.ts';
import { Naming } from '../lab/naming.ts';
import { ReplayLab, type Cast, type Played, type PlayedStep } from '../lab/replay-lab.ts';
import { fromGitlab, fromInstall, fromPython, fromRelease, tokens, type Replay } from '../lab/replays.ts';
import { problemsOf } from '../policy/judge.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/recommended-policy.md'), 'utf8');
const policies = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1]!);
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const namings = [new Naming(null), new Naming(seed)];
const modes = ['block', 'audit'] as const;
type Mode = (typeof modes)[number];

function castsOf(mode: Mode): Cast[] {
  const [npm = '', python = '', gitlab = ''] = policies.map((text) =>
    text.replaceAll('mode: block', `mode: ${mode}`),
  );
  return namings.map((naming) => ({
    naming,
    policies: [naming.of(npm), naming.of(python), naming.of(gitlab)],
  }));
}

/** `block REASON RULE` as the tables say it, `would` in audit mode. */
function outcomeIn(mode: Mode, { reason, rule, isAlwaysBlocked }: Replay): string {
  const word = mode === 'block' || isAlwaysBlocked === true ? 'block' : 'would';
  const [verdict, why] = reason === null ? ['allow', []] : [word, [reason]];
  return [verdict, ...why, ...(rule === undefined ? [] : [rule])].join(' ');
}

function checkSteps(t: Test, mode: Mode, replays: readonly Replay[], steps: readonly PlayedStep[]): void {
  for (const [at, replay] of replays.entries()) {
    const { outcome, evidence, hasArrived } = steps[at]!;
    t.equal(outcome, outcomeIn(mode, replay), replay.incident);
    if (replay.reason !== null) t.same(evidence, replay.evidence ?? [], `${replay.incident}: evidence`);
    const isSent = replay.reason === null || replay.isAnswerJudged === true;
    const isLet = isSent || (mode === 'audit' && replay.isAlwaysBlocked !== true);
    t.equal(hasArrived, isLet, `${replay.incident}: arrived`);
  }
}

interface PlayedMode {
  readonly played: readonly Played[];
  readonly young: string;
  readonly text: string;
}

async function playAll(mode: Mode): Promise<PlayedMode> {
  const casts = castsOf(mode);
  const lab = await ReplayLab.open(casts);
  try {
    const played: Played[] = [];
    for (const [index, cast] of casts.entries()) played.push(await lab.play(cast, index));
    const young = await lab.installYoung(casts[0]!);
    return { played, young, text: lab.segmentText() };
  } finally {
    await lab.close();
  }
}

t.setTimeout(120_000);

t.test('the policies of the page are valid without a warning', (t) => {
  t.equal(policies.length, 3);
  for (const policy of policies) t.same(problemsOf(policy), []);
  t.end();
});

const programs = missingProgram('npm', 'git', 'curl', 'dig');
t.test(
  'every incident is stopped, whatever its names, and its jobs do their work',
  { skip: programs },
  async (t) => {
    const versions = ['npm', 'git', 'curl'].map((name) =>
      execFileSync(name, ['--version'], { encoding: 'utf8' }).split('\n', 1)[0]!.slice(0, 40),
    );
    t.comment(`seed ${seed}; npm ${versions.join(', ')}`);
    const all = await Promise.all(modes.map(playAll));
    for (const [place, mode] of modes.entries()) {
      const { played, young, text } = all[place]!;
      t.equal(young === '0', mode === 'audit', `${mode}: npm installs no version of two hours`);
      for (const [index, name] of ['as they were', 'renamed'].entries())
        t.test(`${mode}, ${name}`, (t) => {
          const { install, release, python, gitlab, printed, hindered } = played[index]!;
          t.match(printed, /build=0\n/, printed);
          t.match(printed, /release=0\n/, printed);
          // The lock file leads straight to the file: nobody said how old it is.
          t.same(hindered, ['would unknown-age settled']);
          checkSteps(t, mode, fromInstall, install);
          checkSteps(t, mode, fromRelease, release);
          checkSteps(t, mode, fromPython, python);
          checkSteps(t, mode, fromGitlab, gitlab);
          t.end();
        });
      for (const token of Object.values(tokens))
        t.notOk(text.includes(token), `${mode}: no token is in a record`);
    }
    for (const { played } of all)
      t.same({ ...played[0], printed: '' }, { ...played[1], printed: '' }, 'other names, the same');
  },
);
