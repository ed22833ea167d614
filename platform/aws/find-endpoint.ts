// Which service of AWS a host belongs to, and what its name tells: a bucket, an account. Hosts behind which customers
// run what they like are told apart: there a signature proves nothing (docs.aws.amazon.com, "AWS service endpoints").

import { signingName } from './signing-names.ts';

export type Endpoint =
  /** Buckets as objects of a host or of a path. */
  | { readonly kind: 's3'; readonly bucket: string | null; readonly isWebsite: boolean }
  /** An access point of S3: another name for a bucket, of the account that its host names. */
  | { readonly kind: 'access-point'; readonly service: string; readonly account: string | null }
  | { readonly kind: 's3-control'; readonly account: string | null }
  | { readonly kind: 'service'; readonly service: string; readonly account: string | null }
  /** Somebody's own: a load balancer, a virtual machine, an API behind a gateway. */
  | { readonly kind: 'customer'; readonly service: string };

const suffixes = ['.amazonaws.com', '.amazonaws.com.cn', '.api.aws'] as const;

/** True for a canonical host below the domains of AWS. */
export function isAwsHost(host: string): boolean {
  return suffixes.some((suffix) => host.endsWith(suffix));
}

/** Null for other hosts, and for the registries of images and packages, which are read as such. */
export function findEndpoint(host: string): Endpoint | null {
  const suffix = suffixes.find((known) => host.endsWith(known));
  if (suffix === undefined) return null;
  const labels = host.slice(0, -suffix.length).split('.');
  if (isRegistry(labels)) return null;
  if (labels.at(-1) === 'vpce') return findPrivate(labels.slice(0, -1));
  return findS3(labels) ?? findService(labels);
}

const direction = '(?:north|south|east|west|central|northeast|northwest|southeast|southwest)';
const region = new RegExp(`^[a-z]{2,4}(?:-[a-z]{2,5})?-${direction}-\\d{1,2}$`);
const isRegion = (label: string | undefined): boolean => label !== undefined && region.test(label);
const accountForm = /^\d{12}$/;

/** `ACCOUNT.dkr.ecr.REGION` and `DOMAIN-ACCOUNT.d.codeartifact.REGION`. */
function isRegistry(labels: readonly string[]): boolean {
  if (labels.length !== 4 || !isRegion(labels[3])) return false;
  const [name, kind, service] = labels;
  if (kind === 'dkr') return accountForm.test(name!) && (service === 'ecr' || service === 'ecr-fips');
  return kind === 'd' && service === 'codeartifact';
}

/** Endpoints inside a customer's network: those of AWS's own services, and those of anybody's. */
function findPrivate(labels: readonly string[]): Endpoint {
  const place = labels.findIndex((label) => label.startsWith('vpce-') && !label.startsWith('vpce-svc-'));
  const before = labels.slice(0, Math.max(0, place));
  const after = labels.slice(place + 1);
  const [service = 'vpce', where] = after;
  if (place < 0 || after.length !== 2 || !isRegion(where) || service.startsWith('vpce-svc-'))
    return { kind: 'customer', service: 'vpce' };
  if (service === 's3' && before.at(-1) === 'bucket')
    return { kind: 's3', bucket: bucketOf(before.slice(0, -1)), isWebsite: false };
  const isPlain = before.length === 0 && !service.startsWith('s3');
  return isPlain ? byName(service, null) : { kind: 'customer', service: 'vpce' };
}

const bucketOf = (labels: readonly string[]): string | null =>
  labels.length === 0 ? null : labels.join('.');

interface S3Host {
  /** What stands before the service's own label. */
  readonly before: readonly string[];
  readonly label: string;
  readonly hasRegion: boolean;
}

function findS3(all: readonly string[]): Endpoint | null {
  const labels = [...all];
  const hasRegion = isRegion(labels.at(-1));
  if (hasRegion) labels.pop();
  if (labels.at(-1) === 'dualstack') labels.pop();
  const label = labels.pop();
  if (label === undefined || !label.startsWith('s3')) return null;
  return readS3({ before: labels, label, hasRegion });
}

function readS3({ before, label, hasRegion }: S3Host): Endpoint | null {
  const bucket = bucketOf(before);
  if (isObjects(label, hasRegion)) return { kind: 's3', bucket, isWebsite: false };
  if (isWebsite(label, hasRegion) && bucket !== null) return { kind: 's3', bucket, isWebsite: true };
  const isExpress = /^s3express-[a-z0-9-]+$/.test(label) && hasRegion;
  if (isExpress && (bucket?.endsWith('--x-s3') === true || (bucket === null && label.endsWith('-control'))))
    return { kind: 's3', bucket, isWebsite: false };
  const account = /^[a-z0-9-]{1,60}-(\d{12})$/.exec(before.length === 1 ? before[0]! : '')?.[1] ?? null;
  if (/^s3-accesspoint(?:-fips)?$/.test(label) && hasRegion && account !== null)
    return { kind: 'access-point', service: 's3', account };
  if (label === 's3-object-lambda' && hasRegion && account !== null)
    return { kind: 'access-point', service: 's3-object-lambda', account };
  if (label === 's3-global' && !hasRegion && before.length === 3 && bucket!.endsWith('.mrap.accesspoint'))
    return { kind: 'access-point', service: 's3', account: null };
  if (/^s3-control(?:-fips)?$/.test(label) && hasRegion) return readControl(before);
  return before.length === 0 ? null : { kind: 'customer', service: label };
}

function isObjects(label: string, hasRegion: boolean): boolean {
  if (label === 's3') return true;
  if (hasRegion) return label === 's3-fips';
  const rest = /^s3-(?:fips-)?(.+)$/.exec(label)?.[1];
  return rest === 'external-1' || rest === 'accelerate' || isRegion(rest);
}

function isWebsite(label: string, hasRegion: boolean): boolean {
  return hasRegion
    ? label === 's3-website'
    : label.startsWith('s3-website-') && isRegion(label.slice('s3-website-'.length));
}

function readControl(before: readonly string[]): Endpoint {
  const [account = null] = before;
  if (before.length > 1 || (account !== null && !accountForm.test(account)))
    return { kind: 'customer', service: 's3-control' };
  return { kind: 's3-control', account };
}

/** Names of two labels that are AWS's own; every other name with something before the service is a customer's. */
const ownPairs: ReadonlySet<string> = new Set([
  'api.ecr',
  'api.ecr-public',
  'api.pricing',
  'api.sagemaker',
  'runtime.sagemaker',
  'streams.dynamodb',
  'portal.sso',
  'entitlement.marketplace',
  'metering.marketplace',
  'catalog.marketplace',
  'runtime.lex',
  'models.lex',
]);

function findService(all: readonly string[]): Endpoint {
  const labels = [...all];
  // What the partition for governments has once for all its regions: `iam.us-gov`.
  if (isRegion(labels.at(-1)) || (labels.length === 2 && labels[1] === 'us-gov')) labels.pop();
  // The oldest queues: `REGION.queue`.
  else if (labels.length === 2 && labels[1] === 'queue' && isRegion(labels[0])) labels.shift();
  const [first = '', second] = labels;
  if (labels.length === 1) return byName(first, null);
  if (labels.length === 2 && second === 'ddb' && accountForm.test(first)) return byName('dynamodb', first);
  const pair = labels.join('.');
  if (ownPairs.has(pair.replace(/-fips$/, ''))) return byName(pair, null);
  return { kind: 'customer', service: labels.at(-1) ?? 'unknown' };
}

const byName = (label: string, account: string | null): Endpoint => ({
  kind: 'service',
  service: signingName(label.replace(/-fips$/, '')),
  account,
});
