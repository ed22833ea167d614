// Which variables make the clients of a job trust the gateway's authority (each tool reads its own).
// The bundle holds the system's authorities and ours; the rest of the system's trust store is left alone.

import { existsSync } from 'node:fs';
import { join } from 'node:path';

const bundleVariables = [
  'SSL_CERT_FILE',
  'CURL_CA_BUNDLE',
  'GIT_SSL_CAINFO',
  'REQUESTS_CA_BUNDLE',
  'PIP_CERT',
  'AWS_CA_BUNDLE',
  'CARGO_HTTP_CAINFO',
  'CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE',
  'HEX_CACERTS_PATH',
  'NIX_SSL_CERT_FILE',
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
  'BUNDLE_SSL_CA_CERT',
  'NODE_EXTRA_CA_CERTS',
  'DENO_CERT',
  'npm_config_cafile',
] as const;

/** Environment variables for a job behind the gateway that keeps its state in `stateDirectory`. */
export function trustVariables(stateDirectory: string): Record<string, string> {
  const directory = join(stateDirectory, 'public');
  const bundle = join(directory, 'bundle.pem');
  const variables: Record<string, string> = { UV_NATIVE_TLS: '1' };
  for (const name of bundleVariables) variables[name] = bundle;
  const store = join(directory, 'authority.p12');
  if (existsSync(store)) {
    const settings = [`trustStore=${store}`, 'trustStorePassword=changeit', 'trustStoreType=PKCS12'];
    variables['JAVA_TOOL_OPTIONS'] = settings.map((setting) => `-Djavax.net.ssl.${setting}`).join(' ');
  }
  return variables;
}
