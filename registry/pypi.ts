// Requests to Python package indexes: the simple API (PEP 503, 691, 658), files, the JSON API and the legacy upload
// (docs.pypi.org/api). Which package a file is of is told by its name (PEP 427, PEP 625).

import { readPypiUpload } from './publish-pypi.ts';
import { normalisePypiName, pypiPurl } from './purl.ts';
import { packageMeaning, packageTouch, publishHold, unknownMeaning } from './registry-request.ts';
import type { Meaning, RegistryRequest } from './registry-request.ts';

const validName = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;

/** What a request to a Python package index means. */
export function readPypi(request: RegistryRequest): Meaning {
  const { segments, isRead } = request;
  const [first = '', second = ''] = segments;
  if (first === 'simple') return readSimple(request, segments.slice(1));
  if (first === 'packages') return readFile(request, segments);
  if (first === 'pypi') return readJson(request, segments.slice(1));
  if (first === 'integrity' && isRead && segments.length === 5 && validName.test(second)) {
    const version = normalisePypiVersion(segments[2]!);
    return packageMeaning(request, 'provenance', 'metadata', 'read', { purl: pypiPurl(second), version });
  }
  // Private indexes take uploads at their root.
  if (request.method === 'POST' && (first === 'legacy' || (first === '' && segments.length === 1)))
    return readUpload(request);
  if (first === '_' && second === 'oidc') {
    return packageMeaning(request, 'exchange-token', 'account', isRead ? 'read' : 'write', { purl: null });
  }
  if (isRead && first === 'search')
    return packageMeaning(request, 'search', 'search', 'read', { purl: null });
  if (isRead && first === 'project' && validName.test(second)) {
    return packageMeaning(request, 'metadata', 'metadata', 'read', { purl: pypiPurl(second) });
  }
  if (isRead && (segments.length === 1 || first === 'rss') && ['', 'stats', 'rss'].includes(first)) {
    return packageMeaning(request, 'index', 'metadata', 'read', { purl: null });
  }
  return unknownMeaning(request, 'no known path of an index');
}

function readSimple(request: RegistryRequest, rest: readonly string[]): Meaning {
  const [name = '', file = ''] = rest;
  if (!request.isRead) return unknownMeaning(request, 'a write to the simple index');
  if (name === '') return packageMeaning(request, 'index', 'metadata', 'read', { purl: null });
  if (!validName.test(name)) return unknownMeaning(request, 'no name of a project');
  const purl = pypiPurl(name);
  if (file === '') return packageMeaning(request, 'metadata', 'metadata', 'read', { purl });
  // Static mirrors keep the files beneath the page.
  const told = readFileName(rest.at(-1)!);
  if (told === null || pypiPurl(told.name) !== purl) return unknownMeaning(request, 'no known file', purl);
  return installMeaning(request, told, rest.at(-1)!);
}

function readJson(request: RegistryRequest, rest: readonly string[]): Meaning {
  const [name = '', second = '', third = ''] = rest;
  if (request.isRead && validName.test(name)) {
    const purl = pypiPurl(name);
    if (rest.length === 2 && second === 'json')
      return packageMeaning(request, 'metadata', 'metadata', 'read', { purl });
    if (rest.length === 3 && third === 'json') {
      const version = normalisePypiVersion(second);
      return packageMeaning(request, 'metadata', 'metadata', 'read', { purl, version });
    }
    return unknownMeaning(request, 'no known path of the JSON API', purl);
  }
  return unknownMeaning(request, 'XML-RPC or no known path of the JSON API');
}

/** `/packages/{aa}/{bb}/{digest}/{file}`, and the paths of mirrors that end in a file. */
function readFile(request: RegistryRequest, segments: readonly string[]): Meaning {
  const file = segments.at(-1) ?? '';
  if (!request.isRead) return unknownMeaning(request, 'a write to a file');
  const told = readFileName(file);
  if (told === null) {
    const meaning = packageMeaning(request, 'install', 'install', 'read', { purl: null, file });
    return { ...meaning, sureness: 'unknown', detail: 'the file does not tell its package' };
  }
  const digest = /^([0-9a-f]{2})\/([0-9a-f]{2})\/([0-9a-f]{60})$/.exec(segments.slice(1, 4).join('/'));
  const integrity = digest === null ? undefined : `blake2b-256:${digest[1]}${digest[2]}${digest[3]}`;
  return installMeaning(request, told, file, integrity);
}

function installMeaning(
  request: RegistryRequest,
  told: FileFacts,
  file: string,
  integrity?: string,
): Meaning {
  const act = told.isMetadata ? 'metadata' : 'install';
  const meaning = packageMeaning(request, act, act, 'read', {
    purl: pypiPurl(told.name),
    version: told.version,
    file: told.isMetadata ? file.replace(/\.(?:metadata|asc|provenance)$/, '') : file,
    ...(integrity === undefined ? {} : { integrity }),
  });
  if (told.other === null) return meaning;
  const touches = [...meaning.touches];
  for (let other: FileFacts | null = told.other; other !== null; other = other.other) {
    touches.push(
      packageTouch(request, act, 'read', { purl: pypiPurl(other.name), version: other.version, file }),
    );
  }
  return {
    ...meaning,
    touches,
    sureness: 'ambiguous',
    detail: 'a dash before a digit in the name or in the version',
  };
}

