// An LFS server in the lab (github.com/git-lfs/git-lfs, docs/api/batch.md): the batch hands out where objects lie, and
// they are kept in memory by their ids.

import type { IncomingMessage, ServerResponse } from 'node:http';

interface Batch {
  readonly operation: 'upload' | 'download';
  readonly objects: readonly { readonly oid: string; readonly size: number }[];
}

/** Where an object lies, and what its client is told to send there. */
export interface LfsAction {
  readonly href: string;
  readonly expires_in: number;
  readonly header?: Readonly<Record<string, string>>;
}

export class LfsServer {
  readonly stored = new Map<string, Buffer>();
  readonly #actionOf: (oid: string, size: number, repository: string) => LfsAction;

  constructor(actionOf: (oid: string, size: number, repository: string) => LfsAction) {
    this.#actionOf = actionOf;
  }

  async answerBatch(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // git-lfs and the tests themselves ask so.
    const { operation, objects } = JSON.parse((await readBody(request)).toString()) as Batch;
    const repository = /^\/(.+?)(?:\.git)?\/info\/lfs\//.exec(request.url ?? '')?.[1] ?? '';
    const told = objects.map(({ oid, size }) => {
      if (operation === 'upload' && this.stored.has(oid)) return { oid, size };
      return {
        oid,
        size,
        authenticated: true,
        actions: { [operation]: this.#actionOf(oid, size, repository) },
      };
    });
    response.setHeader('content-type', 'application/vnd.git-lfs+json');
    response.end(JSON.stringify({ transfer: 'basic', objects: told }));
  }

  /** Takes and gives the object whose id is in the path. */
  async answerObject(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const oid = /[0-9a-f]{64}/.exec(request.url ?? '')?.[0] ?? '';
    const body = await readBody(request);
    if (request.method === 'PUT') this.stored.set(oid, body);
    response.end(request.method === 'PUT' ? '' : this.stored.get(oid));
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer); // no encoding is set
  return Buffer.concat(parts);
}
