// The schema of a policy file, as one constant: the type, the check at load, the published JSON Schema and the
// reference page all come from it.

import type { FromSchema, JSONSchema } from 'json-schema-to-ts';
import {
  httpRuleSchema,
  idSchema,
  networkRuleSchema,
  oneOrList,
  opaqueRuleSchema,
  hostsSchema,
} from './rule-schema.ts';
import { actionsSchema } from './action-schema.ts';
import { ruleLists } from './rule-lists.ts';
import { credentialsSchema, oidcSchema } from './credential-schema.ts';
import { packagesSchema, type publishSchema } from './package-schema.ts';
import { permissionSchema } from './platform-rule-schema.ts';
import type {
  awsRuleSchema,
  githubRuleSchema,
  gitlabRuleSchema,
  imageRuleSchema,
} from './platform-rule-schema.ts';

const text = { type: 'string', minLength: 1, maxLength: 1024 } as const;
const mode = (description: string) => ({ enum: ['audit', 'block'], description }) as const;
const matchText = (description: string) => oneOrList(text, description);

/** The keys of a scope's `match`, each with what it compares. */
export const matchKeys = {
  server: matchText('Host of the forge, for example github.com.'),
  owner: matchText('Organisation, user or top-level group; compared without case.'),
  repo: matchText('`owner/name`; compared without case.'),
  project: matchText('Path of a GitLab project; compared without case.'),
  workflow: matchText('Path of the workflow file.'),
  calledWorkflow: matchText('Path of the reusable workflow that the job runs.'),
  ref: matchText('Full ref: refs/heads/…, refs/tags/…, refs/pull/…'),
  event: matchText('Event that started the run.'),
  environment: matchText('Deployment environment of the job.'),
  job: matchText('Name of the job inside the workflow.'),
  actor: matchText('Who started the run; compared without case.'),
  runnerGroup: matchText('Group of the runner.'),
  fork: { type: 'boolean', description: 'The run comes from a fork.' },
  protected: { type: 'boolean', description: 'The ref is protected.' },
} as const;
export type MatchKey = keyof typeof matchKeys;

const matchSchema = {
  type: 'object',
  description:
    'All keys must match; a value with several entries matches when one does. An unknown value matches nothing.',
  additionalProperties: false,
  minProperties: 1,
  properties: {
    ...matchKeys,
    not: {
      type: 'object',
      description: 'The scope does not apply when any of these keys matches.',
      additionalProperties: false,
      minProperties: 1,
      properties: matchKeys,
    },
  },
} as const satisfies JSONSchema;

const permissionsMode = mode(
  'What happens to a request made with the job’s own token that needs more: recorded (`audit`, default) or refused with an answer that names what is missing.',
);
const topPermissionsSchema = {
  type: 'object',
  description: 'What the token of a job may do, whatever the platform granted it.',
  additionalProperties: false,
  properties: {
    mode: permissionsMode,
    default: { ...permissionSchema, description: 'What holds where no scope names a ceiling.' },
    ceiling: { ...permissionSchema, description: 'What no scope passes.' },
  },
} as const satisfies JSONSchema;
const scopePermissionsSchema = {
  type: 'object',
  description: 'What the token of these jobs may do.',
  additionalProperties: false,
  properties: {
    mode: permissionsMode,
    ceiling: { ...permissionSchema, description: 'In place of the default; never beyond the top ceiling.' },
  },
} as const satisfies JSONSchema;

export const presetNames = [
  'github-runner',
  'gitlab-runner',
  'npm',
  'pypi',
  'debian',
  'docker-hub',
  'go',
  'crates',
  'maven',
  'nuget',
  'rubygems',
] as const;
export type PresetName = (typeof presetNames)[number];

const presetsSchema = oneOrList(
  { enum: presetNames },
  'Named sets of rules; `sallyport check --expand` prints them.',
);

const scopeSchema = {
  type: 'object',
  description: 'Rules and settings for the jobs that match.',
  additionalProperties: false,
  required: ['id', 'match'],
  properties: {
    id: idSchema,
    match: matchSchema,
    use: oneOrList(text, 'Bundles whose rules the scope takes in.'),
    presets: presetsSchema,
    mode: mode('Among matching scopes that name a mode, block wins; none: the top one.'),
    permissions: scopePermissionsSchema,
    credentials: credentialsSchema,
    oidc: oidcSchema,
    exclusive: {
      type: 'boolean',
      description: 'Only exclusive matching scopes allow; several intersect. Blocks of all scopes remain.',
    },
    ...ruleLists,
  },
} as const satisfies JSONSchema;

const bundleSchema = {
  type: 'object',
  description: 'Rules under a name; inert until a scope uses them.',
  additionalProperties: false,
  properties: { presets: presetsSchema, ...ruleLists },
} as const satisfies JSONSchema;

