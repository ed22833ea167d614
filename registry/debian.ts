// Requests to archives of Debian and its kin (wiki.debian.org/DebianRepository/Format): which package, and its version
// as far as a file's name tells it. An archive states no times.

import { debPurl } from './purl.ts';
import { packageMeaning, unknownMeaning } from './registry-request.ts';
import type { Meaning, RegistryRequest } from './registry-request.ts';

const debFile = /^([a-z0-9][a-z0-9+.-]+)_([0-9A-Za-z.+~:%-]+?)_([a-z0-9-]+)\.(?:deb|udeb|ddeb)$/;
const sourceFile =
  /^([a-z0-9][a-z0-9+.-]+)_([0-9A-Za-z.+~:-]+?)(?:\.orig(?:-[a-z0-9-]+)?)?(?:\.debian)?\.(?:dsc|tar\.[a-z0-9]+|diff\.gz|tar\.[a-z0-9]+\.asc)$/;

/** What a request to an archive means. */
export function readDebian(request: RegistryRequest): Meaning {
  const { segments, isRead } = request;
  if (!isRead) return unknownMeaning(request, 'an archive takes no writes');
  const file = segments.at(-1)!;
  const vendor = request.registry === 'ubuntu.com' ? 'ubuntu' : 'debian';
  const found = debFile.exec(file) ?? sourceFile.exec(file);
  if (found !== null) {
    const [, name = '', version = ''] = found;
    return packageMeaning(request, 'install', 'install', 'read', {
      purl: debPurl(vendor, name),
      version: version.replaceAll(/%3a/gi, ':'),
      file,
    });
  }
  const digest = /(?:^|\/)by-hash\/(?:SHA256|SHA512|MD5Sum)\/[0-9a-f]+$/i.test(request.path);
  if (segments.includes('dists') || digest || file === '') {
    return packageMeaning(request, 'metadata', 'metadata', 'read', { purl: null });
  }
  return unknownMeaning(request, 'no known path of an archive');
}