export interface FileFacts {
  readonly name: string;
  readonly version: string;
  /** `.metadata` (PEP 658), signatures and attestations of a file. */
  readonly isMetadata: boolean;
  /** Set when name and version could be split in another place too. */
  readonly other: FileFacts | null;
}

const suffix = /\.(?:metadata|asc|provenance)$/;
const sdist = /\.(?:tar\.gz|tgz|zip|tar\.bz2|tar\.xz|tar\.Z)$/;

/** Reads name and version out of the name of a wheel, an egg, an sdist or an installer; null when it tells neither. */
export function readFileName(file: string): FileFacts | null {
  if (file.length > 512) return null;
  const isMetadata = suffix.test(file);
  const bare = isMetadata ? file.replace(suffix, '') : file;
  if (/\.(?:whl|egg)$/.test(bare)) {
    const parts = bare.replace(/\.(?:whl|egg)$/, '').split('-');
    const [name = '', version = ''] = parts;
    const isWheel = bare.endsWith('.whl');
    if (isWheel ? parts.length < 5 || parts.length > 6 : parts.length < 2) return null;
    return told(name, version, isMetadata);
  }
  if (!sdist.test(bare)) return null;
  return readSdistName(bare.replace(sdist, ''), isMetadata);
}

function told(
  name: string,
  version: string,
  isMetadata: boolean,
  other: FileFacts | null = null,
): FileFacts | null {
  if (!validName.test(name) || !/^[0-9v]/i.test(version)) return null;
  return { name, version: normalisePypiVersion(version), isMetadata, other };
}

/** Before PEP 625 both parts held dashes: `foo-1.0-1` is a post-release of foo, `foo-2-1.0` the first one of foo-2. */
function readSdistName(stem: string, isMetadata: boolean): FileFacts | null {
  const cuts = [...stem.matchAll(/-(?=v?\d)/g)].map((match) => match.index);
  if (cuts.length === 0 || cuts.length > 8) return null;
  let facts: FileFacts | null = null;
  for (const at of cuts) facts = told(stem.slice(0, at), stem.slice(at + 1), isMetadata, facts) ?? facts;
  return facts;
}

/** One spelling for a version, as PEP 440 normalises it; what is no version is kept in lower case. */
export function normalisePypiVersion(text: string): string {
  const match = pep440.exec(text.trim().toLowerCase());
  if (match === null) return text.toLowerCase();
  const [, epoch, release, pre, preNumber, post1, post2, postNumber, dev, devNumber, local] = match;
  const number = (digits: string | undefined): string => (digits ?? '0').replace(/^0+(?=\d)/, '');
  let out = epoch === undefined || number(epoch) === '0' ? '' : `${number(epoch)}!`;
  out += release!.split('.').map(number).join('.');
  if (pre !== undefined) out += `${preWords[pre] ?? pre}${number(preNumber)}`;
  if (post1 !== undefined) out += `.post${number(post1)}`;
  else if (post2 !== undefined) out += `.post${number(postNumber)}`;
  if (dev !== undefined) out += `.dev${number(devNumber)}`;
  return local === undefined ? out : `${out}+${local.replaceAll(/[-_]/g, '.')}`;
}

const preWords: Readonly<Record<string, string>> = {
  alpha: 'a',
  beta: 'b',
  c: 'rc',
  pre: 'rc',
  preview: 'rc',
};

/** PEP 440, appendix B: epoch, release, pre (2), post (3), dev (2), local. */
export const pep440 =
  /^v?(?:(\d{1,20})!)?(\d{1,20}(?:\.\d{1,20}){0,30})(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?(\d{1,20})?)?(?:-(\d{1,20})|[-_.]?(post|rev|r)[-_.]?(\d{1,20})?)?(?:[-_.]?(dev)[-_.]?(\d{1,20})?)?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+){0,30}))?$/;

function readUpload(request: RegistryRequest): Meaning {
  const meaning = packageMeaning(request, 'publish', 'publish', 'write', { purl: null });
  return {
    ...meaning,
    hold: {
      ...publishHold,
      withBody: (body) => {
        const form = readPypiUpload(request.asked.header('content-type') ?? '', body);
        if (form === null)
          return { ...meaning, sureness: 'unknown', detail: 'the upload does not tell its project' };
        const facts = {
          purl: pypiPurl(normalisePypiName(form.name)),
          version: normalisePypiVersion(form.version),
        };
        if (form.action !== 'file_upload') return unknownMeaning(request, 'no upload of a file', facts.purl);
        return packageMeaning(request, 'publish', 'publish', 'write', facts);
      },
    },
  };
}
