// The schema of rules on what a request means: repositories of forges, images, accounts of a cloud.

import type { JSONSchema } from 'json-schema-to-ts';
import { action, audit, follow, idSchema, oneOrList, reason, text } from './rule-schema.ts';

const access = (description: string) => ({ enum: ['read', 'write', 'admin'], description }) as const;
const anyRef = {
  ...text,
  description: 'Why the rule may grant a write on every ref and environment; for people.',
} as const;
const operations = oneOrList(
  { type: 'string', pattern: '^[A-Za-z0-9*/_+-]{1,200}$' },
  'Only these operations: ids of Octokit (`issues/create`) or ours (`git/push`, `lfs/upload`); `*` is a piece of one.',
);
const accessOfRepository = access(
  'What it grants; higher includes lower. Default `read`; of a block: everything. `admin` is what outlives the job or opens the platform.',
);
const server = oneOrList(text, 'Server of the forge; default the job’s own, never all.');

/** Keys of a workflow's `permissions:` with their level. */
export const permissionSchema = {
  type: 'object',
  description: 'Permissions by the keys of a workflow: `read`, `write`, or `none`.',
  additionalProperties: false,
  properties: Object.fromEntries(
    [
      'actions',
      'artifact-metadata',
      'attestations',
      'checks',
      'code-quality',
      'contents',
      'copilot-requests',
      'deployments',
      'discussions',
      'drives',
      'id-token',
      'issues',
      'models',
      'packages',
      'pages',
      'pull-requests',
      'repository-projects',
      'security-events',
      'statuses',
      'vulnerability-alerts',
    ].map((key) => [key, { enum: ['none', 'read', 'write'] }]),
  ) as Record<string, { readonly enum: readonly ['none', 'read', 'write'] }>,
} as const;

export const githubRuleSchema = {
  type: 'object',
  description: 'Allows or blocks what is done to repositories of GitHub, by whichever API, git or registry.',
  additionalProperties: false,
  required: ['repo'],
  properties: {
    id: idSchema,
    repo: oneOrList(
      text,
      '`owner/name`, or a pattern: `acme/*`, `acme/app-*`, `{job.repo}`, `{job.owner}/*`. Without case.',
    ),
    except: oneOrList(text, 'Repositories that the rule does not cover.'),
    access: accessOfRepository,
    server,
    permissions: permissionSchema,
    operations,
    graphql: {
      type: 'object',
      description: 'Mutations of GraphQL that are allowed although their ids hide the repository.',
      additionalProperties: false,
      required: ['mutations'],
      properties: {
        mutations: oneOrList(
          { type: 'string', pattern: '^[_A-Za-z][_0-9A-Za-z]{0,99}$' },
          'Names of mutations, for example addComment.',
        ),
      },
    },
    anyRef,
    follow,
    action,
    audit,
    reason,
  },
} as const satisfies JSONSchema;

export const gitlabRuleSchema = {
  type: 'object',
  description: 'Allows or blocks what is done to projects of GitLab, by whichever API, git or registry.',
  additionalProperties: false,
  required: ['project'],
  properties: {
    id: idSchema,
    project: oneOrList(
      text,
      'Path of the project, or a pattern: `acme/*` is one level, `acme/**` any depth, `{job.project}` the job’s own. Without case.',
    ),
    except: oneOrList(text, 'Projects that the rule does not cover.'),
    access: accessOfRepository,
    server,
    operations,
    anyRef,
    follow,
    action,
    audit,
    reason,
  },
} as const satisfies JSONSchema;

export const imageRuleSchema = {
  type: 'object',
  description: 'Allows or blocks container images, by registry and name.',
  additionalProperties: false,
  required: ['image'],
  properties: {
    id: idSchema,
    image: oneOrList(
      text,
      'Registry and name, or a pattern: `docker.io/library/*`, `ghcr.io/acme/**`, `ghcr.io/{job.repo}`. Without tag.',
    ),
    except: oneOrList(text, 'Images that the rule does not cover.'),
    access: access(
      '`read` pulls (default), `write` pushes too, `admin` deletes too; of a block: everything.',
    ),
    anyRef,
    follow,
    action,
    audit,
    reason,
  },
} as const satisfies JSONSchema;

export const awsRuleSchema = {
  type: 'object',
  description: 'Allows or blocks calls to AWS, by the account whose key signs them.',
  additionalProperties: false,
  properties: {
    id: idSchema,
    accounts: oneOrList(
      { type: 'string', pattern: '^[0-9]{12}$' },
      'Accounts (12 digits, quoted). The account is read from the access key id; a key that does not tell it matches no rule that names accounts.',
    ),
    services: oneOrList(
      { type: 'string', pattern: '^[a-z0-9-]{1,63}$' },
      'Services (s3, sts, ecr, …); default all.',
    ),
    buckets: oneOrList(text, 'Buckets of S3, or patterns.'),
    access: access('Default `read`; of a block: everything.'),
    anyRef,
    follow,
    action,
    audit,
    reason,
  },
} as const satisfies JSONSchema;
