// Requests to gem servers: the compact index, files, and the API (guides.rubygems.org).

import { isJson } from './answer-reader.ts';
import { learnGemInfo, learnGemVersions } from './learn-gem.ts';
import { readGemPush } from './publish-gem.ts';
import { gemPurl } from './purl.ts';
import { packageMeaning, packageTouch, publishHold, readQuery, unknownMeaning } from './registry-request.ts';
import type { Meaning, RegistryRequest } from './registry-request.ts';

export const validGem = /^[A-Za-z0-9._-]{1,128}$/;
const platforms =
  /^(?:ruby|java|jruby|mswin(?:32|64).*|mingw(?:32)?|x64-mingw.*|x86-mingw.*|(?:x86|x86_64|x64|i[3-6]86|aarch64|arm64|arm|armv\w*|powerpc\w*|ppc\w*|s390x?|riscv64|sparc\w*|universal|amd64)-.+|universal\..*)$/;
const gemVersion = /^\d+(?:\.[0-9A-Za-z]+)*$/;

/** What a request to a gem server means. */
export function readGem(request: RegistryRequest): Meaning {
  const { segments, isRead } = request;
  const [first = '', second = ''] = segments;
  if (first === 'api') return readApi(request, segments.slice(2));
  if (!isRead) return unknownMeaning(request, 'a write outside the API');
  if (first === 'info' && validGem.test(second)) return infoMeaning(request, second);
  if ((first === 'gems' || first === 'downloads') && second.endsWith('.gem'))
    return readFile(request, second);
  if (first === 'quick') return readSpec(request, segments.at(-1)!);
  if (first === 'gems' && validGem.test(second)) {
    return packageMeaning(request, 'metadata', 'metadata', 'read', { purl: gemPurl(second) });
  }
  if (first === 'search') return packageMeaning(request, 'search', 'search', 'read', { purl: null });
  if (
    segments.length === 1 &&
    /^(?:versions|names|(?:latest_|prerelease_)?specs\.4\.8(?:\.gz)?|)$/.test(first)
  ) {
    return packageMeaning(request, 'index', 'metadata', 'read', { purl: null });
  }
  return unknownMeaning(request, 'no known path of a gem server');
}

function infoMeaning(request: RegistryRequest, name: string): Meaning {
  const purl = gemPurl(name);
  const meaning = packageMeaning(request, 'metadata', 'metadata', 'read', { purl });
  const { learning } = request;
  return learning === null ? meaning : { ...meaning, answer: () => learnGemInfo(learning, purl) };
}

function readFile(request: RegistryRequest, file: string): Meaning {
  return onFile(request, 'install', file, file.slice(0, -4));
}

/** `/quick/Marshal.4.8/{name}-{version}.gemspec.rz`. */
function readSpec(request: RegistryRequest, file: string): Meaning {
  const stem = file.replace(/\.gemspec\.rz$/, '');
  return onFile(request, 'metadata', `${stem}.gem`, stem);
}

function onFile(request: RegistryRequest, act: 'install' | 'metadata', file: string, stem: string): Meaning {
  const readings = splitGemName(stem);
  if (readings.length === 0) {
    const meaning = packageMeaning(request, act, act, 'read', { purl: null, file });
    return { ...meaning, sureness: 'unknown', detail: 'the file does not tell its gem' };
  }
  const { learning } = request;
  const listed = readings.filter(
    ({ name }) => learning?.times.hasFile(learning.registry, gemPurl(name), file) === true,
  );
  const meant = listed.length === 1 ? listed : readings;
  return {
    name: `gem/${act}`,
    touches: meant.map(({ name, version }) =>
      packageTouch(request, act, 'read', { purl: gemPurl(name), version, file }),
    ),
    sureness: meant.length === 1 ? 'known' : 'ambiguous',
    detail: meant.length === 1 ? null : 'a dash before a digit in the name or in the version',
  };
}

/**
 * `name-version` or `name-version-platform`, in every way that it could be meant, at most eight: those with a platform
 * that is known come first. Whoever makes a gem may call its platform anything.
 */
export function splitGemName(stem: string): readonly { readonly name: string; readonly version: string }[] {
  if (stem.length > 256) return [];
  const readings: { name: string; version: string }[] = [];
  const others: typeof readings = [];
  for (const match of [...stem.matchAll(/-(?=\d)/g)].slice(0, 8)) {
    const [name, rest] = [stem.slice(0, match.index), stem.slice(match.index + 1)];
    const dash = rest.indexOf('-');
    const version = dash < 0 ? rest : rest.slice(0, dash);
    const isPlatform = dash < 0 || platforms.test(rest.slice(dash + 1));
    if (gemVersion.test(version) && validGem.test(name))
      (isPlatform ? readings : others).push({ name, version });
  }
  return [...readings, ...others];
}

