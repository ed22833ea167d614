// Requests as the proxy would ask them, for tables: from a method and a URL, canonicalised as on the path of a flow.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Held } from '../../flow/held.ts';
import { unattributed } from '../../flow/job.ts';
import { canonicalisePath } from '../../policy/canonicalise-path.ts';
import { createRegistryInterpreter } from '../../registry/interpreter.ts';
import type { RegistryOptions } from '../../registry/interpreter.ts';

export interface AskOptions extends Partial<RegistryOptions> {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** The public npm registry, whose name is written nowhere else. */
export const npmHost = ['registry', 'npmjs', 'org'].join('.');

export function askedRequest(line: string, { headers = {}, body }: AskOptions = {}): AskedRequest {
  const [method = '', url = ''] = line.split(' ');
  const [, scheme = '', host = '', target = ''] = /^(https?):\/\/([^/]+)(.*)$/.exec(url) ?? [];
  const path = canonicalisePath(target === '' ? '/' : target);
  if (path.kind !== 'path') throw new Error(`${line}: ${path.detail}`);
  return {
    scheme: scheme === 'http' ? 'http' : 'https',
    host,
    port: scheme === 'http' ? 80 : 443,
    method,
    path: path.path,
    query: path.query,
    hasBody: body !== undefined,
    header: (name) => headers[name] ?? null,
    attribution: unattributed,
    credential: 'none',
  };
}

export function understand(line: string, options: AskOptions = {}): Understanding | null {
  const interpreter = createRegistryInterpreter({ registries: options.registries ?? [], ...options });
  const understanding = interpreter.understand(askedRequest(line, options));
  if (understanding?.hold === undefined || options.body === undefined) return understanding;
  return understanding.hold.withBody(whole(options.body));
}

export function whole(body: string | Buffer): Held {
  const bytes = Buffer.from(body as string);
  return { kind: 'whole', body: bytes, raw: [bytes] };
}

/** One line that says what a request was understood as: `npm/install read install pkg:npm/a@1.0.0 at npmjs.com`. */
export function tell(understanding: Understanding | null): string {
  const operation = understanding?.operation ?? null;
  if (operation === null) return 'nothing';
  const touches = operation.touches.map((touch) => {
    if (touch.kind === 'image')
      return `${touch.access} ${touch.image}${touch.reference === null ? '' : ` ${touch.reference}`}`;
    if (touch.kind !== 'package') return touch.kind;
    const name = `${touch.purl ?? '-'}${touch.version === null ? '' : `@${touch.version}`}`;
    return `${touch.access} ${touch.act} ${name} at ${touch.registry}`;
  });
  const sureness = operation.sureness === 'known' ? '' : ` (${operation.sureness})`;
  return `${operation.name}: ${touches.join(' + ')}${sureness}${operation.byShape === true ? ' by shape' : ''}`;
}