const exceptSchema = {
  type: 'object',
  description: 'A host that the list would block and that is let off until a date.',
  additionalProperties: false,
  required: ['host', 'until', 'reason'],
  properties: {
    host: hostsSchema,
    until: {
      type: 'string',
      pattern: '^\\d{4}-\\d{2}-\\d{2}$',
      description: 'Last day (UTC) of the exception.',
    },
    reason: { ...text, description: 'Why.' },
  },
} as const satisfies JSONSchema;

const blocklistSchema = {
  type: 'object',
  description: 'Hosts and addresses that are blocked in every mode, subdomains included.',
  additionalProperties: false,
  properties: {
    id: idSchema,
    files: oneOrList(text, 'Files or globs, relative to the policy file.'),
    hosts: oneOrList(text, 'Hosts; an entry covers its subdomains.'),
    addresses: oneOrList(text, 'Addresses or ranges.'),
    except: oneOrList(exceptSchema, 'Exceptions with an end.'),
    mode: { const: 'audit', description: 'Record what the list would block, and let it through.' },
    force: { type: 'boolean', description: 'Accept entries that cut runners off from their own service.' },
  },
} as const satisfies JSONSchema;

/** A blocklist file in YAML; a `.txt` file has one host or address a line instead. */
export const blocklistFileSchema = {
  $id: 'https://sallyport.invalid/blocklist.schema.json',
  type: 'object',
  description: 'Hosts and addresses that are blocked in every mode, subdomains included.',
  additionalProperties: false,
  properties: {
    mode: blocklistSchema.properties.mode,
    force: blocklistSchema.properties.force,
    hosts: blocklistSchema.properties.hosts,
    addresses: blocklistSchema.properties.addresses,
  },
} as const satisfies JSONSchema;

export const policySchema = {
  $id: 'https://sallyport.invalid/policy.schema.json',
  title: 'Sallyport policy',
  type: 'object',
  description: 'What the jobs of a runner fleet may reach.',
  additionalProperties: false,
  required: ['version'],
  properties: {
    version: { const: 1, description: 'Version of the language.' },
    mode: mode(
      'What happens to a flow that no rule allows: recorded and let through (`audit`, default) or blocked.',
    ),
    onUnattributed: {
      enum: ['narrowest', 'fleet', 'block'],
      description:
        'Flows of no known job get what every scope that could apply leaves open (`narrowest`, default), the top level (`fleet`), or nothing (`block`).',
    },
    presets: presetsSchema,
    tls: {
      type: 'object',
      description: 'Which TLS is opened.',
      additionalProperties: false,
      properties: {
        intercept: oneOrList(text, '`all` (default), `none`, or the hosts that are opened.'),
        onRejectedCa: {
          enum: ['block'],
          description: 'What a client meets that does not trust the authority.',
        },
      },
    },
    ...ruleLists,
    packages: packagesSchema,
    actions: actionsSchema,
    permissions: topPermissionsSchema,
    credentials: credentialsSchema,
    oidc: oidcSchema,
    bundles: { type: 'object', description: 'Bundles by name.', additionalProperties: bundleSchema },
    scopes: oneOrList(scopeSchema, 'Where more, or less, applies.'),
    blocklist: oneOrList(blocklistSchema, 'Lists that beat every allow.'),
  },
} as const satisfies JSONSchema;

export type PolicyFile = FromSchema<typeof policySchema>;
export type HttpRuleFile = FromSchema<typeof httpRuleSchema>;
export type NetworkRuleFile = FromSchema<typeof networkRuleSchema>;
export type OpaqueRuleFile = FromSchema<typeof opaqueRuleSchema>;
export type GithubRuleFile = FromSchema<typeof githubRuleSchema>;
export type GitlabRuleFile = FromSchema<typeof gitlabRuleSchema>;
export type ImageRuleFile = FromSchema<typeof imageRuleSchema>;
export type AwsRuleFile = FromSchema<typeof awsRuleSchema>;
export type RuleListsFile = FromSchema<typeof bundleSchema>;
export type PackagesFile = FromSchema<typeof packagesSchema>;
export type ActionsFile = FromSchema<typeof actionsSchema>;
export type PublishFile = FromSchema<typeof publishSchema>;
export type PermissionsFile =
  FromSchema<typeof topPermissionsSchema> | FromSchema<typeof scopePermissionsSchema>;
export type ScopeFile = FromSchema<typeof scopeSchema>;
export type MatchFile = FromSchema<typeof matchSchema>;
export type BlocklistEntryFile = FromSchema<typeof blocklistSchema>;
export type BlocklistFile = FromSchema<typeof blocklistFileSchema>;

/** Keys of the language whose feature is not part of this release. */
export const laterKeys: ReadonlySet<string> = new Set(['lockdown']);
