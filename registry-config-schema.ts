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
  minProperties: 1,
  description:
    'Packages that are known as malicious, from files, from a URL, or from both (docs/meaning.md). Default: none.',
  examples: [{ files: ['malware.ndjson'] }],
  properties: {
    files: texts(
      'Files and folders of advisories in OSV’s format, relative to this file, which control’s user can read. A feed that breaks later leaves the last good one in force. Default: none.',
      ['malware.ndjson', '/srv/osv/malicious'],
    ),
    url: {
      type: 'string',
      minLength: 1,
      maxLength: 4096,
      description:
        'Where a feed is fetched from again and again: `https:`, or `file:` for one file. A zip of advisories, one advisory a line, or one JSON text. The last good one is kept in the state directory and outlasts a restart. Default: none.',
      examples: ['https://osv.corp.example/npm/all.zip'],
    },
    credentials: {
      type: 'string',
      minLength: 1,
      description:
        'File with one line for the server of `url`, `user:secret` or `Bearer TOKEN`; root alone need be able to read it. Default: none.',
      examples: ['malware-feed.secret'],
    },
    refresh: {
      type: 'string',
      pattern: '^[1-9][0-9]{0,4}[mhd]$',
      description:
        'How long after a successful fetch from `url` the next one is, give or take a tenth: minutes, hours or days. After a failed one it is tried again in a minute, then less and less often. Default: `6h`.',
      examples: ['1h'],
    },
    maxBytes: {
      type: 'integer',
      minimum: 1024,
      maximum: 4_294_967_296,
      description: 'Largest download from `url`. Default: `536870912`.',
      examples: [536_870_912],
    },
    untilLoaded: {
      enum: ['block', 'allow'],
      description:
        'What packages are while a feed that is named here could never be read: malicious, as `packages.malware` of the policy then treats them, or unknown to any feed. Default: `block`.',
      examples: ['allow'],
    },
  },
} as const;
