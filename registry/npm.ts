// Requests to npm registries: the public one, verdaccio, Artifactory, Nexus, GitHub Packages. Paths as the npm, pnpm
// and yarn clients ask them (github.com/npm/registry/docs, and the clients' own sources).

import type { AnswerHead } from '../flow/asked-request.ts';
import { isJson } from './answer-reader.ts';
import { rewritePackument } from './answer-rewrite.ts';
import { learnPackument } from './learn-npm.ts';
import { npmPurl } from './purl.ts';
import { packageMeaning, unknownMeaning } from './registry-request.ts';
import type { Meaning, RegistryRequest } from './registry-request.ts';

const namePart = /^[A-Za-z0-9~!'()*][A-Za-z0-9._~!'()*-]*$/;
const scopePart = /^@[A-Za-z0-9._~-]+$/;
const semver = /^v?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

/** What a request to an npm registry means. */
export function readNpm(request: RegistryRequest): Meaning {
  const { segments, isRead } = request;
  if (segments.length === 1 && segments[0] === '') {
    return isRead
      ? packageMeaning(request, 'ping', 'metadata', 'read', { purl: null })
      : unknownMeaning(request, 'a write to the root');
  }
  if (segments[0] === '-') return readService(request, segments.slice(1));
  if (segments[0] === 'download' && segments[1]?.startsWith('@'))
    return readGithubDownload(request, segments);
  const found = takeName(segments);
  if (found === null) return unknownMeaning(request, 'no name of a package');
  return readPackage(request, found.name, found.rest);
}

/** Takes `name`, `@scope/name` or `@scope%2Fname` off the front. */
export function takeName(
  segments: readonly string[],
): { readonly name: string; readonly rest: readonly string[] } | null {
  const first = segments[0] ?? '';
  if (namePart.test(first)) return { name: first, rest: segments.slice(1) };
  const slash = first.indexOf('/');
  const [scope, name] =
    slash < 0 ? [first, segments[1] ?? ''] : [first.slice(0, slash), first.slice(slash + 1)];
  if (!scopePart.test(scope) || !namePart.test(name)) return null;
  return { name: `${scope}/${name}`, rest: segments.slice(slash < 0 ? 2 : 1) };
}

function readPackage(request: RegistryRequest, name: string, rest: readonly string[]): Meaning {
  const { isRead, method } = request;
  const purl = npmPurl(name);
  const [first = '', second = ''] = rest;
  if (rest.length === 0 || (rest.length === 1 && first === '')) {
    if (isRead) return packumentMeaning(request, purl);
    if (method === 'PUT') return packageMeaning(request, 'publish', 'publish', 'write', { purl });
    if (method === 'DELETE') return packageMeaning(request, 'unpublish', 'publish', 'admin', { purl });
  }
  if (first === '-rev' && rest.length === 2 && (method === 'PUT' || method === 'DELETE')) {
    return packageMeaning(request, 'unpublish', 'publish', 'admin', { purl });
  }
  if (first === '-') return readTarball(request, name, rest.slice(1));
  if (rest.length === 1 && first !== '-rev') {
    const version = semver.test(first) ? first.replace(/^v/, '') : null;
    if (isRead) return packageMeaning(request, 'metadata', 'metadata', 'read', { purl, version });
    if (method === 'PUT') return packageMeaning(request, 'dist-tag', 'publish', 'write', { purl });
  }
  return unknownMeaning(request, `no known path of a package (${second === '' ? 'short' : 'long'})`, purl);
}

function packumentMeaning(request: RegistryRequest, purl: string): Meaning {
  const { learning } = request;
  return {
    ...packageMeaning(request, 'metadata', 'metadata', 'read', { purl }),
    ...(learning === null
      ? {}
      : { answer: (head: AnswerHead) => (isJson(head) ? learnPackument(learning, purl) : null) }),
    rewrite: rewritePackument(request, purl),
  };
}

/** `/{name}/-/{file}.tgz`; some registries put the scope before the file once more. */
function readTarball(request: RegistryRequest, name: string, rest: readonly string[]): Meaning {
  const purl = npmPurl(name);
  const joined = rest.join('/');
  const revision = joined.indexOf('/-rev/');
  const path = revision < 0 ? joined : joined.slice(0, revision);
  const file = path.slice(path.lastIndexOf('/') + 1);
  const version = versionOfTarball(name, path);
  if (revision >= 0 && request.method === 'DELETE') {
    return packageMeaning(request, 'unpublish', 'publish', 'admin', { purl, version });
  }
  if (!request.isRead || revision >= 0) return unknownMeaning(request, 'a write beneath a tarball', purl);
  if (version === null) return unknownInstall(request, purl, file);
  return packageMeaning(request, 'install', 'install', 'read', { purl, version, file });
}

function unknownInstall(request: RegistryRequest, purl: string, file: string): Meaning {
  const meaning = packageMeaning(request, 'install', 'install', 'read', { purl, file });
  return { ...meaning, sureness: 'unknown', detail: 'the file does not tell its version' };
}

