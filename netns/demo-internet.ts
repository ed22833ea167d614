// The servers that the demo starts itself: a namespace with addresses of 198.18.0.0/15 (RFC 2544), a name server
// for the demo's names that hands every other question to the host's resolver, and web servers behind a demo CA.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestAuthority } from './authority.ts';
import { answerGit, makeRepository } from './demo-git.ts';
import { hasProgram } from './install-programs.ts';
import { runIpBatch } from './ip.ts';
import { NameServer } from './name-server.ts';
import type { Namespaces } from './namespace.ts';
import { hostResolvers } from './resolv-conf.ts';
import { WebServer } from './web-server.ts';

export const demoHosts = [
  'api.shop.example',
  'git.shop.example',
  'metrics.example',
  'pastebin.example',
  'cdn.example',
];

export interface DemoInternet {
  readonly resolver: string;
  readonly web: string;
  /** PEM file of the authority that signs the servers' certificates. */
  readonly authorityFile: string;
  close(): void;
}

/** Starts everything; namespaces and links belong to `made`. @throws SallyportError */
export async function openDemoInternet(made: Namespaces, directory: string): Promise<DemoInternet> {
  const namespace = made.create('demo');
  const [outside, third] = [made.linkName(), process.pid % 250];
  const [near, far] = [`198.18.${third}.1`, `198.18.${third}.2`];
  const [web, resolver] = [`198.18.${third}.80`, `198.18.${third}.53`];
  made.link(
    { namespace: null, name: outside, addresses: [`${near}/24`] },
    { namespace, name: 'net0', addresses: [`${far}/24`, `${web}/24`, `${resolver}/24`] },
  );
  runIpBatch(namespace, [`route add default via ${near}`]);
  const authority = new TestAuthority('Sallyport demo');
  const authorityFile = join(directory, 'demo-authority.pem');
  writeFileSync(authorityFile, authority.certificate);
  const names = new Map(demoHosts.map((host) => [host, { a: [web] }]));
  const nameServer = new NameServer({ namespace, addresses: [resolver], names, relay: askHost });
  const webServer = startWeb(namespace, web, authority, directory);
  await Promise.all([nameServer.start(), webServer.start()]);
  const close = (): void => {
    nameServer.close();
    webServer.close();
  };
  return { resolver, web, authorityFile, close };
}

function startWeb(
  namespace: string,
  address: string,
  authority: TestAuthority,
  directory: string,
): WebServer {
  if (hasProgram('git')) makeRepository(directory);
  return new WebServer({
    namespace,
    addresses: [address],
    http: [80],
    https: [443],
    authority,
    answer: (request, response, { host, method }) => {
      if (host === 'git.shop.example') return answerGit(directory, request, response);
      request.resume();
      response.writeHead(200, { 'content-type': 'text/plain' }).end(`${host} says hello to ${method}\n`);
    },
  });
}

/** Asks the host's first resolver over UDP; rejects when it does not answer in three seconds. */
async function askHost(query: Buffer): Promise<Buffer> {
  const [server] = hostResolvers();
  if (server === undefined) throw new Error('the host has no resolver');
  const socket = createSocket(server.includes(':') ? 'udp6' : 'udp4');
  try {
    socket.send(query, 53, server);
    const [answer]: unknown[] = await once(socket, 'message', { signal: AbortSignal.timeout(3000) });
    if (!Buffer.isBuffer(answer)) throw new Error('no answer');
    return answer;
  } finally {
    socket.close();
  }
}
