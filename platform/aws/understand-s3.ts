// Requests to S3 by method and sub-resource (docs.aws.amazon.com, "Amazon S3 API Reference"): whose bucket, which
// object's, read or written. What sets up a bucket, or shows an object to others, is admin.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Access, Sureness } from '../../flow/operation.ts';
import {
  accountOf,
  buildOperation,
  isReadMethod,
  touchAccounts,
  type CloudTouch,
} from './build-operation.ts';
import type { Endpoint } from './find-endpoint.ts';
import type { Signer } from './read-signature.ts';

type ObjectEndpoint = Extract<Endpoint, { kind: 's3' | 'access-point' }>;

interface Call {
  readonly name: string;
  readonly access: Access;
  readonly sureness: Sureness;
}

const bucketForm = /^[A-Za-z0-9._-]{1,255}$/;
const signedFor = ['s3', 's3express', 's3-object-lambda'] as const;

export function understandS3(endpoint: ObjectEndpoint, request: AskedRequest, signer: Signer): Understanding {
  const place = readPlace(endpoint, request.path);
  const values = new URLSearchParams(request.query);
  const isWebsite = endpoint.kind === 's3' && endpoint.isWebsite;
  const isForm = request.method === 'POST' && place.level !== 'key' && !values.has('delete');
  // Websites are read by anybody, and a form brings its signature in its body.
  const whose = isWebsite || isForm ? { account: null, problem: null } : accountOf(signer, signedFor);
  const call = isWebsite ? callWebsite(request.method) : callObjects(request, place.level, values);
  const { access } =
    opensObject(request, values) && call.access !== 'read' ? { access: 'admin' as const } : call;
  const owners = listOwners(endpoint, request);
  const service = endpoint.kind === 'access-point' ? endpoint.service : 's3';
  const touches = [
    ...touchAccounts({ access, service, bucket: place.bucket }, whose.account, owners),
    ...readSource(request, values, whose.account),
  ];
  const isClear = whose.problem === null && place.isClear;
  return {
    operation: buildOperation(request, signer, {
      name: `s3/${call.name}`,
      touches,
      sureness: isClear ? call.sureness : 'unknown',
      detail: whose.problem,
    }),
    evidence: [],
  };
}

type Level = 'service' | 'bucket' | 'key';

interface Place {
  readonly bucket: string | null;
  readonly level: Level;
  /** False where the first segment of a path is no name of a bucket. */
  readonly isClear: boolean;
}

function readPlace(endpoint: ObjectEndpoint, path: string): Place {
  if (endpoint.kind === 'access-point' || endpoint.bucket !== null) {
    const bucket = endpoint.kind === 'access-point' ? null : endpoint.bucket;
    return { bucket, level: path.length > 1 ? 'key' : 'bucket', isClear: true };
  }
  const end = path.indexOf('/', 1);
  const segment = path.slice(1, end < 0 ? undefined : end);
  if (segment === '') return { bucket: null, level: 'service', isClear: true };
  const isBucket = bucketForm.test(segment);
  const level = end >= 0 && end + 1 < path.length ? 'key' : 'bucket';
  return { bucket: isBucket ? segment : null, level, isClear: isBucket };
}

/** The accounts that the host and the fields about owners name. */
function listOwners(endpoint: ObjectEndpoint, request: AskedRequest): string[] {
  const named = [
    endpoint.kind === 'access-point' ? endpoint.account : null,
    request.header('x-amz-expected-bucket-owner'),
  ];
  return named.flatMap((account) => (account !== null && /^\d{12}$/.test(account) ? account : []));
}

function callWebsite(method: string): Call {
  const isRead = isReadMethod(method);
  return {
    name: 'get-website',
    access: isRead ? 'read' : 'write',
    sureness: isRead ? 'known' : 'unknown',
  };
}

const known = (name: string, access: Access): Call => ({ name, access, sureness: 'known' });

/** Parameters that say nothing of what is done: they choose, page, sign, or name an answer's fields. */
const plainParameter =
  /^(?:x-|response-|versionid$|partnumber$|list-type$|prefix$|delimiter$|marker$|max-|encoding-type$|continuation-token$|start-after$|fetch-owner$|(?:key|version-id|upload-id|part-number)-marker$|bucket-region$|select-type$|id$|awsaccesskeyid$|signature$|expires$|policyversion$)/;

function callObjects(request: AskedRequest, level: Level, values: URLSearchParams): Call {
  const isRead = isReadMethod(request.method);
  const names = [...new Set([...values.keys()].map((name) => name.toLowerCase()))];
  const [resource, ...more] = names.filter((name) => !plainParameter.test(name));
  if (more.length > 0) return unknown(isRead, 'bucket');
  if (resource === undefined) return level === 'key' ? callObject(request) : callBucket(request, level);
  return (
    calls.get(`${request.method} ${resource} ${level}`) ??
    callSetting(request.method, level, resource) ??
    unknown(isRead, level)
  );
}

/** What writes to a bucket and to no object of it sets the bucket up. */
function unknown(isRead: boolean, level: Level): Call {
  const access = isRead ? 'read' : level === 'key' ? 'write' : 'admin';
  return { name: 'unknown', access, sureness: 'unknown' };
}

