// The results service (twirp): artifacts of version 4, caches of version 2, logs and steps of the job itself. Bodies
// name the artifact or the cache; answers hand out the storage.

import type { AnswerReader, AskedRequest, StorageGrant, Understanding } from '../../flow/asked-request.ts';
import type { Held } from '../../flow/held.ts';
import type { Access, Touch } from '../../flow/operation.ts';
import { accessByMethod, buildOperation, unknownOperation } from './build-operation.ts';
import type { GithubServer } from './github-server.ts';
import { fieldOf, parseJson, textOf } from './read-json.ts';
import { watchLog } from '../logs/watch-log.ts';
import { storageGrant } from './storage-grant.ts';
import { platformTouch } from './touches.ts';

const limits = { maxBytes: 65_536, maxDecodedBytes: 65_536, maxRatio: 10 };
const maxNameLength = 512;
const maxIdLength = 64;

type ResultCall = readonly [name: string, access: Access];

/** By service and method; a dot and what stands before a service's name is its package. */
const calls: Readonly<Record<string, ResultCall>> = {
  'ArtifactService/CreateArtifact': ['artifact/upload', 'write'],
  'ArtifactService/FinalizeArtifact': ['artifact/upload', 'write'],
  'ArtifactService/MigrateArtifact': ['artifact/upload', 'write'],
  'ArtifactService/FinalizeMigratedArtifact': ['artifact/upload', 'write'],
  'ArtifactService/ListArtifacts': ['artifact/list', 'read'],
  'ArtifactService/GetSignedArtifactURL': ['artifact/download', 'read'],
  'ArtifactService/DeleteArtifact': ['artifact/delete', 'write'],
  'CacheService/CreateCacheEntry': ['cache/save', 'write'],
  'CacheService/FinalizeCacheEntryUpload': ['cache/save', 'write'],
  'CacheService/GetCacheEntryDownloadURL': ['cache/restore', 'read'],
  'CacheService/LookupCacheEntry': ['cache/restore', 'read'],
  'CacheService/ListCacheEntries': ['cache/list', 'read'],
  'CacheService/DeleteCacheEntry': ['cache/delete', 'write'],
  'WorkflowStepUpdateService/WorkflowStepsUpdate': ['job/steps', 'write'],
  'Receiver/GetStepLogsSignedBlobURL': ['log/upload', 'write'],
  'Receiver/GetJobLogsSignedBlobURL': ['log/upload', 'write'],
  'Receiver/GetStepSummarySignedBlobURL': ['log/upload', 'write'],
  'Receiver/GetJobDiagLogsSignedBlobURL': ['log/upload', 'write'],
  'Receiver/CreateStepLogsMetadata': ['log/upload', 'write'],
  'Receiver/CreateJobLogsMetadata': ['log/upload', 'write'],
  'Receiver/CreateStepSummaryMetadata': ['log/upload', 'write'],
  'Receiver/CreateJobDiagLogsMetadata': ['log/upload', 'write'],
};

/** Those whose answer says where a log goes. */
const logs: ReadonlySet<string> = new Set([
  'Receiver/GetStepLogsSignedBlobURL',
  'Receiver/GetJobLogsSignedBlobURL',
]);

/** `segments` are the service and the method. */
export function understandTwirp(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const [service = '', method = ''] = segments;
  const key = `${service.slice(service.lastIndexOf('.') + 1)}/${method}`;
  const found = Object.hasOwn(calls, key) && segments.length === 2 ? calls[key]! : null;
  if (found === null || request.method !== 'POST') {
    const touches = [platformTouch(accessByMethod(request.method))];
    return { operation: unknownOperation(server, request, 'service/unknown', touches), evidence: [] };
  }
  // The storage that is handed out takes a log, of a step where the body names one.
  const withLogs = (body: Held): Understanding => {
    const isOfStep = method === 'GetStepLogsSignedBlobURL';
    const step = isOfStep ? textOf(parseJson(body), ['step_backend_id', 'stepBackendId'], maxIdLength) : null;
    return { ...understood(null), answer: grantReader(server, step) };
  };
  const understood = (detail: string | null): Understanding => ({
    operation: buildOperation(server, request, { name: found[0], touches: [touchOf(found)], detail }),
    evidence: [],
    answer: grantReader(server),
  });
  if (logs.has(key)) return { ...understood(null), hold: { ...limits, withBody: withLogs } };
  if (!/^(?:artifact|cache)\//.test(found[0])) return understood(null);
  return {
    ...understood(null),
    hold: {
      ...limits,
      withBody: (body) => understood(textOf(parseJson(body), ['name', 'key'], maxNameLength)),
    },
  };
}

/** Artifacts and caches are of a repository that the runtime's token names and the request does not. */
export function touchOf([name, access]: ResultCall): Touch {
  if (access === 'read' || !/^(?:artifact|cache)\//.test(name)) return platformTouch(access);
  return { kind: 'repository', access, owner: null, name: null, id: null, refs: null };
}

const uploads = ['signed_upload_url', 'signedUploadUrl', 'summary_url', 'summaryUrl'];
const logUploads = ['logs_url', 'logsUrl'];
const diagnostics = ['diag_logs_url', 'diagLogsUrl'];
const downloads = ['signed_download_url', 'signedDownloadUrl', 'signed_url', 'signedUrl', 'archiveLocation'];

/**
 * Reads an answer of the results service or of the older cache: the storage that it hands out. `step` is whose log it is
 * to be, where it is one.
 */
export function grantReader(server: GithubServer, step: string | null = null): AnswerReader {
  return {
    limits,
    wantsBody: (head) => head.status === 200,
    read: (_head, body) => ({ grants: readGrants(server, body, step), accepted: null, evidence: [] }),
  };
}

function readGrants(server: GithubServer, body: Held | null, step: string | null): StorageGrant[] {
  const value = parseJson(body);
  const granted = [
    ...[...uploads, ...diagnostics].map((key) => storageGrant(server, fieldOf(value, key), ['PUT'])),
    ...logUploads.map((key) => {
      const grant = storageGrant(server, fieldOf(value, key), ['PUT']);
      return grant && { ...grant, watch: watchLog({ step }) };
    }),
    ...downloads.map((key) => storageGrant(server, fieldOf(value, key), ['GET', 'HEAD'])),
  ];
  return granted.filter((grant) => grant !== null);
}
