// Asks several interpreters what a request means, with a body that is there already: `explain` and tests.

import type { AskedRequest, Interpreter, Understanding } from './asked-request.ts';
import type { Held } from './held.ts';

/** Asks one after the other; the first that knows the request answers. Nobody throws on the path of a flow. */
export function inOrder(interpreters: readonly Interpreter[]): Interpreter {
  return {
    understand: (request) => {
      for (const interpreter of interpreters) {
        const found = interpreter.understand(request);
        if (found !== null) return found;
      }
      return null;
    },
    mayHold: (host) => interpreters.some((interpreter) => interpreter.mayHold?.(host) ?? true),
  };
}

/** What the request means once its body was read as far as it decides; `body` null: there is none. */
export function understandWhole(
  interpreter: Interpreter,
  request: AskedRequest,
  body: Buffer | null,
): Understanding | null {
  let found = interpreter.understand(request);
  // One body is held once; what its meaning asks for again is not given.
  const { hold } = found ?? {};
  if (hold !== undefined) found = hold.withBody(holdWhole(request, body ?? Buffer.alloc(0), hold.maxBytes));
  return found;
}

function holdWhole(request: AskedRequest, body: Buffer, maxBytes: number): Held {
  const raw = [body];
  if (body.length > maxBytes) return { kind: 'opaque', detail: 'the body is larger than what is held', raw };
  const coding = request.header('content-encoding')?.trim().toLowerCase() ?? '';
  if (coding !== '' && coding !== 'identity')
    return { kind: 'opaque', detail: 'a coded body is not read here', raw };
  return { kind: 'whole', body, raw };
}
