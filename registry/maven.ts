// Requests to Maven repositories: the layout of paths (maven.apache.org/repository/layout.html), and the portal that
// takes releases (central.sonatype.org/publish/publish-portal-api).

import type { AnswerHead, AnswerStream } from '../flow/asked-request.ts';
import { mavenPurl } from './purl.ts';
import { packageMeaning, unknownMeaning } from './registry-request.ts';
import type { Meaning, RegistryRequest } from './registry-request.ts';

/** Checksums and signatures say nothing that is installed. */
const sidecar = /\.(?:md5|sha1|sha256|sha512|asc|sigstore\.json|sigstore|asc\.(?:md5|sha1|sha256|sha512))$/;
const part = /^[A-Za-z0-9_.+~()!-]{1,200}$/;
const snapshotTime = /^\d{8}\.\d{6}-\d+$/;

export interface MavenPath {
  readonly group: string;
  readonly artifact: string;
  /** Null for the list of versions. */
  readonly version: string | null;
  readonly file: string;
  readonly isSidecar: boolean;
}

/** Reads `group/as/path/artifact/version/artifact-version….ext` and `…/maven-metadata.xml`; null for anything else. */
export function readMavenPath(segments: readonly string[]): MavenPath | null {
  if (segments.length < 3 || segments.length > 64 || !segments.every((segment) => part.test(segment)))
    return null;
  const last = segments.at(-1)!;
  const isSidecar = sidecar.test(last);
  const file = last.replace(sidecar, '');
  if (file === 'maven-metadata.xml') {
    const isSnapshot = segments.length >= 4 && segments.at(-2)!.endsWith('-SNAPSHOT');
    const end = isSnapshot ? -3 : -2;
    const group = segments.slice(0, end).join('.');
    return {
      group,
      artifact: segments.at(end)!,
      version: isSnapshot ? segments.at(-2)! : null,
      file: last,
      isSidecar,
    };
  }
  if (segments.length < 4) return null;
  const [artifact, version] = [segments.at(-3)!, segments.at(-2)!];
  if (!isFileOf(file, artifact, version)) return null;
  return { group: segments.slice(0, -3).join('.'), artifact, version, file: last, isSidecar };
}

/** `artifact-version` with a classifier or an extension behind it; of snapshots with the time of the build. */
function isFileOf(file: string, artifact: string, version: string): boolean {
  if (!file.startsWith(`${artifact}-`)) return false;
  const rest = file.slice(artifact.length + 1);
  if (rest.startsWith(version)) return /^[-.]./.test(rest.slice(version.length));
  const base = version.replace(/-SNAPSHOT$/, '');
  if (base === version || !rest.startsWith(`${base}-`)) return false;
  const time = /^(\d{8}\.\d{6}-\d+)[-.]./.exec(rest.slice(base.length + 1));
  return time !== null && snapshotTime.test(time[1]!);
}

const repositoryFolders: readonly RegExp[] = [
  /^(?:maven2|m2|maven)\//,
  /^repository\/[^/]+\//,
  /^(?:nexus\/)?content\/(?:repositories|groups|shadows)\/[^/]+\//,
  /^(?:nexus\/)?service\/local\/(?:staging\/deployByRepositoryId|staging\/deploy|repositories)\/[^/]+\/(?:content\/)?/,
  /^artifactory\/[^/]+\//,
];

/** How many segments name the repository and not the group: the folders of Nexus and Artifactory, `maven2`. */
export function countRepository(segments: readonly string[]): number {
  const path = segments.join('/');
  for (const folder of repositoryFolders) {
    const match = folder.exec(path);
    if (match !== null) return match[0].split('/').length - 1;
  }
  return 0;
}

/** What a request to a Maven repository means. */
export function readMaven(request: RegistryRequest): Meaning {
  const { segments, isRead, method } = request;
  if (segments[0] === 'api') return readPortal(request);
  const path = segments.slice(countRepository(segments));
  // A repository may take no notice of a slash at the end.
  const found = readMavenPath(path.at(-1) === '' ? path.slice(0, -1) : path);
  if (found === null) return readOther(request, path);
  const purl = mavenPurl(found.group, found.artifact);
  const { version, file } = found;
  if (method === 'PUT') return packageMeaning(request, 'publish', 'publish', 'write', { purl, version });
  if (method === 'DELETE') return packageMeaning(request, 'delete', 'publish', 'admin', { purl, version });
  if (!isRead) return unknownMeaning(request, 'no known method', purl);
  if (version === null || found.isSidecar || file.endsWith('maven-metadata.xml')) {
    return packageMeaning(request, 'metadata', 'metadata', 'read', { purl, version });
  }
  // Gradle's own description of a version comes before its files, as the POM does.
  const verb = /\.(?:pom|module)$/.test(file) ? 'metadata' : 'install';
  return withTime(
    request,
    packageMeaning(request, verb, verb, 'read', { purl, version, file }),
    purl,
    version,
  );
}

/** What repositories have besides packages (maven.apache.org/resolver/remote-repository-filtering.html). */
const index =
  /^(?:archetype-catalog\.xml(?:\.[a-z0-9]+)?|\.(?:meta|index)\/.*|(?:last_updated|robots)\.txt)$/;

/** No file of the layout: whatever lies in the folder of a version counts as that version. */
function readOther(request: RegistryRequest, path: readonly string[]): Meaning {
  if (request.isRead && (path.at(-1) === '' || index.test(path.join('/'))))
    return packageMeaning(request, 'list', 'metadata', 'read', { purl: null });
  if (!request.isRead || path.length < 4) return unknownMeaning(request, 'no path of the layout');
  const [artifact = '', version = '', file = ''] = path.slice(-3);
  const purl = mavenPurl(path.slice(0, -3).join('.'), artifact);
  const meaning = packageMeaning(request, 'install', 'install', 'read', { purl, version, file });
  return { ...meaning, sureness: 'unknown', detail: 'a file that is named otherwise than its version' };
}

/** The file's own Last-Modified, which a mirror may have made anew. */
function withTime(request: RegistryRequest, meaning: Meaning, purl: string, version: string): Meaning {
  const { learning } = request;
  if (learning === null) return meaning;
  const open = (head: AnswerHead): AnswerStream | null => {
    const timeMs = Date.parse(head.header('last-modified') ?? '');
    if (!Number.isNaN(timeMs)) {
      learning.times.learn(learning.registry, purl, version, { timeMs, timeClass: 'mirror-stated' });
    }
    return null;
  };
  return { ...meaning, answer: open };
}

/** `/api/v1/publisher/…`: uploads of bundles that name their packages inside. */
function readPortal(request: RegistryRequest): Meaning {
  const path = request.segments.join('/');
  if (request.isRead) return packageMeaning(request, 'account', 'account', 'read', { purl: null });
  if (/^api\/v1\/publisher\/(?:upload|deployment\/[^/]+)$/.test(path) && request.method === 'POST') {
    return packageMeaning(request, 'publish', 'publish', 'write', { purl: null });
  }
  return unknownMeaning(request, 'no known path of the portal');
}
