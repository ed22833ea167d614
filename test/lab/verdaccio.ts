// A real npm registry, verdaccio, on a port of the host's loopback: installed once into a folder of the tests' own, from
// a lock file that pins every package by version and integrity, without install scripts. It is no part of the project.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const fixture = resolve(import.meta.dirname, '../fixtures/verdaccio');
const cache = resolve(import.meta.dirname, '../../node_modules/.cache/sallyport-tests');
const installMs = 120_000;

/** Installs it where that was not done before; answers its program, or why there is none. */
export function installVerdaccio(): { readonly program: string } | { readonly missing: string } {
  const lock = readFileSync(join(fixture, 'package-lock.json'), 'utf8');
  const folder = join(cache, 'verdaccio');
  const program = join(folder, 'node_modules/verdaccio/bin/verdaccio');
  const sign = join(folder, 'node_modules/.complete');
  if (existsSync(sign) && readFileSync(sign, 'utf8') === lock) return { program };
  const fresh = `${folder}.${process.pid}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  cpSync(fixture, fresh, { recursive: true });
  const { status, stderr } = spawnSync(
    'npm',
    ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: fresh, encoding: 'utf8', timeout: installMs, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  if (status !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    const why = /npm (?:error|ERR!) code (\S+)/.exec(stderr ?? '')?.[1] ?? `status ${status}`;
    return { missing: `verdaccio could not be installed (${why})` };
  }
  writeFileSync(join(fresh, 'node_modules/.complete'), lock);
  renameSync(fresh, folder);
  return { program };
}

export interface Verdaccio {
  readonly version: string;
  readonly port: number;
  /** A user's token. */
  readonly token: string;
  /** Makes a version as old as this; the registry states it from then on. */
  setAge(name: string, version: string, hours: number): void;
  stop(): Promise<void>;
}

/** Starts it on storage in `directory`. @throws Error when it does not answer */
export async function startVerdaccio(program: string, directory: string): Promise<Verdaccio> {
  const storage = join(directory, 'storage');
  const port = await freePort();
  const config = join(directory, 'verdaccio.json');
  // JSON is YAML, too.
  writeFileSync(
    config,
    JSON.stringify({
      storage,
      auth: { htpasswd: { file: join(directory, 'htpasswd') } },
      uplinks: {},
      packages: { '**': { access: '$all', publish: '$authenticated' } },
      listen: [`127.0.0.1:${port}`],
      log: { type: 'stdout', format: 'json', level: 'error' },
    }),
  );
  const child = spawn(process.execPath, [program, '--config', config], { stdio: 'ignore', cwd: directory });
  await untilAnswers(child, port);
  const token = await makeUser(port);
  const manifest = join(program, '../../package.json');
  // Its own manifest, which has a version.
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  return {
    version,
    port,
    token,
    setAge: (name, of, hours) => setAge(join(storage, name, 'package.json'), of, hours),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on TCP
  server.close();
  await once(server, 'close');
  return port;
}

async function untilAnswers(child: ChildProcess, port: number): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(50)) {
    if (child.exitCode !== null) throw new Error(`verdaccio ended with ${child.exitCode}`);
    const answer = await fetch(`http://127.0.0.1:${port}/-/ping`).catch(() => null);
    if (answer?.ok === true) return;
  }
  throw new Error('verdaccio does not answer');
}

async function makeUser(port: number): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/-/user/org.couchdb.user:ci`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'ci', password: 'correct-horse-battery' }),
  });
  // "Adding a user" of the registry's API answers this.
  const { token } = (await answer.json()) as { token?: string };
  if (token === undefined) throw new Error(`verdaccio made no user: ${answer.status}`);
  return token;
}

function setAge(file: string, version: string, hours: number): void {
  // A packument as verdaccio keeps it.
  const kept = JSON.parse(readFileSync(file, 'utf8')) as { time: Record<string, string> };
  kept.time[version] = new Date(Date.now() - hours * 3_600_000).toISOString();
  writeFileSync(file, JSON.stringify(kept));
}
