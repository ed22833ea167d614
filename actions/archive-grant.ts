// The archive of a resolved action as a grant for one URL. What does not name the action's repository and the very
// commit gives none: it would open another one.

import type { StorageGrant } from '../flow/asked-request.ts';

const lifetimeMs = 1_800_000;
const maxUrlLength = 4_096;
const form =
  /^https:\/\/([a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::(\d{1,5}))?(\/[A-Za-z0-9\-._~/:%]*)(?:\?[^#\s]*)?$/i;

/** `names` are `owner/name`, `marks` the commit and the digest of its package: one of each must be in the path. */
export function archiveGrant(
  url: string | null,
  names: readonly string[],
  marks: readonly string[],
): StorageGrant | null {
  const match = url === null || url.length > maxUrlLength ? null : form.exec(url);
  if (match === null) return null;
  const path = match[3]!;
  const segments = path.toLowerCase().split('/');
  const port = match[2] === undefined ? 443 : Number(match[2]);
  const isAmbiguous = segments.some(
    (segment) => segment === '.' || segment === '..' || segment.includes('%'),
  );
  if (isAmbiguous || port < 1 || port > 65_535) return null;
  if (!names.some((name) => path.toLowerCase().includes(`/${name.toLowerCase()}/`))) return null;
  if (!marks.some((mark) => segments.includes(mark))) return null;
  return {
    host: match[1]!.toLowerCase(),
    port,
    methods: ['GET', 'HEAD'],
    pathPrefix: path,
    expiresMs: Date.now() + lifetimeMs,
    isArchive: true,
  };
}
