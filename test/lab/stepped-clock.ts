// A gateway whose clock the test may step while it runs, without touching the machine's: each of its programs first
// loads a Date that is off by what a file says. The programs are laid over the real ones in a mount namespace of its own.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
/** Which clock is stepped: the wall's, of every program, or the monotonic one, of the workers. */
const programsOf = { wall: ['main.ts', 'control.ts', 'worker.ts'], monotonic: ['worker.ts'] } as const;
const lookEveryMs = 50;
const steps = {
  wall: `class SteppedDate extends Real {
  constructor(...args) { if (args.length === 0) super(Real.now() + offsetMs); else super(...args); }
  static now() { return Real.now() + offsetMs; }
}
globalThis.Date = SteppedDate;`,
  monotonic: `const now = performance.now.bind(performance);
performance.now = () => now() + offsetMs;`,
} as const;

const shim = (file: string, kind: keyof typeof steps): string => `import { readFileSync } from 'node:fs';
const Real = Date;
let offsetMs = 0;
const look = () => { offsetMs = Number(readFileSync(${JSON.stringify(file)}, 'latin1')); };
${steps[kind]}
look();
setInterval(look, ${lookEveryMs}).unref();
`;

/** Takes effect within 50 ms. */
export class SteppedClock {
  readonly #file: string;
  /** Goes before the gateway's command. */
  readonly prefix: readonly string[];

  /** `directory` must be readable by every user. */
  constructor(directory: string, kind: keyof typeof steps = 'wall') {
    const place = join(directory, 'clock');
    mkdirSync(place, { mode: 0o755 });
    this.#file = join(place, 'offset-ms');
    this.step(0);
    const shimFile = join(place, 'shim.mjs');
    writeFileSync(shimFile, shim(this.#file, kind));
    const mounts = programsOf[kind].map((name) => {
      const copy = join(place, name);
      const text = readFileSync(join(root, name), 'utf8');
      const first = text.startsWith('#!') ? text.indexOf('\n') + 1 : 0;
      writeFileSync(copy, `${text.slice(0, first)}import '${shimFile}';\n${text.slice(first)}`);
      return `mount --bind ${copy} ${join(root, name)}`;
    });
    this.prefix = ['unshare', '--mount', 'sh', '-c', `${mounts.join(' && ')} && exec "$@"`, 'sh'];
  }

  /** Sets the gateway's clock off by so much from the real time. */
  step(offsetMs: number): void {
    writeFileSync(this.#file, String(offsetMs));
  }
}
