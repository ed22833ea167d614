// What the real git says over HTTP, to its own `git http-backend`, is understood: clones, fetches, pushes small and
// large, and what they change.

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { answerGit } from '../../netns/demo-git.ts';
import { ask, say, whole } from './ask.ts';

const run = promisify(execFile);
const home = mkdtempSync(join(tmpdir(), 'sallyport-git-'));
t.teardown(() => rmSync(home, { recursive: true, force: true }));
const env = { ...process.env, HOME: home, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' };
const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'init.defaultBranch=main'];

async function git(at: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('git', [...identity, ...args], { cwd: join(home, at), env });
  return stdout;
}

/** What each request meant, in the order of their ends. */
const heard: string[] = [];

function serve(request: IncomingMessage, response: ServerResponse): void {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => hear(request, Buffer.concat(parts)));
  answerGit(join(home, 'served'), request, response);
}

function hear({ method, url, headers }: IncomingMessage, body: Buffer): void {
  const coding = headers['content-encoding'];
  const understood = ask(`${method} https://github.com${url}`, {
    headers: coding ? { 'content-encoding': coding } : {},
  });
  const { hold } = understood;
  const held = coding === 'gzip' ? whole(gunzipSync(body)) : whole(body);
  const isTooLarge = hold !== undefined && body.length > hold.maxBytes;
  const kept = isTooLarge
    ? { kind: 'opaque' as const, detail: 'too large', raw: [body.subarray(0, hold.maxBytes)] }
    : held;
  heard.push(say(hold?.withBody(kept) ?? understood));
}

/** Runs git and answers what its requests meant. */
async function meant(at: string, ...args: string[]): Promise<string[]> {
  heard.length = 0;
  await git(at, ...args);
  return [...heard];
}

t.test('clones, fetches and pushes of git are understood, with the refs that they change', async (t) => {
  await run('mkdir', ['-p', join(home, 'served/acme')]);
  await git('served/acme', 'init', '--quiet', '--bare', 'app.git');
  await git('served/acme/app.git', 'config', 'http.receivepack', 'true');
  const server = createServer(serve).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/acme/app.git`; // it listens on TCP
  const asksToPush = 'git/push · write acme/app · contents:write';
  const pushed = (refs: string): string => `git/push · write acme/app [${refs}] · contents:write`;
  const fetched = 'git/fetch · read acme/app · contents:read';

  await git('.', 'init', '--quiet', 'work');
  writeFileSync(join(home, 'work/a'), 'a');
  await git('work', 'add', '.');
  await git('work', 'commit', '--quiet', '-m', 'a');
  t.same(await meant('work', 'push', '--quiet', url, 'main', 'main:refs/tags/v1'), [
    asksToPush,
    pushed('refs/heads/main refs/tags/v1'),
  ]);
  t.same(await meant('.', 'clone', '--quiet', url, 'two'), [fetched, fetched, fetched], 'protocol version 2');
  t.same(await meant('.', '-c', 'protocol.version=0', 'clone', '--quiet', url, 'three'), [fetched, fetched]);
  t.same(await meant('work', 'push', '--quiet', url, ':refs/tags/v1'), [asksToPush, pushed('refs/tags/v1')]);
  writeFileSync(join(home, 'work/large'), randomBytes(2_000_000));
  await git('work', 'add', '.');
  await git('work', 'commit', '--quiet', '-m', 'large');
  const large = await meant('work', 'push', '--quiet', url, 'HEAD:refs/heads/feature/one');
  t.same(large, [asksToPush, pushed(''), pushed('refs/heads/feature/one')], 'a probe first, then chunks');
});
