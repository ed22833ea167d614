// The keys of `sallyport.yaml` that say who may come to the operator's side.

const text = (description: string, example: string) =>
  ({ type: 'string', minLength: 1, maxLength: 1_024, description, examples: [example] }) as const;
const texts = (description: string, example: readonly string[]) =>
  ({
    type: 'array',
    minItems: 1,
    items: { type: 'string', minLength: 1, maxLength: 255 },
    description,
    examples: [example],
  }) as const;
const duration = (description: string, example: string) =>
  ({ type: 'string', pattern: '^[1-9][0-9]{0,4}[mhd]$', description, examples: [example] }) as const;

const role = {
  enum: ['viewer', 'operator', 'admin'],
  description:
    'What it may do: `viewer` reads; `operator` also acts on what runs (quarantine); `admin` also has the policy read anew, makes and revokes tokens, and reads the audit log.',
  examples: ['viewer'],
} as const;
const owners = texts(
  'Owners of repositories (the first part of a repository’s name) whose jobs and flows it sees; what belongs to no owner and what concerns the whole gateway is then closed to it. Default: all.',
  ['acme'],
);

const grants = (description: string) =>
  ({
    type: 'array',
    minItems: 1,
    description,
    examples: [[{ value: 'platform-team', role: 'admin' }]],
    items: {
      type: 'object',
      additionalProperties: false,
      required: ['value', 'role'],
      description: 'One mapping.',
      properties: {
        value: text('The value; `*` is everybody that got so far.', 'platform-team'),
        role,
        owners,
      },
    },
  }) as const;

/** `listen.operatorTls` of `sallyport.yaml`. */
export const operatorTlsSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['certFile', 'keyFile'],
  description:
    'The operator’s listener speaks TLS, metrics and health included. The files are read anew when they change; root alone need be able to read them. Default: none, plain HTTP.',
  examples: [{ certFile: 'operator.pem', keyFile: 'operator.key' }],
  properties: {
    certFile: text('PEM file: the certificate and its chain, relative to this file.', 'operator.pem'),
    keyFile: text('PEM file: its key.', 'operator.key'),
  },
} as const;

/** `access` of `sallyport.yaml`. */
export const accessSchema = {
  type: 'object',
  additionalProperties: false,
  minProperties: 1,
  description: 'Who may use the operator’s API (docs/access.md). Default: tokens alone.',
  examples: [{ origin: 'https://sallyport.corp.example', tokens: { longest: '30d' } }],
  properties: {
    origin: text(
      'Where browsers find the operator’s side: `https://HOST[:PORT]`, or `http://localhost:PORT` through a tunnel. Needed for every way to log in. Default: none.',
      'https://sallyport.corp.example',
    ),
    proxies: texts(
      'Addresses of proxies in front of the operator’s listener: whose `X-Forwarded-For` tells the client’s address for limits and the audit log. Default: none.',
      ['127.0.0.1'],
    ),
    tokens: {
      type: 'object',
      additionalProperties: false,
      description: 'Tokens for programs (`sallyport token`). Default: as below.',
      examples: [{ longest: '30d' }],
      properties: {
        longest: duration('How long one may be valid at most, up to `366d`. Default: `365d`.', '30d'),
      },
    },
    logins: {
      type: 'object',
      additionalProperties: false,
      description: 'Logins of browsers. Default: as below.',
      examples: [{ idle: '15m', longest: '8h' }],
      properties: {
        idle: duration('After so long without a request a login is over. Default: `30m`.', '15m'),
        longest: duration('After so long it is over in any case, `30d` at most. Default: `12h`.', '8h'),
      },
    },
    users: {
      type: 'array',
      minItems: 1,
      description: 'Who logs in with a password. Default: nobody.',
      examples: [
        [
          {
            name: 'alice',
            role: 'admin',
            password: 'scrypt$32768$8$1$c2FsdHNhbHRzYWx0c2FsdA$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY',
          },
        ],
      ],
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'password', 'role'],
        description: 'One user.',
        properties: {
          name: text('Name, as it is typed and as audit rows have it: `user:NAME`.', 'alice'),
          password: text(
            'What `sallyport user NAME` printed.',
            'scrypt$32768$8$1$c2FsdHNhbHRzYWx0c2FsdA$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY',
          ),
          role,
          owners,
        },
      },
    },
    oidc: {
      type: 'object',
      additionalProperties: false,
      required: ['issuer', 'clientId', 'roles'],
      description:
        'Login by an OIDC issuer: authorization code with PKCE; `ORIGIN/v1/login/oidc/callback` is the redirect URI. Default: none.',
      examples: [
        {
          issuer: 'https://id.corp.example',
          clientId: 'sallyport',
          clientSecretFile: 'oidc.secret',
          roles: [{ value: 'platform-team', role: 'admin' }],
        },
      ],
      properties: {
        issuer: text('The issuer, exactly as its tokens name it.', 'https://id.corp.example'),
        clientId: text('Our name there.', 'sallyport'),
        clientSecretFile: text(
          'File with one line, the client’s secret; root alone need be able to read it. Default: none, a public client.',
          'oidc.secret',
        ),
        scopes: texts('Scopes that are asked for besides `openid`. Default: `profile`.', [
          'profile',
          'groups',
        ]),
        nameClaim: text(
          'Claim that names the user in audit rows: `oidc:NAME`. One that users can change may name somebody else. Default: `sub`.',
          'preferred_username',
        ),
        roleClaim: text(
          'Claim with a value or a list of them that `roles` go by; with dots a path into objects. Default: `groups`.',
          'realm_access.roles',
        ),
        roles: grants(
          'What values of the claim are worth: the first that fits counts, and nobody comes in without.',
        ),
      },
    },
    trustedHeader: {
      type: 'object',
      additionalProperties: false,
      required: ['name', 'peers', 'roles'],
      description:
        'Login by a proxy in front that has asked who it is and says so in a header. It must remove that header from what clients send. Default: none.',
      examples: [
        { name: 'x-forwarded-user', peers: ['127.0.0.1'], roles: [{ value: 'alice', role: 'admin' }] },
      ],
      properties: {
        name: text('Name of the header.', 'x-forwarded-user'),
        peers: texts('Addresses of the proxies; whoever can speak from one of them may be anybody.', [
          '127.0.0.1',
        ]),
        roles: grants('What users are worth, by their names: the first that fits counts.'),
      },
    },
  },
} as const;
