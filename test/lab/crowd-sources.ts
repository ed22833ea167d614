// Many runners as addresses of one namespace: adds them, and lets each of them speak over TCP and UDP in both families.
// Which worker served whom is read from the workers' own segments.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runIpBatch } from '../../netns/ip.ts';
import { bindUdp, dialTcp } from '../../netns/socket.ts';
import { readSegment } from '../../store/read-segments.ts';
import { parseSegmentName } from '../../store/segment-name.ts';
import type { LabGateway } from './gateway.ts';

export interface Source {
  readonly v4: string;
  readonly v6: string;
}

/** `count` runners; their addresses are on no interface yet. */
export function sourcesOf(count: number): Source[] {
  return Array.from({ length: count }, (_, i) => ({
    v4: `10.77.${2 + Math.floor(i / 250)}.${(i % 250) + 1}`,
    v6: `fd77::2:${(i + 1).toString(16)}`,
  }));
}

/** Puts addresses of this family on the namespace's interface. */
export function addSources(namespace: string, addresses: readonly string[]): void {
  runIpBatch(
    namespace,
    addresses.map((text) => `addr add ${text}/${text.includes(':') ? '64 nodad' : '16'} dev eth0`),
  );
}

/** One DNS question over UDP; resolves true when it was answered. */
export async function askFrom(
  namespace: string,
  source: string,
  server: string,
  port = 53,
  limitMs = 5_000,
): Promise<boolean> {
  const socket = createSocket(source.includes(':') ? 'udp6' : 'udp4');
  // An inherited descriptor is bound at once.
  socket.bind({ fd: bindUdp(namespace, source, 0) });
  const answered = once(socket, 'message', { signal: AbortSignal.timeout(limitMs) });
  socket.send(question(), port, server);
  try {
    await answered;
    return true;
  } catch {
    return false; // Nothing came in time.
  } finally {
    socket.close();
  }
}

/** One DNS question over TCP, or with `host` one plain HTTP request (whole in its line on port 3128); resolves true when something was answered. */
export async function speakFrom(
  namespace: string,
  source: string,
  to: { readonly address: string; readonly port: number; readonly host?: string },
): Promise<boolean> {
  const socket = dialTcp(namespace, to.address, to.port, source);
  socket.on('error', () => {});
  const asked = question();
  const target = to.port === 3128 ? `http://${to.host}/` : '/';
  socket.write(
    to.host === undefined
      ? Buffer.concat([Buffer.from([0, asked.length]), asked])
      : `GET ${target} HTTP/1.1\r\nHost: ${to.host}\r\nConnection: close\r\n\r\n`,
  );
  try {
    await once(socket, 'data', { signal: AbortSignal.timeout(5_000) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** By runner's address: the workers whose segments hold a record of it, of this time or later. */
export async function workersOf(gateway: LabGateway, since = ''): Promise<Map<string, Set<string>>> {
  const directory = join(gateway.stateDirectory, 'segments');
  const found = new Map<string, Set<string>>();
  for (const name of readdirSync(directory)) {
    const worker = parseSegmentName(name)?.process;
    if (worker === undefined || !worker.startsWith('worker-')) continue;
    for await (const { runner, time } of readSegment(join(directory, name))) {
      if (time < since) continue;
      const workers = found.get(runner) ?? new Set();
      found.set(runner, workers.add(worker));
    }
  }
  return found;
}

// allowed.example.com, type A, as RFC 1035 writes it.
function question(): Buffer {
  const labels = ['allowed', 'example', 'com'].flatMap((label) => [label.length, ...Buffer.from(label)]);
  return Buffer.from([1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
}
