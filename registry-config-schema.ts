// The keys of `sallyport.yaml` that speak of packages: registries of the operator's own, and the malware feed.

const texts = (description: string, example: readonly string[]) =>
  ({
    type: 'array',
    minItems: 1,
    items: { type: 'string', minLength: 1 },
    description,
    examples: [example],
  }) as const;

/** `registries` of `sallyport.yaml`. */
export const registriesSchema = {
  type: 'array',
  description:
    'Registries and mirrors of one’s own, so that requests to them are understood as those to the public ones are. Default: none; they are then known by the shape of what is asked, which opens nothing.',
  examples: [[{ ecosystem: 'npm', hosts: ['nexus.corp.example/repository/npm'] }]],
  items: {
    type: 'object',
    additionalProperties: false,
    required: ['ecosystem', 'hosts'],
    description: 'One registry.',
    properties: {
      ecosystem: {
        enum: ['npm', 'pypi', 'maven', 'nuget', 'cargo', 'golang', 'gem', 'oci', 'deb'],
        description: 'Whose protocol it speaks.',
        examples: ['npm'],
      },
      hosts: texts(
        'Where it is: a host, and the path before the protocol’s own. `*` is one label of the host (none of the last two) or one segment of the path.',
        ['nexus.corp.example/repository/npm'],
      ),
      name: {
        type: 'string',
        pattern: '^[a-z0-9][a-z0-9.-]*$',
        description:
          'What `registry` of the policy calls it, such as `npmjs.com` for a mirror of that one. Default: the host, and its path where that holds a `*`.',
        examples: ['packages.corp.example'],
      },
      public: {
        type: 'boolean',
        description:
          'Anybody may publish there: `packages.internal` names may not be asked of it. Default: `false`.',
        examples: [true],
      },
    },
  },
} as const;

/** `malware` of `sallyport.yaml`. */
export const malwareSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['files'],
  description: 'Packages that are known as malicious (docs/meaning.md). Default: none.',
  examples: [{ files: ['malware.ndjson'] }],
  properties: {
    files: texts(
      'Files and folders of advisories in OSV’s format, relative to this file, which control’s user can read. Until they have been read every package counts as malicious; a feed that breaks later leaves the last good one in force.',
      ['malware.ndjson', '/srv/osv/malicious'],
    ),
  },
} as const;
