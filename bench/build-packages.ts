// What a whole build installs: the packages of this project's own lockfile, fetched once from the machine's npm
// registry, a repository of git, and wheels made here; and the answers of their servers, each after 20 milliseconds.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { answerGit, makeRepository } from '../netns/demo-git.ts';
import type { ModernServerOptions } from '../test/lab/modern-server.ts';
import type { Progress } from './measure.ts';

const root = resolve(import.meta.dirname, '..');
const delayMs = 20;
export const buildHosts = { npm: 'npm.example.com', git: 'git.example.com', pip: 'pip.example.com' } as const;
/** Wheels that pip installs, each with a page of the index. */
export const wheels = Array.from({ length: 12 }, (_, at) => `sally-wheel${at}`);

interface Locked {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
}

interface Lockfile {
  packages: Record<
    string,
    { version: string; integrity?: string; optional?: boolean; name?: string; dependencies?: object }
  >;
}

function readLocked(project: string): Locked[] {
  // npm's own format (package-lock.json, lockfileVersion 3).
  const lock = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')) as Lockfile;
  return Object.entries(lock.packages).flatMap(([path, { version, integrity, optional, name }]) => {
    if (path === '' || optional === true || integrity === undefined) return [];
    return [{ name: name ?? path.slice(path.lastIndexOf('node_modules/') + 13), version, integrity }];
  });
}

const fileOf = (directory: string, { name, version }: Locked) =>
  join(directory, `${name.replaceAll('/', '+')}-${version}.tgz`);

/** Fetches what is not there yet; the files are kept for the next run and checked by their digests. @throws Error */
async function fetchPackages(
  directory: string,
  locked: readonly Locked[],
  progress: Progress,
): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const registry = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8', cwd: root }).trim();
  const missing = locked.filter((one) => !existsSync(fileOf(directory, one)));
  if (missing.length > 0) progress(`fetching ${missing.length} packages of the lockfile`);
  let next = 0;
  const lane = async () => {
    for (let one = missing[next++]; one !== undefined; one = missing[next++]) {
      const base = one.name.slice(one.name.indexOf('/') + 1);
      const url = new URL(
        `${one.name}/-/${base}-${one.version}.tgz`,
        registry.endsWith('/') ? registry : `${registry}/`,
      );
      const answer = await fetch(url);
      if (!answer.ok) throw new Error(`${one.name} ${one.version}: ${answer.status}`);
      const bytes = Buffer.from(await answer.arrayBuffer());
      const digest = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
      if (one.integrity.startsWith('sha512-') && digest !== one.integrity)
        throw new Error(`${one.name} ${one.version} is another file than the lockfile names`);
      writeFileSync(fileOf(directory, one), bytes);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
}

function makeWheels(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const program = `
import sys, zipfile
for name in sys.argv[2:]:
    module = name.replace("-", "_")
    info = module + "-1.0.dist-info"
    with zipfile.ZipFile(f"{sys.argv[1]}/{module}-1.0-py3-none-any.whl", "w") as whole:
        whole.writestr(module + ".py", "x = 1\\n" * 2000)
        whole.writestr(info + "/METADATA", f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n")
        whole.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nGenerator: bench\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        whole.writestr(info + "/RECORD", "")
`;
  execFileSync('/usr/bin/python3', ['-c', program, directory, ...wheels]);
}

/** A commit with a few hundred files, so that a clone is more than one packet. */
function growRepository(directory: string): void {
  const clone = join(directory, 'clone');
  const git = (...args: string[]) => execFileSync('git', args, { stdio: 'ignore' });
  git('clone', '-q', join(directory, 'app.git'), clone);
  for (let i = 0; i < 300; i++)
    writeFileSync(join(clone, `file${i}.txt`), `${i} line of a file\n`.repeat(200 + i));
  const identity = [
    '-c',
    'user.name=Shop',
    '-c',
    'user.email=shop@shop.example',
    '-c',
    'commit.gpgsign=false',
  ];
  git('-C', clone, 'add', '.');
  git('-C', clone, ...identity, 'commit', '-q', '-m', 'files');
  git('-C', clone, 'push', '-q', 'origin', 'HEAD');
}

/** Packages of the short form: so many that need no other. */
const few = 12;

function makeProject(project: string, isQuick: boolean): void {
  mkdirSync(project);
  for (const name of ['package.json', 'package-lock.json', '.npmrc'])
    cpSync(join(root, name), join(project, name));
  if (!isQuick) return;
  const path = join(project, 'package-lock.json');
  const lock = JSON.parse(readFileSync(path, 'utf8')) as Lockfile; // npm's own format, as above
  const chosen = Object.entries(lock.packages)
    .filter(([at, one]) => /^node_modules\/(?:@[^/]+\/)?[^/]+$/.test(at) && isAlone(one))
    .slice(0, few)
    .map(([at, { version, integrity }]) => [at, { version, integrity }] as const);
  const dependencies = Object.fromEntries(chosen.map(([at, { version }]) => [at.slice(13), version]));
  const head = { name: 'short', version: '1.0.0', dependencies };
  writeFileSync(join(project, 'package.json'), JSON.stringify(head));
  const packages = { '': head, ...Object.fromEntries(chosen) };
  writeFileSync(path, JSON.stringify({ ...lock, ...head, packages }));
}

function isAlone(one: Lockfile['packages'][string]): boolean {
  const needs = ['dependencies', 'peerDependencies', 'optional', 'hasInstallScript', 'os', 'name'];
  return one.integrity !== undefined && needs.every((key) => !(key in one));
}

/** What the servers of a build answer from. */
export interface BuildPackages {
  answer: NonNullable<ModernServerOptions['answer']>;
  /** A project with the lockfile, to be installed. */
  readonly project: string;
}

/** Makes and fetches everything below `directory`; what was fetched is kept in `kept`. @throws Error */
export async function prepareBuild(
  directory: string,
  kept: string,
  isQuick: boolean,
  progress: Progress,
): Promise<BuildPackages> {
  const project = join(directory, 'project');
  makeProject(project, isQuick);
  const locked = readLocked(project);
  await fetchPackages(kept, locked, progress);
  const files = new Map(
    locked.map((one) => [`/${one.name}/-/${one.version}.tgz`, readFileSync(fileOf(kept, one))]),
  );
  const git = join(directory, 'git');
  makeRepository(git);
  growRepository(git);
  makeWheels(join(directory, 'pip'));
  const answerLater: BuildPackages['answer'] = (request, response, host) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://host').pathname);
    // What comes meanwhile waits in a stream of its own: the server counts, and lets pass, what arrives.
    const { url, method, headers, socket } = request;
    const body = request.pipe(new PassThrough());
    // Everything that answering by git reads of a request.
    const later = Object.assign(body, { url, method, headers, socket }) as unknown as typeof request;
    const answer = () => {
      if (host === buildHosts.git) return answerGit(git, later, response);
      body.resume();
      const text =
        host === buildHosts.npm ? npmAnswer(path, files, locked) : pipAnswer(path, join(directory, 'pip'));
      response.statusCode = text === null ? 404 : 200;
      response.setHeader('content-type', contentType(path, host));
      response.end(text ?? 'not found\n');
    };
    setTimeout(answer, delayMs);
    return true;
  };
  return { answer: answerLater, project };
}

