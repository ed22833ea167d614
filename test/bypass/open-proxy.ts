// A proxy that lets everything through: where the gateway's explicit port will be, it shows in the control lab that
// an attempt by CONNECT or absolute-form would arrive.

import { createServer, type Server, type Socket } from 'node:net';
import { dialTcp, listenTcp } from '../../netns/socket.ts';
import type { Lab } from '../lab/lab.ts';
import { explicitPort } from '../lab/gateway.ts';

/** Serves in the gateway's namespace of a lab that has no gateway, until it is closed. */
export function openProxy(lab: Lab): Server {
  const server = createServer((client) => {
    client.on('error', () => client.destroy());
    client.once('data', (head) => carry(lab, client, head));
  });
  server.listen({ fd: listenTcp(lab.topology.gateway, lab.topology.gateway4, explicitPort) });
  return server;
}

function carry(lab: Lab, client: Socket, head: Buffer): void {
  const text = head.toString('latin1');
  const isTunnel = text.startsWith('CONNECT ');
  const target = /^\S+ (?:http:\/\/)?([^:/ ]+)(?::(\d+))?/.exec(text);
  const host = target?.[1] ?? '';
  const port = Number(target?.[2] ?? 80);
  const address = lab.origins.names.get(host)?.a?.[0] ?? host;
  const upstream = dialTcp(lab.topology.gateway, address, port);
  upstream.on('error', () => client.destroy());
  client.on('close', () => upstream.destroy());
  if (isTunnel) client.write('HTTP/1.1 200 OK\r\n\r\n');
  else upstream.write(head);
  client.pipe(upstream).pipe(client);
}
