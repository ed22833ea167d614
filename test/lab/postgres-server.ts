// A PostgreSQL of a test's own, in a folder that goes with it, reached by its socket alone.

import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const nobody = 65_534;

/** Where its programs lie; null where it is not installed. */
export function findPostgres(): string | null {
  const root = '/usr/lib/postgresql';
  if (!existsSync(root)) return null;
  const [newest] = readdirSync(root).toSorted((a, b) => Number(b) - Number(a));
  const folder = newest === undefined ? null : join(root, newest, 'bin');
  return folder !== null && existsSync(join(folder, 'initdb')) ? folder : null;
}

export class PostgresServer {
  readonly host: string;
  readonly #bin: string;
  readonly #folder: string;

  constructor(bin: string) {
    this.#bin = bin;
    this.#folder = mkdtempSync(join(tmpdir(), 'sallyport-pg-'));
    this.host = join(this.#folder, 'data');
    mkdirSync(this.host, { mode: 0o700 });
    chownSync(this.#folder, nobody, nobody);
    chownSync(this.host, nobody, nobody);
    const form = [
      '-U',
      'sallyport',
      '-A',
      'trust',
      '--no-sync',
      '--no-locale',
      '-E',
      'UTF8',
      '--no-instructions',
    ];
    this.#run('initdb', ['-D', this.host, ...form]);
    this.start();
  }

  /** For `pg`: its socket, user and database. */
  get config() {
    return { host: this.host, user: 'sallyport', database: 'postgres' };
  }

  start(): void {
    const options = `-c listen_addresses='' -c unix_socket_directories=${this.host} -c fsync=off`;
    this.#run('pg_ctl', ['-D', this.host, '-w', '-s', '-l', join(this.host, 'log'), '-o', options, 'start']);
  }

  stop(): void {
    this.#run('pg_ctl', ['-D', this.host, '-w', '-s', '-m', 'immediate', 'stop']);
  }

  close(): void {
    this.stop();
    rmSync(this.#folder, { recursive: true });
  }

  // It refuses to run as root.
  #run(program: string, args: readonly string[]): void {
    const user = [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'];
    const { status, stderr } = spawnSync('setpriv', [...user, join(this.#bin, program), ...args], {
      encoding: 'utf8',
      cwd: this.#folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    if (status !== 0) throw new Error(`${program}: ${stderr}`);
  }
}
