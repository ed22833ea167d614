// Other projects that a body or a query names: the target of a merge request, of a moved or linked issue, the start of
// a branch in a commit. What cannot be read in one way names a project that nobody knows.

import type { AskedRequest } from '../../flow/asked-request.ts';
import type { Held, HoldLimits } from '../../flow/held.ts';
import type { Touch } from '../../flow/operation.ts';
import { fieldOf } from '../github/read-json.ts';
import { parseOnce } from '../graphql-asked.ts';
import { contentType } from './content-type.ts';
import type { GitlabServer } from './gitlab-server.ts';
import { hiddenProject, projectByParameter } from './touches.ts';

export const crossingLimits: HoldLimits = { maxBytes: 1_048_576, maxDecodedBytes: 2_097_152, maxRatio: 100 };

/** Parameters by which another project is read and not written. */
const readOnly: ReadonlySet<string> = new Set(['start_project', 'from_project_id']);

/** The touch of the project that `parameter` names in the query, or in the body where there is one; none without. */
export function findCrossing(
  server: GitlabServer,
  request: AskedRequest,
  parameter: string,
  body: Held | null,
): Touch[] {
  const access = readOnly.has(parameter) ? 'read' : 'write';
  const values = [...valuesOf(new URLSearchParams(request.query), parameter)];
  const inBody = body === null ? [] : readBody(request, parameter, body);
  if (inBody === null) return [hiddenProject(access)];
  return [...values, ...inBody].slice(0, 4).map((value) =>
    // What comes as a value is written plainly: a path with its slashes, or a number.
    value === null
      ? hiddenProject(access)
      : projectByParameter(server, request, value.replaceAll('/', '%2F'), access),
  );
}

/** Null: not readable in one way. A null among the values: named, and not by a number or a path. */
function readBody(request: AskedRequest, parameter: string, body: Held): (string | null)[] | null {
  if (body.kind === 'opaque') return null;
  const type = contentType(request);
  if (type === 'application/json') return readJsonBody(body.body, parameter);
  if (type !== '' && type !== 'application/x-www-form-urlencoded') return null;
  const text = body.body.toString('latin1');
  return text.includes(';') ? null : valuesOf(new URLSearchParams(text), parameter);
}

function readJsonBody(body: Buffer, parameter: string): (string | null)[] | null {
  let value: unknown;
  try {
    value = parseOnce(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body));
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const named = fieldOf(value, parameter);
  if (named === undefined || named === null) return [];
  return [typeof named === 'number' ? String(named) : typeof named === 'string' ? named : null];
}

/** Also `x[]` and `x[y]`, which are no plain value. */
function valuesOf(parameters: URLSearchParams, parameter: string): (string | null)[] {
  return [...parameters].flatMap(([key, value]) => {
    if (key === parameter) return [value];
    return key.startsWith(`${parameter}[`) ? [null] : [];
  });
}