function contentType(path: string, host: string): string {
  if (path.endsWith('.tgz') || path.endsWith('.whl')) return 'application/octet-stream';
  return host === buildHosts.npm ? 'application/json' : 'text/html';
}

function npmAnswer(
  path: string,
  files: ReadonlyMap<string, Buffer>,
  locked: readonly Locked[],
): Buffer | string | null {
  const file = files.get(path);
  if (file !== undefined) return file;
  const name = path.slice(1);
  const versions = locked.filter((one) => one.name === name);
  if (versions.length === 0) return null;
  const described = versions.map(({ version, integrity }) => {
    const tarball = `https://${buildHosts.npm}/${name}/-/${version}.tgz`;
    return [version, { name, version, dist: { tarball, integrity } }] as const;
  });
  const latest = versions.at(-1)!.version;
  return JSON.stringify({ name, 'dist-tags': { latest }, versions: Object.fromEntries(described) });
}

function pipAnswer(path: string, directory: string): Buffer | string | null {
  const page = /^\/simple\/([a-z0-9-]+)\/$/.exec(path);
  if (page !== null) {
    const file = `${page[1]!.replaceAll('-', '_')}-1.0-py3-none-any.whl`;
    return `<!DOCTYPE html><html><body><a href="/files/${file}">${file}</a></body></html>\n`;
  }
  const file = join(directory, path.slice('/files/'.length));
  return /^\/files\/[a-z0-9_.-]+$/.test(path) && existsSync(file) ? readFileSync(file) : null;
}
