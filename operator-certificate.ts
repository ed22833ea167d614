// The certificate of the operator's listener: the keeper reads it, since root alone need be able to, and tells control when
// the files have changed. What cannot be read leaves the last good one.

import { readFileSync, statSync } from 'node:fs';
import type { Logger } from 'pino';
import type { OperatorCertificate } from './api/operator-listener.ts';
import type { Config } from './config.ts';
import { SallyportError } from './flow/errors.ts';

export class OperatorCertificates {
  readonly #files: Config['listen']['operatorTls'];
  readonly #log: Logger;
  readonly #everyMs: number;
  #seen = '';
  #current: OperatorCertificate | null = null;

  /** @throws SallyportError config-invalid when the files cannot be read */
  constructor({ listen }: Config, log: Logger, everyMs = 5_000) {
    this.#files = listen.operatorTls;
    this.#log = log;
    this.#everyMs = everyMs;
    this.#readIfChanged();
    // Never in the clear instead.
    if (this.#files !== null && this.#current === null)
      throw new SallyportError(
        'config-invalid',
        `${this.#files.certFile} or ${this.#files.keyFile} cannot be read; root must be able to`,
      );
  }

  /** Null where the listener speaks plain HTTP. */
  get current(): OperatorCertificate | null {
    return this.#current;
  }

  /** Calls when another pair has been read; answers what ends that. */
  watch(onChange: (pair: OperatorCertificate) => void): () => void {
    if (this.#files === null) return () => {};
    const timer = setInterval(() => {
      if (this.#readIfChanged() && this.#current !== null) onChange(this.#current);
    }, this.#everyMs);
    timer.unref();
    return () => clearInterval(timer);
  }

  #readIfChanged(): boolean {
    if (this.#files === null) return false;
    const { certFile, keyFile } = this.#files;
    try {
      const seen = [certFile, keyFile].map(stateOf).join(' ');
      if (seen === this.#seen) return false;
      const pair = { certificate: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
      this.#seen = seen;
      this.#current = pair;
      return true;
    } catch (error) {
      if (this.#seen !== 'unreadable')
        this.#log.error({ err: error }, 'the certificate of the operator’s listener cannot be read');
      this.#seen = 'unreadable';
      return false;
    }
  }
}

function stateOf(path: string): string {
  const { ino, size, mtimeMs } = statSync(path);
  return `${ino}-${size}-${mtimeMs}`;
}
