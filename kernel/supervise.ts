// The keeper's children: starts one with the rights it may have and the sockets it inherits, serves its frames,
// and starts its successor when it ends. Knows nothing of what a request means.

import { spawn, type ChildProcess } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { encodeFrame, readFrames, type Frame, type FrameType } from '../flow/channel.ts';

/** Where a child finds what it inherits: the pipe to the keeper, then its sockets in the order of `fds`. */
export const pipeFd = 3;
export const firstInheritedFd = 4;

export interface ChildSpec {
  readonly name: string;
  readonly script: string;
  /** Flags of node besides those that every child gets. */
  readonly flags?: readonly string[];
  readonly uid: number;
  readonly gid: number;
  /** Descriptors of the keeper that the child inherits as 4, 5, … */
  readonly fds: readonly number[];
  /** Folders that the child may write to; it may read everything its user may. */
  readonly writable: readonly string[];
  readonly frameLimit: number;
  /** Sent first, as JSON; a function is asked at each start. It holds no secret. */
  readonly configuration: object | (() => object);
  /** Answers a request; what it throws is sent back as text. */
  readonly answer: (frame: Frame) => Uint8Array | Promise<Uint8Array>;
  readonly onReady: () => void;
  readonly onEnd: (detail: string) => void;
  readonly onStarted?: (pid: number) => void;
  /** Called with the pid of each process that was started and is gone, whatever ended it. */
  readonly onGone?: (pid: number) => void;
  /** How long a child may say nothing before it counts as hung; default one minute. */
  readonly silenceMs?: number;
  /** Called once when the child cannot be kept alive: 8 ends within 20 s. */
  readonly onGivenUp: () => void;
}

const givenUpAfter = 8;
const withinMs = 20_000;
/** Answers that a child may leave unread, in bytes: far more than all that it may wait for at once. */
const maxOwedBytes = 1024 * 1024;
const maxBehindBytes = 8 * 1024 * 1024;
const silenceMs = 60_000;
/** What a retired child has beyond its limit, for its last records. */
const retireGraceMs = 5_000;
/** Looks at a silent child before it is ended: a keeper that was stopped itself looks once, however long it was. */
const silentLooks = 12;

/** One child and its successors. */
export class SupervisedChild {
  readonly #spec: ChildSpec;
  readonly #ends: number[] = [];
  #process: ChildProcess | null = null;
  #pipe: Duplex | null = null;
  #owedBytes = 0;
  #silent = 0;
  #watch: NodeJS.Timeout | undefined;
  #isStopping = false;

  constructor(spec: ChildSpec) {
    this.#spec = spec;
    this.#start();
  }

  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  /** Sends a frame that expects no answer. False when the child does not read: it is then behind, not waited for. */
  notify(type: FrameType, value: object = {}): boolean {
    const pipe = this.#pipe;
    if (pipe === null || pipe.destroyed || pipe.writableLength > maxBehindBytes) return false;
    return pipe.write(encodeFrame(0, type, Buffer.from(JSON.stringify(value))));
  }

  /** Asks the child to drain, ends it after `limitMs`, and resolves when it is gone. */
  stop(limitMs: number): Promise<void> {
    return this.#drain('drain', limitMs, limitMs);
  }

  /** The same for a child that has a successor on the same sockets already: it takes nothing new and may take its time. */
  retire(limitMs: number): Promise<void> {
    return this.#drain('retire', limitMs, limitMs + retireGraceMs);
  }

