// The rows of what was asked to be changed: one is written before the write is done, or the write is not done, and told
// afterwards how it ended. What was refused before that has a row too. No body is ever in one.

import { uuidv7 } from '../../flow/uuid.ts';
import { ProblemError } from '../problem.ts';
import type { AuditOutcome, AuditPort } from './access-port.ts';
import { withoutTokens } from './token.ts';

const longestText = 500;

/** What somebody wants to do. */
export interface AskedWrite {
  /** An actor's name; `nobody` where none was recognised. */
  readonly actor: string;
  readonly address: string;
  readonly action: string;
  readonly target: string;
  readonly reason: string;
}

export interface AuditLog {
  error(details: object, message: string): void;
}

export class AuditTrail {
  readonly #port: AuditPort;
  readonly #clock: () => number;
  readonly #log: AuditLog;

  constructor(port: AuditPort, clock: () => number, log: AuditLog) {
    this.#port = port;
    this.#clock = clock;
    this.#log = log;
  }

  /** Answers the id of the row. @throws ProblemError audit-away: then nothing may be done */
  async begin(write: AskedWrite): Promise<string> {
    try {
      return await this.#add(write, 'begun');
    } catch (error) {
      this.#log.error(
        { err: error, action: write.action },
        'a write was not done: its row cannot be written',
      );
      throw new ProblemError('audit-away');
    }
  }

  /**
   * Does what root of the machine asks for and tells how it ended. Never kept from it by a store that is away: a runner
   * must be cut off then too.
   */
  async record<T>(write: AskedWrite, act: () => Promise<T>): Promise<T> {
    const id = await this.begin(write).catch(() => null);
    try {
      const done = await act();
      if (id !== null) await this.end(id, 'done', write.target);
      return done;
    } catch (error) {
      if (id !== null) await this.end(id, 'failed', write.target);
      throw error;
    }
  }

  /** Never rejects: what was done stays done, and its row says `begun`. */
  async end(id: string, outcome: AuditOutcome, target: string): Promise<void> {
    try {
      await this.#port.endEntry(id, outcome, plain(target));
    } catch (error) {
      this.#log.error({ err: error, id, outcome }, 'how a write ended cannot be written');
    }
  }

  /** A row of what was refused before it began. Never rejects: it was not done. */
  async refuse(write: AskedWrite): Promise<void> {
    try {
      await this.#add(write, 'refused');
    } catch (error) {
      this.#log.error({ err: error, action: write.action }, 'the row of a refused write cannot be written');
    }
  }

  async #add(write: AskedWrite, outcome: AuditOutcome): Promise<string> {
    const { actor, address, action, target, reason } = write;
    const atMs = this.#clock();
    const id = uuidv7();
    const texts = { target: plain(target), reason: plain(reason) };
    await this.#port.addEntry({ id, atMs, actor, address, action, ...texts, outcome });
    return id;
  }
}

/** Without tokens, and without control characters, which a terminal would obey and PostgreSQL would not take. */
function plain(text: string): string {
  return withoutTokens(text)
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, ' ')
    .slice(0, longestText);
}
