// The schema of what is asked of the credentials that requests carry, and of identity tokens.

import type { FromSchema, JSONSchema } from 'json-schema-to-ts';
import { hostsSchema, oneOrList, text } from './rule-schema.ts';

const found = (description: string) => ({ enum: ['block', 'detect'], description }) as const;

/** Kinds of credentials that a rule may name. */
export const credentialKinds = [
  'job',
  'derived',
  'app',
  'pat',
  'deploy-key',
  'registry',
  'cloud',
  'runtime',
  'none',
  'unknown',
] as const;

const kindRuleSchema = {
  type: 'object',
  description: 'Which kinds of credentials requests to some hosts may carry.',
  additionalProperties: false,
  required: ['host', 'allow'],
  properties: {
    host: hostsSchema,
    allow: oneOrList({ enum: credentialKinds }, 'Kinds that may go there; every other is blocked.'),
  },
} as const satisfies JSONSchema;

export const credentialsSchema = {
  type: 'object',
  description: 'What credentials may be used for. Scopes add to it and take nothing away.',
  additionalProperties: false,
  minProperties: 1,
  properties: {
    foreignToken: found(
      'A token of a public format, or a private key, in a request to a host that it was not made for: in fields, path, query and bodies that are read. `detect` records it.',
    ),
    foreignOwner: found(
      'A write to another owner than the job’s, or to a hidden one, with a credential that is not the job’s own. `detect` records it.',
    ),
    kinds: oneOrList(kindRuleSchema, 'Kinds of credentials by host; hosts that no entry names take all.'),
  },
} as const satisfies JSONSchema;

const audienceName = {
  ...text,
  description:
    'An audience, compared exactly; `default` is a request that names none (on GitHub the URL of the owner).',
} as const;

const audienceSchema = {
  type: 'object',
  description: 'An audience, and who takes tokens for it.',
  additionalProperties: false,
  required: ['audience', 'host'],
  properties: {
    audience: audienceName,
    host: hostsSchema,
  },
} as const satisfies JSONSchema;

export const oidcSchema = {
  type: 'object',
  description: 'Identity tokens that jobs may ask of their platform.',
  additionalProperties: false,
  required: ['audiences'],
  properties: {
    audiences: oneOrList(
      { anyOf: [audienceName, audienceSchema] },
      'Audiences, compared exactly; with `host` the hosts that take tokens for it, where its name does not tell.',
    ),
  },
} as const satisfies JSONSchema;

export type CredentialsFile = FromSchema<typeof credentialsSchema>;
export type KindRuleFile = FromSchema<typeof kindRuleSchema>;
export type OidcFile = FromSchema<typeof oidcSchema>;
export type AudienceFile = FromSchema<typeof audienceSchema>;
