// Names that real builds ask for, by zone, to replay against the watch for tunnels. The first three zones are what
// `npm ci` of this project's lockfile, `apt-get update` and `apt-get download` asked for when it was captured (with
// their types and how often); the others are hosts of registries, clouds, content networks and CI services in the
// shapes that they have, hashed ones made anew for each job.

import { createHash } from 'node:crypto';

export interface ZoneOfNames {
  readonly zone: string;
  /** Labels below the zone. */
  readonly hosts: readonly string[];
  /** Made for each job: `job` counts them. */
  readonly perJob?: (job: number) => readonly string[];
  /** Questions for each of the hosts and type in one job. Default: 1. */
  readonly times?: number;
  /** Asked for SRV instead of addresses. */
  readonly services?: readonly string[];
}

const digest = (text: string, encoding: 'hex' | 'base64url') =>
  createHash('sha256').update(text).digest(encoding);
export const hex = (seed: string, length: number) => digest(seed, 'hex').slice(0, length);
/** Lower-case letters and digits, as content networks name their distributions. */
export const word = (seed: string, length: number) =>
  digest(seed, 'base64url').toLowerCase().replaceAll(/[_-]/g, 'k').slice(0, length);
export const many = (count: number, make: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => make(i));

export const training: readonly ZoneOfNames[] = [
  { zone: 'npmjs.org', hosts: ['registry'], times: 15 },
  { zone: 'debian.org', hosts: ['deb', 'security'], times: 2, services: ['_http._tcp.deb'] },
  { zone: 'pypi.org', hosts: ['', 'upload'] },
  { zone: 'pythonhosted.org', hosts: ['files'], times: 10 },
  {
    zone: 'ubuntu.com',
    hosts: ['archive', 'security', 'azure.archive', 'esm'],
    services: ['_http._tcp.archive'],
  },
  { zone: 'nodejs.org', hosts: [''] },
  { zone: 'yarnpkg.com', hosts: ['registry', 'repo'] },
  { zone: 'crates.io', hosts: ['index', 'static'], times: 8 },
  { zone: 'golang.org', hosts: ['proxy', 'sum'], times: 8 },
  { zone: 'rubygems.org', hosts: ['', 'index', 'api'] },
  { zone: 'nuget.org', hosts: ['api', 'globalcdn'] },
  { zone: 'apache.org', hosts: ['repo.maven', 'downloads', 'archive', 'dlcdn'] },
  { zone: 'gradle.org', hosts: ['services', 'plugins', 'plugins-artifacts', 'downloads'] },
  { zone: 'github.com', hosts: ['', 'api', 'codeload', 'uploads', 'lfs'] },
  {
    zone: 'githubusercontent.com',
    hosts: [
      'raw',
      'objects',
      'avatars',
      'release-assets',
      'pkg-containers',
      'github-releases',
      'media',
      'pipelines.actions',
      'vstoken.actions',
      'results-receiver.actions',
      'artifactcache.actions',
    ],
    perJob: (job) => many(3, (i) => `pipelinesghubeus${(job + i) % 25}.actions`),
  },
  { zone: 'ghcr.io', hosts: [''] },
  { zone: 'docker.io', hosts: ['registry-1', 'auth', 'index'] },
  { zone: 'docker.com', hosts: ['production.cloudflare', 'download', 'hub'] },
  { zone: 'cloudflarestorage.com', hosts: [], perJob: (job) => [`${hex(`r2 ${job % 12}`, 32)}.r2`] },
  {
    zone: 'windows.net',
    hosts: [],
    perJob: (job) => [
      ...many(4, (i) => `productionresultssa${(job * 3 + i) % 20}.blob.core`),
      ...many(2, (i) => `${word(`acct ${(job + i) % 30}`, 20)}.blob.core`),
      `gha${word(`cache ${job % 40}`, 14)}.blob.core`,
    ],
  },
  { zone: 'azureedge.net', hosts: [], perJob: (job) => [word(`edge ${job % 20}`, 12)] },
  { zone: 'visualstudio.com', hosts: ['dev', 'vssps.dev', 'vsblobprodsu6weu.vsblob'] },
  {
    zone: 'amazonaws.com',
    hosts: ['sts', 'sts.eu-central-1', 'ec2.us-east-1', 'secretsmanager.us-east-1', 'api.ecr.us-east-1'],
    perJob: (job) => [
      ...many(4, (i) => `build-cache-${hex(`bucket ${(job + i) % 60}`, 12)}.s3.us-east-1`),
      `prod-us-east-1-starport-layer-bucket.s3.us-east-1`,
      `${100_000_000_000 + (job % 9)}.dkr.ecr.us-east-1`,
    ],
  },
  {
    zone: 'cloudfront.net',
    hosts: [],
    perJob: (job) => many(2, (i) => `d${word(`cf ${(job * 2 + i) % 90}`, 13)}`),
  },
  { zone: 'fastly.net', hosts: [], perJob: (job) => [`${word(`f ${job % 15}`, 10)}.map`] },
  { zone: 'akamaiedge.net', hosts: [], perJob: (job) => [`e${1000 + (job % 40)}.dscb`, `a${job % 30}.g`] },
  { zone: 'googleapis.com', hosts: ['storage', 'oauth2', 'www', 'artifactregistry', 'container'] },
  { zone: 'pkg.dev', hosts: ['us-docker', 'europe-west1-docker', 'us-central1-npm'] },
  { zone: 'gcr.io', hosts: ['', 'eu', 'mirror'] },
  { zone: 'sentry.io', hosts: [], perJob: (job) => [`o${447_000 + (job % 8)}.ingest`] },
  { zone: 'cypress.io', hosts: ['download', 'cdn', 'api'] },
  { zone: 'sonarcloud.io', hosts: ['', 'scanner', 'analysis-sensorcache-eu-central-1-prod.s3'] },
  { zone: 'nixos.org', hosts: ['cache', 'channels'] },
  { zone: 'vercel.app', hosts: [], perJob: (job) => [`site-git-${word(`branch ${job % 60}`, 18)}-acme`] },
  { zone: 'netlify.app', hosts: [], perJob: (job) => [`deploy-preview-${500 + job}--acme-docs`] },
  { zone: 'corp.example', hosts: ['nexus', 'artifactory', 'sonar', 'vault', 'git', 'ldap', 'kdc1', 'kdc2'] },
];

/** A question of one job; `atMs` within an hour of `jobs` jobs that start one after the other. */
export interface ReplayedQuestion {
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'SRV';
  readonly atMs: number;
}

/** What one runner asks in an hour in which it runs so many jobs; each job asks within its first half. */
export function hourOf(jobs: number, zones: readonly ZoneOfNames[] = training): ReplayedQuestion[] {
  const questions: ReplayedQuestion[] = [];
  for (let job = 0; job < jobs; job++) {
    const asked = zones.flatMap(({ zone, hosts, perJob, times = 1, services = [] }) => {
      const full = (label: string) => (label === '' ? zone : `${label}.${zone}`);
      const addresses = [...hosts, ...(perJob?.(job) ?? [])].flatMap((label) =>
        Array.from({ length: times }, () =>
          (['A', 'AAAA'] as const).map((type) => [full(label), type] as const),
        ),
      );
      return [...addresses.flat(), ...services.map((label) => [full(label), 'SRV'] as const)];
    });
    const lengthMs = 3_600_000 / jobs;
    for (const [i, [name, type]] of asked.entries())
      questions.push({ name, type, atMs: job * lengthMs + (i * lengthMs) / 2 / asked.length });
  }
  return questions;
}