function readApi(request: RegistryRequest, rest: readonly string[]): Meaning {
  const { isRead, method, asked } = request;
  const [first = '', second = ''] = rest;
  const name = second.replace(/\.(?:json|yaml)$/, '');
  if (first === 'gems' && rest.length === 1 && method === 'POST') return pushMeaning(request);
  if (first === 'gems' && /^(?:yank|unyank)$/.test(name) && !isRead) return yankMeaning(request, name);
  if (first === 'gems' && rest[2]?.startsWith('owners') === true && validGem.test(name)) {
    const purl = gemPurl(name);
    if (isRead) return packageMeaning(request, 'owners', 'metadata', 'read', { purl });
    return packageMeaning(request, 'owners', 'publish', 'admin', { purl });
  }
  if (isRead && first === 'dependencies')
    return dependenciesMeaning(request, readQuery(asked.query).get('gems') ?? '');
  if (isRead && (first === 'versions' || first === 'gems' || first === 'rubygems' || first === 'downloads')) {
    return lookUpMeaning(request, first, name, rest);
  }
  if (isRead && /^(?:search|activity|timeframe_versions)/.test(first)) {
    return packageMeaning(request, 'search', 'search', 'read', { purl: null });
  }
  if (/^(?:api_key|profile|profiles|web_hooks|oidc|webauthn|multifactor_auth|owners)(?:\.|$)/.test(first)) {
    return packageMeaning(request, 'account', 'account', isRead ? 'read' : 'admin', { purl: null });
  }
  return unknownMeaning(request, 'no known path of the API');
}

/** `/api/v1/versions/{gem}.json`, `/api/v1/gems/{gem}.json`, `/api/v2/rubygems/{gem}/versions/{version}.json`. */
function lookUpMeaning(
  request: RegistryRequest,
  first: string,
  name: string,
  rest: readonly string[],
): Meaning {
  if (!validGem.test(name)) return packageMeaning(request, 'search', 'search', 'read', { purl: null });
  const purl = gemPurl(name);
  const leaf = (rest[3] ?? '').replace(/\.(?:json|yaml)$/, '');
  const version = first === 'rubygems' && gemVersion.test(leaf) ? leaf : null;
  const meaning = packageMeaning(request, 'metadata', 'metadata', 'read', { purl, version });
  const { learning } = request;
  const isOwn = (first === 'versions' && rest.length === 2) || (first === 'rubygems' && rest.length === 4);
  if (learning === null || !isOwn) return meaning;
  return { ...meaning, answer: (head) => (isJson(head) ? learnGemVersions(learning, purl) : null) };
}

function dependenciesMeaning(request: RegistryRequest, list: string): Meaning {
  const names = list.split(',').filter((name) => validGem.test(name));
  if (names.length === 0) return packageMeaning(request, 'metadata', 'metadata', 'read', { purl: null });
  const touches = names
    .slice(0, 64)
    .map((name) => packageTouch(request, 'metadata', 'read', { purl: gemPurl(name) }));
  const isWhole = names.length <= 64;
  return {
    name: 'gem/metadata',
    touches,
    sureness: isWhole ? 'known' : 'unknown',
    detail: isWhole ? null : `${names.length} gems at once`,
  };
}

/** `gem yank` names its gem in the query or in a form. */
function yankMeaning(request: RegistryRequest, verb: string): Meaning {
  const read = (form: URLSearchParams): Meaning => {
    const names = form.getAll('gem_name');
    const name = names.length === 1 && validGem.test(names[0]!) ? names[0]! : null;
    const version = form.get('version');
    if (name === null) return unknownMeaning(request, 'a yank that does not tell its gem');
    return packageMeaning(request, verb, 'publish', 'admin', { purl: gemPurl(name), version });
  };
  const { query, hasBody } = request.asked;
  if (!hasBody) return read(readQuery(query));
  return {
    ...unknownMeaning(request, 'a yank whose form is not known'),
    hold: {
      maxBytes: 65_536,
      maxDecodedBytes: 65_536,
      maxRatio: 10,
      withBody: (held) =>
        held.kind === 'opaque' || held.body.length > 65_536
          ? unknownMeaning(request, 'a yank whose form cannot be read')
          : read(new URLSearchParams(`${held.body.toString('latin1')}&${query}`)),
    },
  };
}

function pushMeaning(request: RegistryRequest): Meaning {
  const opaque = packageMeaning(request, 'publish', 'publish', 'write', { purl: null });
  return {
    ...opaque,
    hold: {
      ...publishHold,
      withBody: (body) => {
        const found = readGemPush(request.asked.header('content-type') ?? '', body);
        if (found === null)
          return { ...opaque, sureness: 'unknown', detail: 'the upload does not tell its gem' };
        const facts = { purl: gemPurl(found.name), version: found.version };
        return packageMeaning(request, 'publish', 'publish', 'write', facts);
      },
    },
  };
}
