// Package servers for real clients, as answers of a lab's server: git, an npm registry, a pip index, a repository of
// apt. All packages are made here; nothing is fetched.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answerGit, makeRepository } from '../../netns/demo-git.ts';
import { makeAptRepository } from './client-servers.ts';
import type { Lab } from './lab.ts';
import { send, type ModernServerOptions } from './modern-server.ts';

/** Packages that the sample of the npm registry depends on. */
export const npmDependencies = 6;

/** Makes the packages below the lab's directory; the answers go by the first label of the host. */
export function answerPackages(lab: Lab): NonNullable<ModernServerOptions['answer']> {
  const directory = join(lab.directory, 'packages');
  mkdirSync(directory);
  const git = join(directory, 'git');
  makeRepository(git);
  execFileSync('git', ['-C', join(git, 'app.git'), 'config', 'http.receivepack', 'true']);
  makeAptRepository(join(directory, 'apt'));
  makeWheel(join(directory, 'pip'));
  makeNpmPackages(join(directory, 'npm'));
  return (request, response, host) => {
    const kind = host.split('.')[0]!;
    const path = new URL(request.url ?? '/', 'http://host').pathname;
    if (kind === 'git') answerGit(git, request, response);
    else if (['apt', 'pip', 'npm'].includes(kind)) {
      request.resume();
      const page = join(directory, kind, kind === 'npm' && !path.endsWith('.tgz') ? `${path}.json` : path);
      const file = path.endsWith('/') ? join(page, 'index.html') : page;
      const isThere = existsSync(file) && statSync(file).isFile();
      const text = isThere ? readFileSync(file) : 'not found\n';
      const body = kind === 'npm' && isThere ? withHost(text, file, host) : text;
      send(
        response,
        isThere ? 200 : 404,
        body,
        file.endsWith('.html') ? 'text/html' : 'application/octet-stream',
      );
    } else return false;
    return true;
  };
}

/** Metadata of npm names its files by whole URLs. */
function withHost(text: string | Buffer, file: string, host: string): string | Buffer {
  return file.endsWith('.json') ? String(text).replaceAll('HOST', host) : text;
}

function makeNpmPackages(directory: string): void {
  const names = Array.from({ length: npmDependencies }, (_, at) => `sally-part${at}`);
  const dependencies = Object.fromEntries(names.map((name) => [name, '1.0.0']));
  for (const name of ['sally-sample', ...names]) {
    const version = { name, version: '1.0.0', ...(name === 'sally-sample' ? { dependencies } : {}) };
    const work = join(directory, name, 'work/package');
    mkdirSync(work, { recursive: true });
    mkdirSync(join(directory, name, '-'));
    writeFileSync(join(work, 'package.json'), JSON.stringify(version));
    const file = join(directory, name, '-', `${name}-1.0.0.tgz`);
    execFileSync('tar', ['-C', join(work, '..'), '-czf', file, 'package']);
    const integrity = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
    const dist = { tarball: `https://HOST/${name}/-/${name}-1.0.0.tgz`, integrity };
    const versions = { '1.0.0': { ...version, dist } };
    writeFileSync(
      join(directory, `${name}.json`),
      JSON.stringify({ name, 'dist-tags': { latest: '1.0.0' }, versions }),
    );
  }
}

/** An index with one wheel (PEP 503, PEP 427). */
function makeWheel(directory: string): void {
  const [index, info] = [join(directory, 'simple/sally-sample'), 'sally_sample-1.0.dist-info'];
  mkdirSync(index, { recursive: true });
  const file = 'sally_sample-1.0-py3-none-any.whl';
  const program = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as whole:
    whole.writestr("sally_sample.py", "x = 1\\n")
    whole.writestr("${info}/METADATA", "Metadata-Version: 2.1\\nName: sally-sample\\nVersion: 1.0\\n")
    whole.writestr("${info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: lab\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    whole.writestr("${info}/RECORD", "")
`;
  execFileSync('python3', ['-c', program, join(directory, file)]);
  writeFileSync(
    join(index, 'index.html'),
    `<!DOCTYPE html><html><body><a href="/${file}">${file}</a></body></html>\n`,
  );
}