function callObject({ method, header, query }: AskedRequest): Call {
  const isCopy = header('x-amz-copy-source') !== null || /x-amz-copy-source=/i.test(query);
  switch (method) {
    case 'GET':
      return known('get-object', 'read');
    case 'HEAD':
      return known('head-object', 'read');
    case 'OPTIONS':
      return known('preflight', 'read');
    case 'PUT':
      return known(isCopy ? 'copy-object' : 'put-object', 'write');
    case 'DELETE':
      return known('delete-object', 'write');
    default:
      return unknown(false, 'key');
  }
}

function callBucket({ method }: AskedRequest, level: Level): Call {
  const isBucket = level === 'bucket';
  switch (method) {
    case 'GET':
      return known(isBucket ? 'list-objects' : 'list-buckets', 'read');
    case 'HEAD':
      return known('head-bucket', 'read');
    case 'OPTIONS':
      return known('preflight', 'read');
    case 'PUT':
      return isBucket ? known('create-bucket', 'admin') : unknown(false, level);
    case 'DELETE':
      return isBucket ? known('delete-bucket', 'admin') : unknown(false, level);
    case 'POST':
      return isBucket ? known('post-object', 'write') : unknown(false, level);
    default:
      return unknown(false, level);
  }
}

/** `METHOD sub-resource`, of an object (`key`) or a bucket: what is no setting. */
const calls: ReadonlyMap<string, Call> = new Map([
  ['POST delete bucket', known('delete-objects', 'write')],
  ['POST uploads key', known('create-multipart-upload', 'write')],
  ['GET uploads bucket', known('list-multipart-uploads', 'read')],
  ['PUT uploadid key', known('upload-part', 'write')],
  ['POST uploadid key', known('complete-multipart-upload', 'write')],
  ['DELETE uploadid key', known('abort-multipart-upload', 'write')],
  ['GET uploadid key', known('list-parts', 'read')],
  ['POST select key', known('select-object-content', 'read')],
  ['POST restore key', known('restore-object', 'write')],
  ['PUT renameobject key', known('rename-object', 'write')],
  ['GET session bucket', known('create-session', 'write')],
  ['GET versions bucket', known('list-object-versions', 'read')],
  ['GET attributes key', known('get-object-attributes', 'read')],
  ['GET torrent key', known('get-object-torrent', 'read')],
  ['PUT tagging key', known('put-object-tagging', 'write')],
  ['DELETE tagging key', known('delete-object-tagging', 'write')],
]);

const settings: ReadonlySet<string> = new Set([
  'abac',
  'accelerate',
  'acl',
  'analytics',
  'cors',
  'encryption',
  'intelligent-tiering',
  'inventory',
  'legal-hold',
  'lifecycle',
  'location',
  'logging',
  'metadataconfiguration',
  'metadatatable',
  'metrics',
  'notification',
  'object-lock',
  'ownershipcontrols',
  'policy',
  'policystatus',
  'publicaccessblock',
  'replication',
  'requestpayment',
  'retention',
  'tagging',
  'versioning',
  'website',
]);

function callSetting(method: string, level: Level, resource: string): Call | undefined {
  if (!settings.has(resource) || level === 'service') return undefined;
  const what = `${level === 'key' ? 'object' : 'bucket'}-${resource}`;
  if (method === 'GET' || method === 'HEAD') return known(`get-${what}`, 'read');
  return method === 'PUT' || method === 'DELETE'
    ? known(`${method.toLowerCase()}-${what}`, 'admin')
    : undefined;
}

const closedAcls: ReadonlySet<string> = new Set([
  'private',
  'bucket-owner-read',
  'bucket-owner-full-control',
]);
const grantFields = ['read', 'write', 'read-acp', 'write-acp', 'full-control'].map(
  (level) => `x-amz-grant-${level}`,
);

/** True when it shows what it writes to others; presigned URLs say it in their query. */
function opensObject(request: AskedRequest, values: URLSearchParams): boolean {
  const acls = [request.header('x-amz-acl'), ...valuesOf(values, 'x-amz-acl')];
  if (acls.some((acl) => acl !== null && !closedAcls.has(acl.trim()))) return true;
  return grantFields.some((name) => request.header(name) !== null || valuesOf(values, name).length > 0);
}

const valuesOf = (values: URLSearchParams, wanted: string): string[] =>
  [...values].flatMap(([name, value]) => (name.toLowerCase() === wanted ? value : []));

/** What a copy is made of: `/bucket/key`, or a resource of an access point. */
function readSource(request: AskedRequest, values: URLSearchParams, account: string | null): CloudTouch[] {
  const sources = [request.header('x-amz-copy-source') ?? [], valuesOf(values, 'x-amz-copy-source')].flat();
  return sources.map((source) => {
    const [first = ''] = source.replace(/^(?:\/|%2f)/i, '').split(/\/|%2f/i);
    const bucket = bucketForm.test(first) ? first : null;
    return {
      kind: 'cloud',
      access: 'read',
      service: 's3',
      account: bucket === null ? null : account,
      bucket,
    };
  });
}
