// Servers that are programs of their own in the lab's internet: Debian's docker-registry with an image, and a gRPC
// server. What they log is read as what they served.

import { execFileSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { startInside, waitForExit } from '../../netns/enter.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { openHost, python, shutHost } from './client-labs.ts';
import type { Lab } from './lab.ts';
import type { Served } from './modern-server.ts';

/** A program that serves; `served` is what it has served since the last `forget`. */
export interface OwnServer {
  served(): Served[];
  forget(): void;
  close(): Promise<void>;
}

export interface Program {
  readonly child: ChildProcess;
  /** Everything it printed so far. */
  text: string;
  /** How much of that is forgotten. */
  read: number;
}

/** Gives the client's hosts this address, and starts a program with a certificate for them. */
function prepare(
  lab: Lab,
  name: string,
  address: string,
): { readonly certificate: string; readonly key: string } {
  runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
  const hosts = [openHost(name), shutHost(name)];
  for (const host of hosts) lab.origins.names.set(host, { a: [address] });
  const issued = lab.origins.authority.issue([...hosts, address]);
  const [certificate, key] = [join(lab.directory, `${name}.pem`), join(lab.directory, `${name}.key`)];
  writeFileSync(certificate, issued.certificate);
  writeFileSync(key, issued.key);
  return { certificate, key };
}

/** Starts a program in the lab’s internet and waits until it says that it is ready. @throws Error with what it said */
export async function startProgram(lab: Lab, command: readonly string[], isReady: RegExp): Promise<Program> {
  const child = startInside(command, {
    namespace: lab.topology.internet,
    resolvConf: null,
    user: null,
    env: { PATH: process.env['PATH'], HOME: lab.directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const program: Program = { child, text: '', read: 0 };
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => (program.text += String(chunk)));
  for (const deadline = Date.now() + 15_000; !isReady.test(program.text); await sleep(20))
    if (child.exitCode !== null || Date.now() > deadline)
      throw new Error(`${command[0]} did not start:\n${program.text}`);
  return program;
}

function serve(program: Program, toServed: (line: string) => Served[]): OwnServer {
  return {
    served: () => program.text.slice(program.read).split('\n').flatMap(toServed),
    forget: () => void (program.read = program.text.length),
    close: async () => {
      const ended = waitForExit(program.child);
      program.child.kill('SIGKILL');
      await ended;
    },
  };
}

/** The gRPC server of test/lab/clients. @throws Error when it does not start */
export async function startGrpc(lab: Lab): Promise<OwnServer> {
  const address = '93.184.216.83';
  const { certificate, key } = prepare(lab, 'grpc', address);
  const script = join(import.meta.dirname, 'clients/grpc_server.py');
  const program = await startProgram(lab, [python, script, address, certificate, key], /listening/);
  return serve(program, (line) => {
    const [, call, host, received, answered] = /^call (\w+) (\S+) (\d+) (\d+)$/.exec(line) ?? [];
    if (call === undefined) return [];
    const about = {
      method: 'POST',
      host: host!,
      target: `/lab.Calls/${call}`,
      version: '2',
      status: 200,
    } as const;
    return [{ ...about, isTls: true, received: Number(received), answered: Number(answered), heads: null }];
  });
}

/** docker-registry with the image `sally:1` of six layers. @throws Error when it does not start */
export async function startRegistry(lab: Lab): Promise<OwnServer> {
  const address = '93.184.216.82';
  const { certificate, key } = prepare(lab, 'registry', address);
  const config = join(lab.directory, 'registry.json');
  const http = { addr: `${address}:443`, tls: { certificate, key }, secret: 'lab' };
  const storage = { filesystem: { rootdirectory: join(lab.directory, 'registry') } };
  writeFileSync(config, JSON.stringify({ version: 0.1, storage, http }));
  const program = await startProgram(lab, ['docker-registry', 'serve', config], /listening on/);
  const server = serve(program, readAccess);
  const image = join(lab.directory, 'image');
  writeImage(image);
  const push = ['skopeo', '--insecure-policy', 'copy', '-q', `oci:${image}`, `docker://${address}/sally:1`];
  const trust = { SSL_CERT_FILE: join(lab.directory, 'lab-ca.pem') };
  const inside = { namespace: lab.topology.internet, resolvConf: null, user: null };
  const env = { PATH: process.env['PATH'], HOME: lab.directory, ...trust };
  const code = await waitForExit(startInside(push, { ...inside, env, stdio: 'inherit' }));
  if (code !== 0) throw new Error(`the image could not be pushed: ${code}`);
  server.forget();
  return server;
}

/** A line of its access log, in Apache's combined form. */
function readAccess(line: string): Served[] {
  const [, method, target, version, status, bytes] =
    / "(\S+) (\S+) HTTP\/(\S+)" (\d+) (\d+) "/.exec(line) ?? [];
  if (method === undefined) return [];
  const about = {
    method,
    host: openHost('registry'),
    target: target!,
    version: version === '2.0' ? '2' : '1.1',
  } as const;
  return [
    { ...about, status: Number(status), isTls: true, received: 0, answered: Number(bytes), heads: null },
  ];
}

/** An OCI image layout: `oci-layout`, `index.json` and blobs by their digest. */
export function writeImage(directory: string): void {
  const blobs = join(directory, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (mediaType: string, content: Buffer) => {
    const hash = createHash('sha256').update(content).digest('hex');
    writeFileSync(join(blobs, hash), content);
    return { mediaType, digest: `sha256:${hash}`, size: content.length };
  };
  const type = (name: string): string => `application/vnd.oci.image.${name}`;
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const tars = Array.from({ length: 6 }, (_, at) => {
    const file = join(directory, `file${at}`);
    const line = createHash('sha256').update(`layer ${at}`).digest('hex');
    writeFileSync(file, line.repeat(2000 * (at + 1)));
    const same = ['--mtime=@0', '--owner=0', '--group=0', '--mode=0644'];
    return execFileSync('tar', ['-C', directory, ...same, '-c', `file${at}`], { maxBuffer: 10_000_000 });
  });
  const ids = tars.map((tar) => `sha256:${createHash('sha256').update(tar).digest('hex')}`);
  const rootfs = { type: 'layers', diff_ids: ids };
  const config = put(
    type('config.v1+json'),
    json({ architecture: 'amd64', os: 'linux', config: {}, rootfs }),
  );
  const layers = tars.map((tar) => put(type('layer.v1.tar+gzip'), gzipSync(tar)));
  const manifest = { schemaVersion: 2, mediaType: type('manifest.v1+json'), config, layers };
  const entry = put(type('manifest.v1+json'), json(manifest));
  writeFileSync(join(directory, 'index.json'), json({ schemaVersion: 2, manifests: [entry] }));
  writeFileSync(join(directory, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }));
}
