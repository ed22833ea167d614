// The environment variables that make clients trust the authority where the system store does not reach them.
// A variable either replaces a client's roots, and then needs the whole bundle, or adds to them.

import { trustStorePassword } from './trust-store.ts';

/** Paths of the public files as the job sees them. */
export interface TrustPaths {
  /** System roots and ours, PEM. */
  readonly bundle: string;
  /** Ours alone, PEM. */
  readonly authority: string;
  /** PKCS#12 with all of them. */
  readonly trustStore: string;
}

export interface TrustVariable {
  readonly name: string;
  /**
   * `replace`: the file becomes the client's roots. `override`: likewise, and it is set only where the environment
   * names a file of its own. `add`: it joins them. `setting`: no file, but a word.
   */
  readonly kind: 'replace' | 'override' | 'add' | 'setting';
  readonly clients: string;
  readonly value: (paths: TrustPaths) => string;
}

const replaceWith = (name: string, clients: string): TrustVariable => ({
  name,
  kind: 'replace',
  clients,
  value: (paths) => paths.bundle,
});
const add = (name: string, clients: string): TrustVariable => ({
  name,
  kind: 'add',
  clients,
  value: (paths) => paths.authority,
});

/** SSL_CERT_DIR is left alone: OpenSSL reads it besides SSL_CERT_FILE. */
export const trustVariables: readonly TrustVariable[] = [
  add('NODE_EXTRA_CA_CERTS', 'Node, npm, yarn, pnpm, JavaScript actions'),
  add('DENO_CERT', 'Deno'),
  replaceWith('SSL_CERT_FILE', 'users of OpenSSL, Ruby, Go, rustls with native roots, uv'),
  replaceWith('REQUESTS_CA_BUNDLE', 'Python requests'),
  replaceWith('PIP_CERT', 'pip'),
  replaceWith('CURL_CA_BUNDLE', 'curl'),
  replaceWith('GIT_SSL_CAINFO', 'git'),
  replaceWith('AWS_CA_BUNDLE', 'AWS command line and SDKs'),
  replaceWith('CARGO_HTTP_CAINFO', 'cargo'),
  replaceWith('CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE', 'gcloud'),
  replaceWith('HEX_CACERTS_PATH', 'Hex'),
  replaceWith('GRPC_DEFAULT_SSL_ROOTS_FILE_PATH', 'gRPC'),
  replaceWith('NIX_SSL_CERT_FILE', 'Nix'),
  replaceWith('BUNDLE_SSL_CA_CERT', 'Bundler'),
  replaceWith('COMPOSER_CAFILE', 'Composer'),
  // npm reads NODE_EXTRA_CA_CERTS; given 150 roots by this one, an install of 335 packages took a tenth longer.
  { ...replaceWith('npm_config_cafile', 'npm, where its configuration names a file'), kind: 'override' },
  { name: 'UV_NATIVE_TLS', kind: 'setting', clients: 'uv', value: () => 'true' },
  {
    name: 'JAVA_TOOL_OPTIONS',
    kind: 'replace',
    clients: 'Java, Maven, Gradle',
    value: (paths) =>
      `-Djavax.net.ssl.trustStore=${paths.trustStore} -Djavax.net.ssl.trustStoreType=PKCS12 ` +
      `-Djavax.net.ssl.trustStorePassword=${trustStorePassword}`,
  },
];

/** The variables with their values; JAVA_TOOL_OPTIONS joins what `environment` already holds. */
export function trustEnvironment(
  paths: TrustPaths,
  environment: Readonly<Record<string, string | undefined>> = {},
): Record<string, string> {
  // npm takes its variables in any case.
  const set = new Map(Object.keys(environment).map((name) => [name.toLowerCase(), name]));
  const entries = trustVariables.flatMap(({ name, kind, value }): [string, string][] => {
    if (kind === 'override') {
      const given = set.get(name);
      return given === undefined || !environment[given] ? [] : [[given, value(paths)]];
    }
    const own = name === 'JAVA_TOOL_OPTIONS' ? environment[name] : undefined;
    return [[name, own === undefined || own === '' ? value(paths) : `${own} ${value(paths)}`]];
  });
  return Object.fromEntries(entries);
}
