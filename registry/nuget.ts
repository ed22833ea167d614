// Requests to NuGet servers: the V3 API with its flat container, registrations and search, and what is left of V2
// (learn.microsoft.com/nuget/api).

import { isJson } from './answer-reader.ts';
import { learnRegistration } from './learn-nuget.ts';
import { readNugetPush } from './publish-nuget.ts';
import { nugetPurl } from './purl.ts';
import { packageMeaning, packageTouch, publishHold, unknownMeaning } from './registry-request.ts';
import type { Meaning, RegistryRequest } from './registry-request.ts';
import { normaliseNugetVersion } from './version-order.ts';

const validId = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,98}[A-Za-z0-9_])?$/;
const validVersion = /^v?\d+(?:\.\d+){0,3}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]*)?$/;

/** What a request to a NuGet server means. */
export function readNuget(request: RegistryRequest): Meaning {
  const { segments, isRead } = request;
  const [first = '', second = ''] = segments.map((segment) => segment.toLowerCase());
  if (first === 'api' && second === 'v2') return readV2(request, segments.slice(2));
  if (!isRead) return readPush(request) ?? unknownMeaning(request, 'no known way to publish');
  const folder = segments.findIndex(
    (segment, index) => index < 3 && (isFlat(segment, index) || isRegistration(segment, index)),
  );
  if (folder >= 0 && folder < segments.length - 1) {
    const rest = segments.slice(folder + 1);
    return isFlat(segments[folder]!, folder) ? readFlat(request, rest) : readRegistration(request, rest);
  }
  if (first === 'packages' && segments.length === 2) return readFileName(request, segments[1]!);
  if (/^(?:query|autocomplete|search)$/.test(segments.at(-1)!.toLowerCase())) {
    return packageMeaning(request, 'search', 'search', 'read', { purl: null });
  }
  if (/^v3(?:-index)?$/.test(first) || segments.at(-1)!.toLowerCase() === 'index.json') {
    return packageMeaning(request, 'index', 'metadata', 'read', { purl: null });
  }
  if (first === 'packages' && validId.test(segments[1] ?? '')) {
    return packageMeaning(request, 'metadata', 'metadata', 'read', { purl: nugetPurl(segments[1]!) });
  }
  return unknownMeaning(request, 'no known path of the API');
}

/** GitLab's is called `metadata`. */
function isRegistration(segment: string, index: number): boolean {
  return /^registrations?\d*(?:-[a-z0-9-]+)?$/i.test(segment) || (index === 0 && segment === 'metadata');
}

/** GitHub's is called `download`. */
function isFlat(segment: string, index: number): boolean {
  return /^(?:v3-)?flat-?container\d*$/i.test(segment) || (index === 0 && segment === 'download');
}

/** `/{id}/index.json`, `/{id}/{version}/{id}.{version}.nupkg`, `.nuspec`, `readme`, `icon`. */
function readFlat(request: RegistryRequest, rest: readonly string[]): Meaning {
  const [id = '', version = '', file = ''] = rest;
  if (!validId.test(id)) return unknownMeaning(request, 'no id of a package');
  const purl = nugetPurl(id);
  if (rest.length === 2) return packageMeaning(request, 'metadata', 'metadata', 'read', { purl });
  if (rest.length !== 3 || !validVersion.test(version)) return unknownMeaning(request, 'no known file', purl);
  const facts = { purl, version: normaliseNugetVersion(version) };
  if (!file.toLowerCase().endsWith('.nupkg'))
    return packageMeaning(request, 'metadata', 'metadata', 'read', facts);
  return packageMeaning(request, 'install', 'install', 'read', { ...facts, file: file.toLowerCase() });
}

/** `/{id}/index.json`, `/{id}/page/…json`, `/{id}/{version}.json`: they tell when each version was published. */
function readRegistration(request: RegistryRequest, rest: readonly string[]): Meaning {
  const [id = '', page = ''] = rest;
  if (!validId.test(id)) return unknownMeaning(request, 'no id of a package');
  const purl = nugetPurl(id);
  const leaf = page.replace(/\.json$/i, '');
  const version = rest.length === 2 && validVersion.test(leaf) ? normaliseNugetVersion(leaf) : null;
  const meaning = packageMeaning(request, 'metadata', 'metadata', 'read', { purl, version });
  const { learning } = request;
  if (learning === null) return meaning;
  return { ...meaning, answer: (head) => (isJson(head) ? learnRegistration(learning, purl, version) : null) };
}

