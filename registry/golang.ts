// Requests to Go module proxies and checksum databases (go.dev/ref/mod, "GOPROXY protocol", "Checksum database").

import { learnInfo } from './learn-golang.ts';
import { golangPurl } from './purl.ts';
import { packageMeaning, unknownMeaning } from './registry-request.ts';
import type { Meaning, RegistryRequest } from './registry-request.ts';

const element = /^[A-Za-z0-9._~!+-]+$/;
const canonicalVersion = /^v\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+incompatible)?$/;

/** What a request to a module proxy or a checksum database means. */
export function readGolang(request: RegistryRequest): Meaning {
  const { isRead } = request;
  const segments = request.segments[0] === 'cached-only' ? request.segments.slice(1) : request.segments;
  if (!isRead) return unknownMeaning(request, 'a module proxy takes no writes');
  if (segments[0] === 'sumdb') return readSums(request, segments.slice(2));
  const marker = segments.lastIndexOf('@v');
  if (marker > 0 && segments.length === marker + 2)
    return readModule(request, segments.slice(0, marker), segments.at(-1)!);
  if (segments.length > 1 && segments.at(-1) === '@latest')
    return readModule(request, segments.slice(0, -1), '');
  return readSums(request, segments);
}

/** `list`, `{version}.info`, `.mod`, `.zip`; nothing: the latest. */
function readModule(request: RegistryRequest, path: readonly string[], file: string): Meaning {
  const module = unescapeModule(path);
  if (module === null) return unknownMeaning(request, 'no path of a module');
  const purl = golangPurl(module);
  const match = /^(.+)\.(info|mod|zip)$/.exec(file);
  if (match === null) {
    if (file !== 'list' && file !== '') return unknownMeaning(request, 'no known file of a module', purl);
    return withInfo(
      request,
      packageMeaning(request, 'metadata', 'metadata', 'read', { purl }),
      purl,
      file === '',
    );
  }
  const unescaped = unescapeElement(match[1]!);
  const version = unescaped !== null && canonicalVersion.test(unescaped) ? unescaped : null;
  if (match[2] !== 'zip') {
    const meaning = packageMeaning(request, 'metadata', 'metadata', 'read', { purl, version });
    return withInfo(request, meaning, purl, match[2] === 'info');
  }
  if (version === null) return unknownMeaning(request, 'an archive of no version', purl);
  return packageMeaning(request, 'install', 'install', 'read', { purl, version });
}

function withInfo(request: RegistryRequest, meaning: Meaning, purl: string, isInfo: boolean): Meaning {
  const { learning } = request;
  if (learning === null || !isInfo) return meaning;
  return { ...meaning, answer: () => learnInfo(learning, purl) };
}

/** `!azure` is `Azure`: file systems without case must tell modules apart. Null when it is no path of a module. */
export function unescapeModule(segments: readonly string[]): string | null {
  if (segments.length > 64) return null;
  const parts = segments.map(unescapeElement);
  return parts.some((part) => part === null) ? null : parts.join('/');
}

function unescapeElement(text: string): string | null {
  if (!element.test(text) || /[A-Z]|!(?![a-z])/.test(text)) return null;
  return text.replaceAll(/!([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** `lookup/{module}@{version}`, `tile/…`, `latest`, `supported`; `index` of the list of all modules. */
function readSums(request: RegistryRequest, segments: readonly string[]): Meaning {
  if (segments[0] === 'lookup') {
    const text = segments.slice(1).join('/');
    const at = text.lastIndexOf('@');
    const module = at > 0 ? unescapeModule(text.slice(0, at).split('/')) : null;
    const version = at > 0 ? unescapeElement(text.slice(at + 1).replace(/\+incompatible$/, '')) : null;
    if (module === null) return unknownMeaning(request, 'no path of a module');
    const suffix = text.endsWith('+incompatible') ? '+incompatible' : '';
    const isVersion = version !== null && canonicalVersion.test(version);
    return packageMeaning(request, 'checksum', 'metadata', 'read', {
      purl: golangPurl(module),
      version: isVersion ? `${version}${suffix}` : null,
    });
  }
  if (['tile', 'latest', 'supported', 'index', ''].includes(segments[0] ?? '')) {
    return packageMeaning(request, 'checksum', 'metadata', 'read', { purl: null });
  }
  return unknownMeaning(request, 'no known path of a module proxy');
}
