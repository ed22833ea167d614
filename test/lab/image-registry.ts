// Debian's docker-registry in the lab's internet, on a loopback port behind a front of the test: images that are made
// here, with a time of their own or none, and blobs that the front may send people elsewhere for.

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { waitForExit } from '../../netns/enter.ts';
import { dialTcp } from '../../netns/socket.ts';
import type { ArrivedRequest } from '../../netns/web-server.ts';
import type { Lab } from './lab.ts';
import { startProgram, type Program } from './own-servers.ts';

const back = { address: '127.0.0.1', port: 5001 };

export class ImageRegistry {
  readonly #lab: Lab;
  readonly #program: Program;
  /** Where blobs of images below `led/` are. */
  readonly #storageHost: string;

  private constructor(lab: Lab, program: Program, storageHost: string) {
    this.#lab = lab;
    this.#program = program;
    this.#storageHost = storageHost;
  }

  /** @throws Error when it does not start */
  static async start(lab: Lab, storageHost: string): Promise<ImageRegistry> {
    const directory = join(lab.directory, 'images');
    mkdirSync(directory);
    const config = join(directory, 'registry.json');
    const storage = { filesystem: { rootdirectory: join(directory, 'data') } };
    const http = { addr: `${back.address}:${back.port}`, secret: 'lab' };
    writeFileSync(config, JSON.stringify({ version: 0.1, storage, http }));
    const program = await startProgram(lab, ['docker-registry', 'serve', config], /listening on/);
    return new ImageRegistry(lab, program, storageHost);
  }

  async close(): Promise<void> {
    const ended = waitForExit(this.#program.child);
    this.#program.child.kill('SIGKILL');
    await ended;
  }

  /** Puts an image of one layer there (github.com/opencontainers/image-spec); answers its digest. */
  async add(name: string, tag: string, created: string | null): Promise<string> {
    const type = (what: string): string => `application/vnd.oci.image.${what}`;
    // A tar of nothing, the same for all of them.
    const tar = Buffer.alloc(1024);
    const rootfs = { type: 'layers', diff_ids: [digestOf(tar)] };
    const told = created === null ? {} : { created };
    const text = JSON.stringify({
      ...told,
      architecture: 'amd64',
      os: 'linux',
      config: { Labels: { name } },
      rootfs,
    });
    const config = await this.#putBlob(name, Buffer.from(text));
    const layer = await this.#putBlob(name, gzipSync(tar));
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: type('manifest.v1+json'),
        config: { mediaType: type('config.v1+json'), ...config },
        layers: [{ mediaType: type('layer.v1.tar+gzip'), ...layer }],
      }),
    );
    const headers = { 'content-type': type('manifest.v1+json') };
    await this.#send('PUT', `/v2/${name}/manifests/${tag}`, manifest, headers);
    return digestOf(manifest);
  }

  async #putBlob(name: string, bytes: Buffer): Promise<{ readonly digest: string; readonly size: number }> {
    const digest = digestOf(bytes);
    const { headers } = await this.#send('POST', `/v2/${name}/blobs/uploads/`, Buffer.alloc(0), {});
    const { pathname, search } = new URL(headers.location ?? '', 'http://registry');
    await this.#send('PUT', `${pathname}${search}&digest=${digest}`, bytes, {
      'content-type': 'application/octet-stream',
    });
    return { digest, size: bytes.length };
  }

  #send(
    method: string,
    path: string,
    body: Buffer,
    headers: Readonly<Record<string, string>>,
  ): Promise<IncomingMessage> {
    return new Promise((done, failed) => {
      const asked = httpRequest({
        method,
        path,
        headers: { ...headers, host: 'registry' },
        createConnection: this.#dial,
      });
      asked.on('error', failed);
      asked.on('response', (answer) => {
        answer.resume();
        if ((answer.statusCode ?? 500) < 300) done(answer);
        else failed(new Error(`${method} ${path}: ${answer.statusCode}`));
      });
      asked.end(body);
    });
  }

  readonly #dial = () => dialTcp(this.#lab.topology.internet, back.address, back.port);

  /** Answers on every host: the storage's as what it keeps, any other as the registry. */
  answer(
    incoming: IncomingMessage,
    response: ServerResponse,
    { host, method, target }: ArrivedRequest,
  ): void {
    const blob = /^\/v2\/(led\/.+)\/blobs\/(sha256:[0-9a-f]{64})$/.exec(target);
    const isSent = blob !== null && method === 'GET' && host !== this.#storageHost;
    if (isSent) {
      incoming.resume();
      const location = `https://${this.#storageHost}/store/${blob[2]}?sig=1&name=${blob[1]}`;
      response.writeHead(307, { location }).end();
      return;
    }
    const stored = /^\/store\/([^?]+)\?sig=1&name=(.+)$/.exec(target);
    this.#forward(incoming, response, stored === null ? target : `/v2/${stored[2]}/blobs/${stored[1]}`);
  }

  #forward(incoming: IncomingMessage, response: ServerResponse, path: string): void {
    const outgoing = httpRequest({
      path,
      method: incoming.method ?? 'GET',
      headers: { ...incoming.headers, 'x-forwarded-proto': 'https', connection: 'close' },
      createConnection: this.#dial,
    });
    outgoing.on('error', () => response.destroy());
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(outgoing);
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
