// Requests to Python package indexes: the simple API (PEP 503, 691, 658), files, the JSON API and the legacy upload
// (docs.pypi.org/api). Which package a file is of is told by its name (PEP 427, PEP 625).

import { isJson } from './answer-reader.ts';
import { rewriteProject } from './answer-rewrite.ts';
import { learnProject } from './learn-pypi.ts';
import { readPypiUpload } from './publish-pypi.ts';
import { pypiPurl } from './purl.ts';
import { normalisePypiVersion, readFileName, validName } from './pypi-names.ts';
import type { FileFacts } from './pypi-names.ts';
import { packageMeaning, packageTouch, publishHold, unknownMeaning } from './registry-request.ts';
import type { Meaning, RegistryRequest } from './registry-request.ts';

/** What a request to a Python package index means. */
export function readPypi(request: RegistryRequest): Meaning {
  const { segments, isRead } = request;
  const [first = '', second = ''] = segments;
  if (first === 'simple') return readSimple(request, segments.slice(1));
  // GitLab's files lie beneath their digest.
  if (first === 'packages' || (first === 'files' && segments.length === 3))
    return readFile(request, segments);
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
  if (file === '') return { ...projectMeaning(request, purl), rewrite: rewriteProject(request, purl) };
  // Static mirrors keep the files beneath the page.
  const told = readFileName(rest.at(-1)!);
  if (told === null || pypiPurl(told.name) !== purl) return unknownMeaning(request, 'no known file', purl);
  return installMeaning(request, told, rest.at(-1)!);
}

function readJson(request: RegistryRequest, rest: readonly string[]): Meaning {
  const [name = '', second = '', third = ''] = rest;
  if (request.isRead && validName.test(name)) {
    const purl = pypiPurl(name);
    if (rest.length === 2 && second === 'json') return projectMeaning(request, purl);
    if (rest.length === 3 && third === 'json') {
      const version = normalisePypiVersion(second);
      return projectMeaning(request, purl, version);
    }
    return unknownMeaning(request, 'no known path of the JSON API', purl);
  }
  return unknownMeaning(request, 'XML-RPC or no known path of the JSON API');
}

function projectMeaning(request: RegistryRequest, purl: string, version: string | null = null): Meaning {
  const { learning } = request;
  const meaning = packageMeaning(request, 'metadata', 'metadata', 'read', { purl, version });
  if (learning === null) return meaning;
  return { ...meaning, answer: (head) => (isJson(head) ? learnProject(learning, purl) : null) };
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

/** Of several readings of a file's name the one whose project listed that file; null where none did. */
function findListed({ learning }: RegistryRequest, told: FileFacts, file: string): FileFacts | null {
  if (learning === null || told.other === null) return null;
  for (let facts: FileFacts | null = told; facts !== null; facts = facts.other) {
    if (learning.times.hasFile(learning.registry, pypiPurl(facts.name), file)) return facts;
  }
  return null;
}

function installMeaning(
  request: RegistryRequest,
  told: FileFacts,
  file: string,
  integrity?: string,
): Meaning {
  const listed = findListed(request, told, file);
  if (listed !== null && listed !== told)
    return installMeaning(request, { ...listed, other: null }, file, integrity);
  const act = told.isMetadata ? 'metadata' : 'install';
  const meaning = packageMeaning(request, act, act, 'read', {
    purl: pypiPurl(told.name),
    version: told.version,
    file: told.isMetadata ? file.replace(/\.(?:metadata|asc|provenance)$/, '') : file,
    ...(integrity === undefined ? {} : { integrity }),
  });
  if (told.other === null || listed !== null) return meaning;
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
          purl: pypiPurl(form.name),
          version: normalisePypiVersion(form.version),
        };
        if (form.action !== 'file_upload') return unknownMeaning(request, 'no upload of a file', facts.purl);
        return packageMeaning(request, 'publish', 'publish', 'write', facts);
      },
    },
  };
}
