// Requests to crate registries: the sparse index, downloads and the web API (doc.rust-lang.org/cargo/reference).

import { learnCrateApi, learnCrateIndex } from './learn-cargo.ts';
import { readCratePublish } from './publish-cargo.ts';
import { cargoPurl } from './purl.ts';
import { packageMeaning, publishHold, unknownMeaning } from './registry-request.ts';
import type { Meaning, RegistryRequest } from './registry-request.ts';

const validName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;
const validVersion = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

/** What a request to a crate registry means. */
export function readCargo(request: RegistryRequest): Meaning {
  const { segments, isRead } = request;
  if (segments[0] === 'api' && segments[1] === 'v1') return readApi(request, segments.slice(2));
  if (!isRead) return unknownMeaning(request, 'a write outside the API');
  if (segments[0] === 'crates' && segments.length > 2) return readDownload(request, segments.slice(1));
  const file = readFile(segments);
  if (file !== null) return installMeaning(request, file.name, file.version);
  const name = indexName(segments);
  if (name !== null) return indexMeaning(request, name);
  const isIndex = segments.at(-1) === 'config.json' && segments.length < 4;
  if (isIndex || (segments.length === 1 && ['', 'me', 'crates', 'db-dump.tar.gz'].includes(segments[0]!))) {
    return packageMeaning(request, 'index', 'metadata', 'read', { purl: null });
  }
  if (segments[0] === 'crates' && validName.test(segments[1] ?? '')) {
    return packageMeaning(request, 'metadata', 'metadata', 'read', { purl: cargoPurl(segments[1]!) });
  }
  return unknownMeaning(request, 'no known path of the registry');
}

/** Where `dl` of an index's `config.json` leads is the registry's choice: its files say which crate they are. */
function readFile(segments: readonly string[]): { readonly name: string; readonly version: string } | null {
  const [, name = '', version = ''] = /^(.+?)-(\d+\.\d+\.\d+.*)\.crate$/.exec(segments.at(-1)!) ?? [];
  if (validName.test(name) && validVersion.test(version)) return { name, version };
  const [crate = '', second = '', last = ''] = segments.slice(-3);
  const isNamed = last === 'download' && validName.test(crate) && validVersion.test(second);
  return isNamed ? { name: crate, version: second } : null;
}

/** `/1/a`, `/2/ab`, `/3/a/abc`, `/ab/cd/abcdef`: the folders are made of the name. Before them the index has its place. */
function indexName(segments: readonly string[]): string | null {
  const name = segments.at(-1)!;
  const lower = name.toLowerCase();
  if (!validName.test(name)) return null;
  const folders =
    lower.length <= 2
      ? [String(lower.length)]
      : lower.length === 3
        ? ['3', lower[0]!]
        : [lower.slice(0, 2), lower.slice(2, 4)];
  const own = segments.slice(-1 - folders.length, -1);
  return own.join('/').toLowerCase() === folders.join('/') ? name : null;
}

function indexMeaning(request: RegistryRequest, name: string): Meaning {
  const purl = cargoPurl(name);
  const { learning } = request;
  const meaning = packageMeaning(request, 'metadata', 'metadata', 'read', { purl });
  return learning === null ? meaning : { ...meaning, answer: () => learnCrateIndex(learning, purl) };
}

/** `/crates/{name}/{name}-{version}.crate` and `/crates/{name}/{version}/download`. */
function readDownload(request: RegistryRequest, rest: readonly string[]): Meaning {
  const [name = '', second = '', third = ''] = rest;
  if (!validName.test(name)) return unknownMeaning(request, 'no name of a crate');
  const isFile = rest.length === 2 && second.startsWith(`${name}-`) && second.endsWith('.crate');
  const version = isFile
    ? second.slice(name.length + 1, -6)
    : third === 'download' && rest.length === 3
      ? second
      : '';
  const purl = cargoPurl(name);
  if (!validVersion.test(version)) return unknownMeaning(request, 'no known file of a crate', purl);
  return installMeaning(request, name, version);
}

function installMeaning(request: RegistryRequest, name: string, version: string): Meaning {
  const file = `${name}-${version}.crate`;
  return packageMeaning(request, 'install', 'install', 'read', { purl: cargoPurl(name), version, file });
}

function readApi(request: RegistryRequest, rest: readonly string[]): Meaning {
  const [first = '', second = ''] = rest;
  if (first === 'crates' && rest.length > 1 && second !== '') return readCrate(request, rest.slice(1));
  const { isRead, method } = request;
  if (isRead && first === 'crates')
    return packageMeaning(request, 'search', 'search', 'read', { purl: null });
  if (first === 'me' || first === 'trusted_publishing' || first === 'tokens') {
    const access = isRead ? 'read' : first === 'trusted_publishing' ? 'write' : 'admin';
    return packageMeaning(request, isRead ? 'account' : 'token', 'account', access, { purl: null });
  }
  if (isRead && /^(?:summary|categories|keywords|category_slugs|users|teams|site_metadata)$/.test(first)) {
    return packageMeaning(request, 'search', 'search', 'read', { purl: null });
  }
  return unknownMeaning(request, `no known path of the API (${method === 'GET' ? 'read' : 'write'})`);
}

function readCrate(request: RegistryRequest, rest: readonly string[]): Meaning {
  const [name = '', second = '', third = ''] = rest;
  const { isRead, method } = request;
  if (name === 'new' && rest.length === 1 && method === 'PUT') return publishMeaning(request);
  if (!validName.test(name)) return unknownMeaning(request, 'no name of a crate');
  const purl = cargoPurl(name);
  const isVersion = validVersion.test(second);
  const facts = { purl, version: isVersion ? second : null };
  if (isRead && isVersion && third === 'download') {
    return packageMeaning(request, 'install', 'install', 'read', {
      ...facts,
      file: `${name}-${second}.crate`,
    });
  }
  if (isRead) {
    // Other lists below a crate are of other crates: those that depend on it.
    const isOwn = rest.length === 1 || (rest.length === 2 && (isVersion || second === 'versions'));
    return apiMeaning(request, purl, facts.version, isOwn);
  }
  if (isVersion && third === 'yank' && method === 'DELETE') {
    return packageMeaning(request, 'yank', 'publish', 'write', facts);
  }
  if (isVersion && third === 'unyank' && method === 'PUT') {
    return packageMeaning(request, 'unyank', 'publish', 'write', facts);
  }
  if (second === 'owners') return packageMeaning(request, 'owners', 'publish', 'admin', { purl });
  if (rest.length === 1 && method === 'DELETE')
    return packageMeaning(request, 'delete', 'publish', 'admin', { purl });
  return unknownMeaning(request, 'no known path of a crate', purl);
}

function apiMeaning(request: RegistryRequest, purl: string, version: string | null, isOwn: boolean): Meaning {
  const { learning } = request;
  const meaning = packageMeaning(request, 'metadata', 'metadata', 'read', { purl, version });
  return learning === null || !isOwn ? meaning : { ...meaning, answer: () => learnCrateApi(learning, purl) };
}

function publishMeaning(request: RegistryRequest): Meaning {
  const opaque = packageMeaning(request, 'publish', 'publish', 'write', { purl: null });
  return {
    ...opaque,
    hold: {
      ...publishHold,
      withBody: (body) => {
        const found = readCratePublish(body);
        if (found === null || !validName.test(found.name)) {
          return { ...opaque, sureness: 'unknown', detail: 'the upload does not tell its crate' };
        }
        const facts = { purl: cargoPurl(found.name), version: found.version };
        return packageMeaning(request, 'publish', 'publish', 'write', facts);
      },
    },
  };
}