/** `app-1.2.3.tgz` or `@acme/app-1.2.3.tgz` of `@acme/app` is `1.2.3`; null when it is another package's file. */
export function versionOfTarball(name: string, path: string): string | null {
  const slash = name.indexOf('/');
  const base = slash < 0 ? name : name.slice(slash + 1);
  const at = path.lastIndexOf('/');
  if (at >= 0 && (slash < 0 || path.slice(0, at) !== name.slice(0, slash))) return null;
  const file = path.slice(at + 1);
  if (!file.startsWith(`${base}-`) || !/\.(?:tgz|tar\.gz)$/.test(file)) return null;
  const version = file.slice(base.length + 1).replace(/\.(?:tgz|tar\.gz)$/, '');
  return semver.test(version) ? version.replace(/^v/, '') : null;
}

/** `/download/@scope/name/version/digest` of GitHub Packages. */
function readGithubDownload(request: RegistryRequest, segments: readonly string[]): Meaning {
  const found = takeName(segments.slice(1));
  const version = found?.rest[0] ?? '';
  if (found === null || !request.isRead || found.rest.length !== 2 || !semver.test(version)) {
    return unknownMeaning(request, 'no known download', found === null ? null : npmPurl(found.name));
  }
  const integrity = found.rest[1]!;
  return packageMeaning(request, 'install', 'install', 'read', {
    purl: npmPurl(found.name),
    version,
    ...(/^[0-9a-f]{40,64}$/.test(integrity) ? { integrity } : {}),
  });
}

/** Paths below `/-/`: the registry's own services. */
function readService(request: RegistryRequest, rest: readonly string[]): Meaning {
  if (rest[0] === 'package') return readPackageService(request, rest.slice(1));
  const { isRead, method } = request;
  const path = rest.join('/');
  const nothing = { purl: null };
  if (isRead) {
    if (path === 'v1/search' || path.startsWith('all'))
      return packageMeaning(request, 'search', 'search', 'read', nothing);
    if (path === 'ping' || path === 'npm/v1/keys')
      return packageMeaning(request, 'ping', 'metadata', 'read', nothing);
    if (path.startsWith('npm/v1/attestations/')) return readAttestations(request, rest.slice(3));
    if (path.startsWith('npm/v1/advisories'))
      return packageMeaning(request, 'audit', 'metadata', 'read', nothing);
    if (accountRead.test(path)) return packageMeaning(request, 'account', 'account', 'read', nothing);
  }
  if (method === 'POST' && audit.test(path))
    return packageMeaning(request, 'audit', 'metadata', 'read', nothing);
  if (method === 'POST' && path.startsWith('npm/v1/oidc/token/exchange/package/')) {
    const found = takeName(rest.slice(6));
    return packageMeaning(request, 'exchange-token', 'account', 'write', {
      purl: found === null ? null : npmPurl(found.name),
    });
  }
  if (!isRead && login.test(path)) return packageMeaning(request, 'login', 'account', 'admin', nothing);
  if (!isRead && accountWrite.test(path))
    return packageMeaning(request, 'account', 'account', 'admin', nothing);
  return unknownMeaning(request, 'a service of the registry that is not known');
}

const audit = /^npm\/v1\/security\/(?:audits(?:\/quick)?|advisories\/bulk)$/;
const accountRead =
  /^(?:whoami|npm\/v1\/(?:user|tokens|hooks|hook)(?:\/.*)?|org\/.*|team\/.*|user\/org\.couchdb\.user:[^/]*(?:\/.*)?|v1\/done(?:\/.*)?)$/;
const login = /^(?:v1\/login|user\/org\.couchdb\.user:[^/]*(?:\/-rev\/.*)?)$/;
const accountWrite = /^(?:npm\/v1\/(?:user|tokens|hooks|hook)(?:\/.*)?|org\/.*|team\/.*|user\/token\/.*)$/;

/** `/-/npm/v1/attestations/{name}@{version}`. */
function readAttestations(request: RegistryRequest, rest: readonly string[]): Meaning {
  const text = rest.join('/');
  const at = text.lastIndexOf('@');
  const found = at > 0 ? takeName([text.slice(0, at)]) : null;
  if (found === null) return packageMeaning(request, 'attestations', 'metadata', 'read', { purl: null });
  const version = text.slice(at + 1);
  return packageMeaning(request, 'attestations', 'metadata', 'read', {
    purl: npmPurl(found.name),
    version: semver.test(version) ? version : null,
  });
}

/** `/-/package/{name}/dist-tags/{tag}`, `/access`, `/collaborators`, `/visibility`, `/trust`. */
function readPackageService(request: RegistryRequest, segments: readonly string[]): Meaning {
  const found = takeName(segments);
  if (found === null) return unknownMeaning(request, 'no name of a package');
  const purl = npmPurl(found.name);
  const service = found.rest[0] ?? '';
  if (!['dist-tags', 'access', 'collaborators', 'visibility', 'trust'].includes(service)) {
    return unknownMeaning(request, 'a service of packages that is not known', purl);
  }
  if (request.isRead) return packageMeaning(request, service, 'metadata', 'read', { purl });
  if (service === 'dist-tags') return packageMeaning(request, 'dist-tag', 'publish', 'write', { purl });
  return packageMeaning(request, service, 'publish', 'admin', { purl });
}
