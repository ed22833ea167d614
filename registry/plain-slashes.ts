// Encoded slashes in paths of registries: no name of a package holds one that means anything else, and most servers
// take them for slashes. What is read is the path that they would see. A write that is spelt so is not placed: no
// client needs it but for the scope of an npm package, whose one slash its reader knows.

import type { AskedRequest } from '../flow/asked-request.ts';

/** The path of a request for reading with slashes for `%2F`; as it is of any other. */
export function plainSlashes({ method }: Pick<AskedRequest, 'method'>, path: string): string {
  const isCoded = (method === 'GET' || method === 'HEAD') && path.includes('%2F');
  return isCoded ? path.replaceAll('%2F', '/') : path;
}
