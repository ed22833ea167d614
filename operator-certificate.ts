// The certificate of the operator's listener: the keeper reads it, since root alone need be able to, and tells control when
// the files have changed. What cannot be read leaves the last good one.

import { readFileSync, statSync } from 'node:fs';
import type { Logger } from 'pino';
import type { OperatorCertificate } from './api/operator-listener.ts';
import type { Config } from './config.ts';

const everyMs = 5_000;

export class OperatorCertificates {
  readonly #files: Config['listen']['operatorTls'];
  readonly #log: Logger;
  #seen = '';
  #current: OperatorCertificate | null = null;

  constructor({ listen }: Config, log: Logger) {
    this.#files = listen.operatorTls;
    this.#log = log;
    this.#readIfChanged();
  }

  /** Null where the listener speaks plain HTTP. */
  get current(): OperatorCertificate | null {
    return this.#current;
  }

  /** Calls when another pair has been read. */
  watch(onChange: (pair: OperatorCertificate) => void): void {
    if (this.#files === null) return;
    setInterval(() => {
      if (this.#readIfChanged() && this.#current !== null) onChange(this.#current);
    }, everyMs).unref();
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
