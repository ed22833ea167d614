// The schema of `packages`: what may be installed and published, by package URL.

import type { JSONSchema } from 'json-schema-to-ts';
import { idSchema, oneOrList, text } from './rule-schema.ts';

const purl = oneOrList(
  { type: 'string', pattern: '^pkg:[A-Za-z*]+/.', maxLength: 512 },
  'Package URL or a pattern: `pkg:npm/*` (all of npm), `pkg:npm/@acme/*`, `pkg:pypi/requests`; of images `pkg:oci/acme/app`, whatever their registry.',
);
const registry = oneOrList(
  text,
  'Registry as users know it (npmjs.com, pypi.org, crates.io, gitlab.com), or its host; of one that many share also one part of it (maven.pkg.github.com/acme/app).',
);
const duration = {
  type: 'string',
  pattern: '^[0-9]{1,5}[mhd]$',
  description: 'Minutes, hours or days: 90m, 72h, 7d.',
} as const;
const word = (description: string) => ({ enum: ['allow', 'detect', 'block'], description }) as const;

const ageSchema = {
  type: 'object',
  description:
    'How old a version must be. Of several that fit one package the one that names its registry counts, else the one that names most of it; among equals the oldest.',
  additionalProperties: false,
  required: ['min'],
  properties: { id: idSchema, purl, registry, min: duration },
} as const satisfies JSONSchema;

const exceptSchema = {
  type: 'object',
  description: 'A package that may be younger, or is no malware whatever the feed says, until a date.',
  additionalProperties: false,
  required: ['purl', 'until', 'reason'],
  properties: {
    purl,
    until: { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}$', description: 'Last day (UTC).' },
    malware: { const: true, description: 'Also where the malware feed names it.' },
    reason: { ...text, description: 'Why.' },
  },
} as const satisfies JSONSchema;

const internalSchema = {
  type: 'object',
  description: 'Names of one’s own, and the only registries where they may be asked for.',
  additionalProperties: false,
  required: ['purl', 'registry'],
  properties: { id: idSchema, purl, registry },
} as const satisfies JSONSchema;

const namedSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['purl'],
  properties: { id: idSchema, purl, reason: { ...text, description: 'Why.' } },
} as const satisfies JSONSchema;

export const publishSchema = {
  type: 'object',
  description: 'Packages that may be published, and where. Nothing by default, whatever an http rule says.',
  additionalProperties: false,
  required: ['purl', 'registry'],
  properties: {
    id: idSchema,
    purl,
    registry,
    anyRef: {
      ...text,
      description: 'Why the rule may grant it on every ref and environment; for people.',
    },
    reason: { ...text, description: 'Why the rule exists; for people.' },
  },
} as const satisfies JSONSchema;
export const publish = oneOrList(publishSchema, 'What may be published.');

export const packagesSchema = {
  type: 'object',
  description: 'What may be installed and published.',
  additionalProperties: false,
  properties: {
    age: oneOrList(ageSchema, 'Minimum ages.'),
    unknownAge: word('A version whose age nobody knows, where an age is asked: default `detect`.'),
    malware: word('A version that the malware feed names: default `block`.'),
    rewrite: {
      type: 'boolean',
      description:
        'Takes versions that would be refused out of the lists of npm and Python registries, so that clients fall back to an older one (block mode). Their clients are offered HTTP/1.1 alone. Default false: the download is refused.',
    },
    internal: oneOrList(internalSchema, 'Names that are nobody else’s (dependency confusion).'),
    allow: oneOrList(
      { ...namedSchema, description: 'Of an ecosystem that is named here only what is named is installed.' },
      'Packages that may be installed.',
    ),
    block: oneOrList(
      { ...namedSchema, description: 'A package that is not installed.' },
      'Packages that are not.',
    ),
    except: oneOrList(exceptSchema, 'Exceptions with an end.'),
    publish,
  },
} as const satisfies JSONSchema;

/** In bundles and scopes. */
export const publishOnlySchema = {
  type: 'object',
  description: 'What may be published.',
  additionalProperties: false,
  properties: { publish },
} as const satisfies JSONSchema;