/** `/packages/{id}.{version}.nupkg` of the content networks. */
function readFileName(request: RegistryRequest, file: string): Meaning {
  const readings = splitFileName(file);
  const { learning } = request;
  const isKnown = ({ purl, version }: (typeof readings)[number]): boolean =>
    learning !== null && learning.times.find(learning.registry, purl, version) !== null;
  const known = readings.filter(isKnown);
  const meant = known.length === 1 ? known : readings;
  const [first] = meant;
  if (first === undefined) return unknownMeaning(request, 'no known file');
  const meaning = packageMeaning(request, 'install', 'install', 'read', first);
  if (meant.length === 1) return meaning;
  const touches = meant.map((facts) => packageTouch(request, 'install', 'read', facts));
  return { ...meaning, touches, sureness: 'ambiguous', detail: 'an id that may end in a number' };
}

/** Every way to split it: an id may end in digits too. */
function splitFileName(file: string): { purl: string; version: string; file: string }[] {
  const stem = file.length > 256 ? '' : (/^(.+)\.s?nupkg$/i.exec(file)?.[1] ?? '');
  const cuts = [...stem.matchAll(/\.(?=\d+(?:\.\d+){2,3}(?:-[0-9a-z.-]+)?$)/gi)];
  return cuts.slice(0, 8).flatMap(({ index }) => {
    const [id, version] = [stem.slice(0, index), stem.slice(index + 1)];
    if (!validId.test(id)) return [];
    return [{ purl: nugetPurl(id), version: normaliseNugetVersion(version), file: file.toLowerCase() }];
  });
}

function readV2(request: RegistryRequest, rest: readonly string[]): Meaning {
  const [first = '', id = '', version = ''] = rest;
  const word = first.toLowerCase();
  if (request.isRead) return readV2Read(request, rest);
  if (word !== 'package' && word !== 'symbolpackage')
    return unknownMeaning(request, 'no known path of the API');
  if (id === '' && (request.method === 'PUT' || request.method === 'POST')) {
    return readPush(request) ?? unknownMeaning(request, 'no known way to publish');
  }
  if (id.toLowerCase() === 'create-verification-key' && validId.test(version)) {
    return packageMeaning(request, 'verify', 'account', 'write', { purl: nugetPurl(version) });
  }
  if (!validId.test(id) || !validVersion.test(version)) return unknownMeaning(request, 'no known package');
  const facts = { purl: nugetPurl(id), version: normaliseNugetVersion(version) };
  if (request.method === 'DELETE') return packageMeaning(request, 'unlist', 'publish', 'admin', facts);
  if (request.method === 'POST') return packageMeaning(request, 'relist', 'publish', 'write', facts);
  return unknownMeaning(request, 'no known method', facts.purl);
}

function readV2Read(request: RegistryRequest, rest: readonly string[]): Meaning {
  const [first = '', id = '', version = ''] = rest;
  if (/^(?:symbol)?package$/i.test(first) && validId.test(id)) {
    const isVersion = validVersion.test(version);
    const facts = { purl: nugetPurl(id), version: isVersion ? normaliseNugetVersion(version) : null };
    const meaning = packageMeaning(request, 'install', 'install', 'read', facts);
    return isVersion
      ? meaning
      : { ...meaning, sureness: 'unknown', detail: 'the newest version, whichever it is' };
  }
  const named = /^Packages\(Id='([^']+)',Version='([^']+)'\)$/i.exec(first);
  if (named !== null && validId.test(named[1]!)) {
    const version = normaliseNugetVersion(named[2]!);
    return packageMeaning(request, 'metadata', 'metadata', 'read', { purl: nugetPurl(named[1]!), version });
  }
  if (/^FindPackagesById\(\)$/i.test(first)) {
    const found = /(?:^|&)id=(?:'|%27)([A-Za-z0-9_.-]+)(?:'|%27)/i.exec(request.asked.query);
    return packageMeaning(request, 'metadata', 'metadata', 'read', {
      purl: found === null ? null : nugetPurl(found[1]!),
    });
  }
  if (/^(?:Search\(\)|Packages|\$metadata|)$/i.test(first)) {
    return packageMeaning(request, 'search', 'search', 'read', { purl: null });
  }
  return unknownMeaning(request, 'no known path of the API');
}

/** A package that is pushed says only inside which one it is. */
function readPush(request: RegistryRequest): Meaning | null {
  const { method, segments, asked } = request;
  const last = segments.at(-1)!.toLowerCase();
  const isPush =
    method === 'PUT' && (/^(?:package|symbolpackage|packages|)$/.test(last) || segments.length <= 2);
  if (!isPush && !(method === 'POST' && /^(?:symbol)?package$/.test(last))) return null;
  const opaque = packageMeaning(request, 'publish', 'publish', 'write', { purl: null });
  return {
    ...opaque,
    hold: {
      ...publishHold,
      withBody: (body) => {
        const found = readNugetPush(asked.header('content-type') ?? '', body);
        if (found === null || !validId.test(found.id)) {
          return { ...opaque, sureness: 'unknown', detail: 'the package does not tell its id' };
        }
        const facts = { purl: nugetPurl(found.id), version: normaliseNugetVersion(found.version) };
        return packageMeaning(request, 'publish', 'publish', 'write', facts);
      },
    },
  };
}
