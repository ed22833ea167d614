// Public formats of tokens, and the hosts that each is made for. Formats are those that their makers document so that
// leaked ones can be found; what is encoded (base64, archives) is not seen.

import type { Platform } from '../flow/job.ts';
import { findPlatformHost, type PlatformServer } from '../flow/platform-server.ts';

export interface TokenFormat {
  /** For people: whose it is. */
  readonly name: string;
  readonly pattern: RegExp;
  /** Each covers its subdomains. */
  readonly hosts: readonly string[];
  /** Every known server of this platform as well. */
  readonly platform: Platform | null;
}

const format = (
  name: string,
  pattern: RegExp,
  hosts: readonly string[],
  platform: Platform | null = null,
): TokenFormat => ({ name, pattern, hosts, platform });

// Every pattern begins at the border of a word and with letters of its own: linear time.
const formats: readonly TokenFormat[] = [
  format(
    'a token of GitHub',
    /(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{16}|github_pat_\w{16})/,
    ['github.com', 'githubusercontent.com', 'ghcr.io', 'github.ai', 'githubcopilot.com'],
    'github',
  ),
  format(
    'a token of GitLab',
    /(?<![A-Za-z0-9])gl(?:pat|rt|dt|ptt|cbt|ft|soat|imt|agent|oas|ffct)-[\w-]{16}/,
    ['gitlab.com'],
    'gitlab',
  ),
  format('a token of npm', /(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}/, [
    'npmjs.org',
    'npmjs.com',
    'registry.yarnpkg.com',
  ]),
  format('a token of PyPI', /(?<![A-Za-z0-9])pypi-AgE[\w-]{32}/, ['pypi.org']),
  format('a key of RubyGems', /(?<![A-Za-z0-9])rubygems_[0-9a-f]{48}/, ['rubygems.org']),
  format('a token of Docker Hub', /(?<![A-Za-z0-9])dckr_[op]at_[\w-]{20}/, ['docker.io', 'docker.com']),
  format('a key of AWS', /(?<![A-Za-z0-9])A[KS]IA[A-Z2-7]{16}(?![A-Za-z0-9])/, [
    'amazonaws.com',
    'amazonaws.com.cn',
    'api.aws',
    'on.aws',
    'aws.amazon.com',
  ]),
  format('a token of Slack', /(?<![A-Za-z0-9])(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{16}/, ['slack.com']),
  format('a webhook of Slack', /hooks\.slack\.com\/services\/T\w{6,}\/B\w{6,}\/\w{16}/, ['slack.com']),
  format('a key of Stripe', /(?<![A-Za-z0-9])[rs]k_live_[A-Za-z0-9]{16}/, ['stripe.com']),
  format('a key of Google', /(?<![A-Za-z0-9])AIza[\w-]{35}/, [
    'googleapis.com',
    'google.com',
    'firebaseio.com',
  ]),
  format('a token of Google', /(?<![A-Za-z0-9])ya29\.[\w-]{20}/, [
    'googleapis.com',
    'google.com',
    'gcr.io',
    'pkg.dev',
  ]),
  format('a token of Hugging Face', /(?<![A-Za-z0-9])hf_[A-Za-z0-9]{34}/, ['huggingface.co', 'hf.co']),
  format('a key of SendGrid', /(?<![A-Za-z0-9])SG\.[\w-]{22}\.[\w-]{43}/, ['sendgrid.com']),
  format('a token of DigitalOcean', /(?<![A-Za-z0-9])do[opr]_v1_[0-9a-f]{64}/, ['digitalocean.com']),
  format('a token of Atlassian', /(?<![A-Za-z0-9])ATATT3[\w=-]{50}/, [
    'atlassian.com',
    'atlassian.net',
    'bitbucket.org',
  ]),
  format('a token of Terraform', /\.atlasv1\.[\w-]{60}/, ['terraform.io']),
  format(
    'a private key',
    /-----BEGIN(?:[ +]|%20)(?:[A-Z0-9]{1,10}(?:[ +]|%20)){0,3}PRIVATE(?:[ +]|%20)KEY/,
    [],
  ),
];

/** What every format has in it: most texts have none of these. */
const traces =
  /gh[pousr]_|github_pat_|gl[a-z]{2,5}-|npm_|pypi-AgE|rubygems_|dckr_|A[KS]IA|xox[a-z]-|xapp-|hooks\.slack|k_live_|AIza|ya29\.|hf_|SG\.|_v1_|ATATT3|atlasv1|PRIVATE/;

/** The formats of which a text holds a token. */
export function findTokens(text: string): readonly TokenFormat[] {
  if (!traces.test(text)) return none;
  return formats.filter(({ pattern }) => pattern.test(text));
}

const none: readonly TokenFormat[] = [];

/** True for a canonical host that tokens of this format are made for. */
export function isMadeFor(
  { hosts, platform }: TokenFormat,
  host: string,
  servers: readonly PlatformServer[],
): boolean {
  if (hosts.some((known) => host === known || host.endsWith(`.${known}`))) return true;
  return platform !== null && findPlatformHost(servers, host)?.server.platform === platform;
}

/** True for a canonical host that tokens of this platform's jobs are made for. */
export function isHostOf(platform: Platform, host: string, servers: readonly PlatformServer[]): boolean {
  return formats.some((known) => known.platform === platform && isMadeFor(known, host, servers));
}
