// The key of `sallyport.yaml` that names the operator's own forges, and says whose word on jobs counts.

/** `servers` of `sallyport.yaml`. */
export const serversSchema = {
  type: 'array',
  description:
    'Servers of GitHub and GitLab besides github.com and gitlab.com that this fleet works with: what runners and they say to each other of jobs is believed, and requests to them are understood. Default: none, but those that `jobs` name.',
  examples: [[{ platform: 'github', server: 'ghes.corp.example' }]],
  items: {
    type: 'object',
    additionalProperties: false,
    required: ['platform', 'server'],
    description: 'One server.',
    properties: {
      platform: { enum: ['github', 'gitlab'], description: 'Whose software it runs.', examples: ['github'] },
      server: {
        type: 'string',
        minLength: 1,
        description: 'Its host, as users name it.',
        examples: ['ghes.corp.example', 'acme.ghe.com', 'gitlab.corp.example'],
      },
      hosts: {
        type: 'array',
        items: { type: 'string', minLength: 1 },
        description:
          'Further hosts of its service for runners; `*.` in front stands for one label. Default: those that such a server has.',
        examples: [['actions.ghes.corp.example']],
      },
      jobs: {
        type: 'boolean',
        description:
          'Believe it about jobs. `false` for github.com or gitlab.com keeps a job from becoming one of a project that it made there itself. Default: `true`.',
        examples: [false],
      },
    },
  },
} as const;
