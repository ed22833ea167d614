// The keys of `sallyport.yaml` that name further sources of jobs: a cluster's API server, hooks, and the forges' own APIs by
// which what hooks say is confirmed.

const path = (description: string, example: string) =>
  ({ type: 'string', minLength: 1, description, examples: [example] }) as const;

/** `kubernetes` of `sallyport.yaml`. */
export const kubernetesSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['namespaces'],
  description:
    'Pods of runners, watched through the API server of their cluster, so that a pod’s addresses are its job’s (docs/attribution.md). Default: none.',
  examples: [{ namespaces: ['arc-runners'] }],
  properties: {
    namespaces: {
      type: 'array',
      minItems: 1,
      maxItems: 64,
      uniqueItems: true,
      items: { type: 'string', pattern: '^(?:\\*|[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)$' },
      description:
        'Namespaces in which runners’ pods are. `*` alone is all of them. Whoever may make pods there can speak for a job.',
      examples: [['arc-runners']],
    },
    labelSelector: path(
      'Label selector of the API: other pods are not looked at. Default: all pods of the namespaces.',
      'fleet=builders',
    ),
    server: path(
      'URL of the API server, `https:` alone. Default: `https://kubernetes.default.svc`, as pods of the cluster reach it.',
      'https://192.0.2.20:6443',
    ),
    caFile: path(
      'PEM file of the cluster’s authorities, and no other counts; control’s user reads it at each connection. Default: `/var/run/secrets/kubernetes.io/serviceaccount/ca.crt`.',
      'cluster-ca.pem',
    ),
    tokenFile: path(
      'File of the service account’s token, which control’s user reads at each request. Default: `/var/run/secrets/kubernetes.io/serviceaccount/token`.',
      'cluster.token',
    ),
    ephemeralRunners: {
      type: 'boolean',
      description:
        'Watch the EphemeralRunners of actions-runner-controller too: they say which job a pod was given. Default: `true`.',
      examples: [false],
    },
  },
} as const;

/** `claims` of `sallyport.yaml`. */
export const claimsSchema = {
  type: 'object',
  additionalProperties: false,
  description:
    'What hooks on the runners say of their machine’s job (deploy/hooks, docs/attribution.md). Default: as below.',
  examples: [{ trust: 'never' }],
  properties: {
    trust: {
      enum: ['never', 'confirmed', 'fresh'],
      description:
        'When a claim may open what is its job’s: never; once the forge’s API has confirmed it (`confirm`); or, besides, at once where nothing was known of the address for an hour (and the gateway has been up for one), which a fleet of machines that run one job each may choose. Default: `confirmed`.',
      examples: ['never'],
    },
  },
} as const;

/** `confirm` of `sallyport.yaml`. */
export const confirmSchema = {
  type: 'array',
  maxItems: 16,
  description:
    'Forges whose API confirms claims, with a token of the operator’s own. Default: none, and no claim is confirmed.',
  examples: [[{ server: 'github.com', tokenFile: 'github.token' }]],
  items: {
    type: 'object',
    additionalProperties: false,
    required: ['server', 'tokenFile'],
    description: 'One forge.',
    properties: {
      server: path('Its host: github.com, gitlab.com, or one of `servers`.', 'github.com'),
      tokenFile: path(
        'File with its token alone, which may read runs or jobs (GitHub: `actions: read`, `contents: read`; GitLab: `read_api`). Control’s user reads it at each request.',
        'github.token',
      ),
    },
  },
} as const;
