// Registries of forges in the lab: Debian's docker-registry behind the front that ghcr.io and registry.gitlab.com have.
// Tokens are asked for by scope, and blobs of ghcr.io are handed out by signed storage on another host.

import { mkdirSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { startInside, waitForExit } from '../../netns/enter.ts';
import { dialTcp } from '../../netns/socket.ts';
import type { ArrivedRequest } from '../../netns/web-server.ts';
import type { Lab } from './lab.ts';
import { startProgram, writeImage } from './own-servers.ts';

const back = { address: '127.0.0.1', port: 5000 };
const storageHost = 'pkg-containers.githubusercontent.com';
/** Where each registry's tokens are, and the service that its challenge names. */
const realms: Readonly<Record<string, { readonly url: string; readonly service: string }>> = {
  'ghcr.io': { url: 'https://ghcr.io/token', service: 'ghcr.io' },
  'registry.gitlab.com': { url: 'https://gitlab.com/jwt/auth', service: 'container_registry' },
};

/** Hosts that the front answers for. */
export const containerHosts = [...Object.keys(realms), 'gitlab.com', storageHost];

export class ContainerServers {
  readonly #lab: Lab;
  readonly #token: string;
  readonly #close: () => Promise<void>;

  private constructor(lab: Lab, token: string, close: () => Promise<void>) {
    this.#lab = lab;
    this.#token = token;
    this.#close = close;
  }

  /** Starts the registry with an image under each of these names; `token` may push. @throws Error */
  static async start(lab: Lab, token: string, images: readonly string[]): Promise<ContainerServers> {
    const directory = join(lab.directory, 'containers');
    mkdirSync(directory);
    const config = join(directory, 'registry.json');
    const storage = { filesystem: { rootdirectory: join(directory, 'data') } };
    const http = { addr: `${back.address}:${back.port}`, secret: 'lab' };
    writeFileSync(config, JSON.stringify({ version: 0.1, storage, http }));
    const program = await startProgram(lab, ['docker-registry', 'serve', config], /listening on/);
    const image = join(lab.directory, 'image');
    writeImage(image);
    for (const name of images) await push(lab, image, name);
    return new ContainerServers(lab, token, async () => {
      const ended = waitForExit(program.child);
      program.child.kill('SIGKILL');
      await ended;
    });
  }

  close(): Promise<void> {
    return this.#close();
  }

  /** Answers any of `containerHosts`. */
  answer(
    incoming: IncomingMessage,
    response: ServerResponse,
    { host, method, target }: ArrivedRequest,
  ): void {
    const url = new URL(target, `https://${host}`);
    if (url.pathname === '/token' || url.pathname === '/jwt/auth')
      return this.#answerToken(incoming, response, url);
    if (host === storageHost) return this.#answerStorage(incoming, response, url);
    const wanted = scopeOf(method, url.pathname);
    if (!this.#mayDo(incoming, wanted)) return challenge(incoming, response, host, wanted);
    const blob =
      host === 'ghcr.io' && method === 'GET'
        ? /^\/v2\/(.+)\/blobs\/(sha256:[0-9a-f]{64})$/.exec(url.pathname)
        : null;
    if (blob === null) return this.#forward(incoming, response, target);
    incoming.resume();
    const until = new Date(Date.now() + 300_000).toISOString();
    const location = `https://${storageHost}/ghcr1/blobs/${blob[2]}?se=${until}&sig=x&name=${blob[1]}`;
    response.writeHead(307, { location }).end();
  }

  #answerToken(incoming: IncomingMessage, response: ServerResponse, url: URL): void {
    incoming.resume();
    const scopes = url.searchParams.getAll('scope').flatMap((scope) => scope.split(' '));
    const mayPush = passwordOf(incoming) === this.#token;
    if (!mayPush && scopes.some((scope) => scope.includes('push'))) return void response.writeHead(401).end();
    // A login asks for no scope; what it is given is good for all that its user may.
    const given = scopes.length === 0 && mayPush ? ['*'] : scopes;
    const token = `lab${Buffer.from(JSON.stringify(given)).toString('base64url')}`;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ token, expires_in: 300 }));
  }

  /** By a token of the front, or by the job's own as Base64, which ghcr.io takes as well. */
  #mayDo(incoming: IncomingMessage, wanted: string | null): boolean {
    const [, bearer = ''] = (incoming.headers.authorization ?? '').split(' ');
    if (Buffer.from(bearer, 'base64').toString() === this.#token) return true;
    if (!bearer.startsWith('lab')) return false;
    // Made above.
    const scopes = JSON.parse(Buffer.from(bearer.slice(3), 'base64url').toString()) as readonly string[];
    return (
      wanted === null ||
      scopes.includes('*') ||
      scopes.some((scope) => wanted === scope || scope === wanted.replace(/:pull$/, ':pull,push'))
    );
  }

  #answerStorage(incoming: IncomingMessage, response: ServerResponse, url: URL): void {
    const digest = url.pathname.split('/').at(-1)!;
    this.#forward(incoming, response, `/v2/${url.searchParams.get('name')}/blobs/${digest}`);
  }

  #forward(incoming: IncomingMessage, response: ServerResponse, path: string): void {
    const { authorization: _, ...headers } = incoming.headers;
    const outgoing = httpRequest({
      path,
      method: incoming.method ?? 'GET',
      headers: { ...headers, 'x-forwarded-proto': 'https', connection: 'close' },
      createConnection: () => dialTcp(this.#lab.topology.internet, back.address, back.port),
    });
    outgoing.on('error', () => response.destroy());
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(outgoing);
  }
}

/** `repository:acme/app:pull` of a path below /v2/; null for /v2/ itself. */
function scopeOf(method: string, path: string): string | null {
  const name = /^\/v2\/(.+)\/(?:manifests|blobs|tags)\//.exec(path)?.[1];
  if (name === undefined) return null;
  return `repository:${name}:${method === 'GET' || method === 'HEAD' ? 'pull' : 'pull,push'}`;
}

function challenge(
  incoming: IncomingMessage,
  response: ServerResponse,
  host: string,
  wanted: string | null,
): void {
  incoming.resume();
  const { url, service } = realms[host]!;
  const scope = wanted === null ? '' : `,scope="${wanted}"`;
  response.writeHead(401, {
    'www-authenticate': `Bearer realm="${url}",service="${service}"${scope}`,
    'docker-distribution-api-version': 'registry/2.0',
  });
  response.end();
}

function passwordOf({ headers }: IncomingMessage): string | undefined {
  const [, value = ''] = (headers.authorization ?? '').split(' ');
  return Buffer.from(value, 'base64').toString().split(':')[1];
}

async function push(lab: Lab, image: string, name: string): Promise<void> {
  const to = `docker://${back.address}:${back.port}/${name}`;
  const command = [
    'skopeo',
    '--insecure-policy',
    'copy',
    '-q',
    '--dest-tls-verify=false',
    `oci:${image}`,
    to,
  ];
  const inside = {
    namespace: lab.topology.internet,
    resolvConf: null,
    user: null,
    stdio: 'inherit',
  } as const;
  const env = { PATH: process.env['PATH'], HOME: lab.directory };
  const code = await waitForExit(startInside(command, { ...inside, env }));
  if (code !== 0) throw new Error(`${name} could not be pushed: ${code}`);
}
