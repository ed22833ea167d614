// Servers for tests with real clients: git over HTTPS and a tiny apt repository, on an address of the lab's internet
// that nothing else uses. The requests that arrived are kept by the web server.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { answerGit, makeRepository } from '../../netns/demo-git.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import type { Lab } from './lab.ts';

const address = '93.184.216.80';
/** Hosts by what they serve; each client's policy opens some. */
export const clientHosts = {
  git: ['git.example.com', 'mirror.example.com', 'stolen.example.net'],
  apt: ['apt.example.com', 'apt-blocked.example.net'],
  web: ['web.example.com', 'web-blocked.example.net'],
} as const;

/** Starts the servers; they end with `close`, and their names are in the lab's DNS. */
export async function startClientServers(lab: Lab): Promise<WebServer> {
  runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
  for (const host of Object.values(clientHosts).flat()) lab.origins.names.set(host, { a: [address] });
  const git = join(lab.directory, 'git');
  makeRepository(git);
  execFileSync('git', ['-C', join(git, 'app.git'), 'config', 'http.receivepack', 'true']);
  const apt = join(lab.directory, 'apt');
  makeAptRepository(apt);
  const server = new WebServer({
    namespace: lab.topology.internet,
    addresses: [address],
    http: [80],
    https: [443],
    authority: lab.origins.authority,
    answer: (request, response, { host, method, target }) => {
      if (isOneOf(clientHosts.git, host)) return answerGit(git, request, response);
      request.resume();
      if (isOneOf(clientHosts.apt, host)) return answerFile(apt, target, response);
      response.end(`${method} ${host}${target}\n`);
    },
  });
  await server.start();
  return server;
}

function isOneOf(hosts: readonly string[], host: string): boolean {
  return hosts.includes(host);
}

function answerFile(directory: string, target: string, response: ServerResponse): void {
  const path = join(directory, new URL(target, 'http://apt').pathname);
  if (existsSync(path) && statSync(path).isFile()) response.end(readFileSync(path));
  else response.writeHead(404).end();
}

/** A repository with one package, `sally-sample` 1.0, without a signature. */
export function makeAptRepository(directory: string): void {
  const tree = join(directory, 'tree');
  mkdirSync(join(tree, 'DEBIAN'), { recursive: true });
  const control = [
    'Package: sally-sample',
    'Version: 1.0',
    'Architecture: all',
    'Maintainer: Lab <lab@example.com>',
    'Description: a sample',
  ].join('\n');
  writeFileSync(join(tree, 'DEBIAN/control'), `${control}\n`);
  const [pool, lists] = [join(directory, 'pool'), join(directory, 'dists/stable/main/binary-all')];
  mkdirSync(pool);
  mkdirSync(lists, { recursive: true });
  const file = join(pool, 'sally-sample_1.0_all.deb');
  execFileSync('dpkg-deb', ['--build', '--root-owner-group', tree, file], { stdio: 'ignore' });
  const deb = readFileSync(file);
  const place = 'Filename: pool/sally-sample_1.0_all.deb';
  const packages = `${control}\n${place}\nSize: ${deb.length}\nSHA256: ${sha256(deb)}\n`;
  writeFileSync(join(lists, 'Packages'), packages);
  const entry = ` ${sha256(packages)} ${Buffer.byteLength(packages)} main/binary-all/Packages`;
  const head = `Suite: stable\nComponents: main\nArchitectures: all\nDate: ${new Date().toUTCString()}\n`;
  writeFileSync(join(directory, 'dists/stable/Release'), `${head}SHA256:\n${entry}\n`);
}

function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