  async #drain(type: 'drain' | 'retire', limitMs: number, killMs: number): Promise<void> {
    this.#isStopping = true;
    const child = this.#process;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    this.notify(type, { limitMs });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), killMs);
      child.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  // Where the machine is out of memory, processes or descriptors, Node throws (ENOMEM) or tells of an error and of no
  // exit (EAGAIN, EMFILE, ENOENT): such a child has ended as well, and its successor comes later.
  #start(): void {
    try {
      const child = spawnChild(this.#spec);
      this.#process = child;
      child.on('exit', (code, signal) => {
        if (child.pid !== undefined) this.#spec.onGone?.(child.pid);
        this.#ended(signal ?? `exit code ${code}`);
      });
      child.on('error', (error) => {
        if (child.pid === undefined) this.#ended(`cannot be started: ${error.message}`);
        else this.#spec.onEnd(error.message);
      });
      if (child.pid === undefined) return;
      this.#spec.onStarted?.(child.pid);
      // `stdio[3]: 'pipe'` of a spawned child is a duplex socket pair; Node types it as a union.
      const pipe = child.stdio[pipeFd] as Duplex | undefined;
      if (pipe !== undefined) this.#speak(child, pipe);
    } catch (error) {
      this.#process = null;
      this.#ended(`cannot be started: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #speak(child: ChildProcess, pipe: Duplex): void {
    const spec = this.#spec;
    this.#pipe = pipe;
    this.#owedBytes = 0;
    this.#silent = 0;
    this.#watch = setInterval(() => this.#look(child), (spec.silenceMs ?? silenceMs) / silentLooks).unref();
    pipe.on('error', () => pipe.destroy());
    const { configuration } = spec;
    const settings: unknown = typeof configuration === 'function' ? configuration() : configuration;
    pipe.write(encodeFrame(0, 'configure', Buffer.from(JSON.stringify(settings))));
    readFrames(
      pipe,
      spec.frameLimit,
      (frame) => this.#serve(pipe, frame),
      (detail) => {
        spec.onEnd(`broke the pipe’s protocol: ${detail}`);
        child.kill('SIGKILL');
      },
    );
  }

  #look(child: ChildProcess): void {
    if (++this.#silent <= silentLooks) return;
    this.#silent = 0;
    this.#spec.onEnd('was silent for too long: its event loop hangs');
    child.kill('SIGKILL');
  }

  #serve(pipe: Duplex, frame: Frame): void {
    this.#silent = 0;
    if (frame.type === 'alive') return;
    if (frame.type === 'ready') return this.#spec.onReady();
    const reply = (type: FrameType, payload: Uint8Array): void =>
      this.#reply(pipe, encodeFrame(frame.id, type, payload));
    const fail = (error: unknown): void =>
      reply('failed', Buffer.from(error instanceof Error ? error.message : String(error)));
    try {
      const answer = this.#spec.answer(frame);
      if (answer instanceof Promise) answer.then((payload) => reply('ok', payload), fail);
      else reply('ok', answer);
    } catch (error) {
      fail(error);
    }
  }

  // A pipe buffers without limit: whoever asks and never reads would fill the keeper's memory.
  #reply(pipe: Duplex, frame: Buffer): void {
    if (pipe.destroyed || pipe !== this.#pipe) return;
    if (this.#owedBytes + frame.length > maxOwedBytes) {
      this.#spec.onEnd(`left ${this.#owedBytes} bytes of answers unread`);
      pipe.destroy();
      this.#process?.kill('SIGKILL');
      return;
    }
    this.#owedBytes += frame.length;
    pipe.write(frame, () => {
      if (pipe === this.#pipe) this.#owedBytes -= frame.length;
    });
  }

  #ended(detail: string): void {
    clearInterval(this.#watch);
    this.#pipe?.destroy();
    this.#pipe = null;
    if (this.#isStopping) return;
    this.#spec.onEnd(detail);
    const now = performance.now();
    this.#ends.push(now);
    while (this.#ends.length > 0 && this.#ends[0]! < now - withinMs) this.#ends.shift();
    if (this.#ends.length >= givenUpAfter) return this.#spec.onGivenUp();
    const delayMs = this.#ends.length === 1 ? 0 : Math.min(2000, 50 * 2 ** this.#ends.length);
    setTimeout(() => {
      if (!this.#isStopping) this.#start();
    }, delayMs);
  }
}

function spawnChild(spec: ChildSpec): ChildProcess {
  return spawn(process.execPath, [...nodeArguments(spec), spec.script], {
    uid: spec.uid,
    gid: spec.gid,
    env: {},
    cwd: '/',
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', ...spec.fds],
  });
}

// No inspector by signal, no file outside the named folders, no child processes; threads for whom `flags` allow them.
function nodeArguments(spec: ChildSpec): string[] {
  return [
    ...(spec.flags ?? []),
    '--disable-sigusr1',
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
    '--permission',
    '--allow-addons',
    '--allow-fs-read=*',
    ...spec.writable.map((folder) => `--allow-fs-write=${folder}`),
  ];
}
