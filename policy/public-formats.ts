// The public formats of tokens, with the hosts that each is made for: those that their makers document so that leaked
// ones can be found. What is encoded (base64, archives) is not seen.

import type { Platform } from '../flow/job.ts';

export interface TokenFormat {
  /** For people: whose it is. */
  readonly name: string;
  readonly pattern: RegExp;
  /** Each covers its subdomains. Null: made by whatever server it is shown to, and secret everywhere else. */
  readonly hosts: readonly string[] | null;
  /** Every known server of this platform as well. */
  readonly platform: Platform | null;
}

const format = (
  name: string,
  pattern: RegExp,
  hosts: string | null,
  platform: Platform | null = null,
): TokenFormat => ({
  name,
  pattern,
  hosts: hosts === null ? null : hosts.split(' ').filter((host) => host !== ''),
  platform,
});

const microsoft =
  'windows.net azure.com azure.net microsoftonline.com microsoft.com azurecr.io visualstudio.com';

/** Every pattern begins with letters of its own at the border of a word, and repeats nothing without an end: linear time. */
export const publicFormats: readonly TokenFormat[] = [
  // Forges.
  format(
    'a token of GitHub',
    /(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{16}|ghs_\d{1,12}_eyJ[\w-]{16}|github_pat_\w{16})/,
    'github.com githubusercontent.com ghcr.io github.ai githubcopilot.com',
    'github',
  ),
  format(
    'a token of GitLab',
    /(?<![A-Za-z0-9])(?:gl(?:pat|rt|rtr|dt|ptt|cbt|ft|soat|imt|wt|agent|oas|ffct)-[\w-]{16}|GR1348941[\w-]{20})/,
    'gitlab.com',
    'gitlab',
  ),
  format(
    'a token of Atlassian',
    /(?<![A-Za-z0-9])(?:AT[AC]TT3[\w=-]{50}|ATBB[A-Za-z0-9]{32})/,
    'atlassian.com atlassian.net bitbucket.org',
  ),
  // Registries of packages and images.
  format('a token of npm', /(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}/, 'npmjs.org npmjs.com registry.yarnpkg.com'),
  format('a token of PyPI', /(?<![A-Za-z0-9])pypi-AgE[\w-]{32}/, 'pypi.org'),
  format(
    'a token of crates.io',
    /(?<![A-Za-z0-9])cio(?:[A-Za-z0-9]{32}(?![A-Za-z0-9])|_tp_[A-Za-z0-9]{16})/,
    'crates.io',
  ),
  format('a key of RubyGems', /(?<![A-Za-z0-9])rubygems_[0-9a-f]{48}/, 'rubygems.org'),
  format('a key of NuGet', /(?<![A-Za-z0-9])oy2[a-z0-9]{43}(?![A-Za-z0-9])/, 'nuget.org'),
  format('a token of Clojars', /(?<![A-Za-z0-9])CLOJARS_[0-9a-f]{60}/, 'clojars.org'),
  format(
    'a token of Packagist',
    /(?<![A-Za-z0-9])packagist_[ou][ru]t_[0-9a-f]{68}/,
    'packagist.com packagist.org',
  ),
  format('a token of Docker Hub', /(?<![A-Za-z0-9])dckr_[op]at_[\w-]{20}/, 'docker.io docker.com'),
  format('a token of Artifactory', /(?<![A-Za-z0-9])(?:AKCp[A-Za-z0-9]{69}|cmVmdGtu[A-Za-z0-9]{56})/, null),
  // Clouds.
  format(
    'a key of AWS',
    /(?<![A-Za-z0-9])A[KS]IA[A-Z2-7]{16}(?![A-Za-z0-9])/,
    'amazonaws.com amazonaws.com.cn api.aws on.aws aws.amazon.com',
  ),
  format(
    'a session of AWS',
    /(?<![A-Za-z0-9])(?:IQoJb3JpZ2luX2Vj|FwoGZXIvYXdz)(?:[A-Za-z0-9/+=]|%2[BbFf]|%3[Dd]){50}/,
    'amazonaws.com amazonaws.com.cn api.aws on.aws aws.amazon.com',
  ),
  format('a key of Google', /(?<![A-Za-z0-9])AIza[\w-]{35}/, 'googleapis.com google.com firebaseio.com'),
  format('a token of Google', /(?<![A-Za-z0-9])ya29\.[\w-]{20}/, 'googleapis.com google.com gcr.io pkg.dev'),
  format('a secret of Google', /(?<![A-Za-z0-9])GOCSPX-[\w-]{28}/, 'googleapis.com google.com'),
  format('a refresh token of Google', /(?<![A-Za-z0-9])1\/\/0[\w-]{40}/, 'googleapis.com google.com'),
  // The signature may stand before or after the version that goes with it.
  format(
    'a shared access signature of Azure',
    /(?<![A-Za-z0-9])(?:sv=20\d\d-\d\d-\d\d&(?:[^\s"'&]{1,200}&){0,16}sig=[A-Za-z0-9%+/]{40}|sig=[A-Za-z0-9%+/]{40,100}(?:=|%3[Dd])?&(?:[^\s"'&]{1,200}&){0,16}sv=20\d\d-\d\d-\d\d)/,
    microsoft,
  ),
  format('a key of Azure', /(?<![A-Za-z0-9])(?:Account|SharedAccess)Key=[A-Za-z0-9+/%]{40}/, microsoft),
  format('a secret of Azure', /(?<![\w~.-])[\w~.-]{3}[78]Q~[\w~.-]{31}/, microsoft),
  format('a token of DigitalOcean', /(?<![A-Za-z0-9])do[opr]_v1_[0-9a-f]{64}/, 'digitalocean.com'),
  format(
    'a key of Alibaba Cloud',
    /(?<![A-Za-z0-9])LTAI[A-Za-z0-9]{20}(?![A-Za-z0-9])/,
    'aliyuncs.com aliyun.com',
  ),
  format('a token of Heroku', /(?<![A-Za-z0-9])HRKU-AA[\w-]{58}/, 'heroku.com'),
  format('a token of Netlify', /(?<![A-Za-z0-9])nfp_[A-Za-z0-9]{36}/, 'netlify.com'),
  format('a token of Databricks', /(?<![A-Za-z0-9])dapi[0-9a-f]{32}/, 'databricks.com azuredatabricks.net'),
  format('a token of Terraform', /\.atlasv1\.[\w-]{60}/, 'terraform.io'),
  format('a token of Pulumi', /(?<![A-Za-z0-9])pul-[0-9a-f]{40}/, 'pulumi.com'),
  format('a token of Vault', /(?<![A-Za-z0-9])hv[sbr]\.[\w-]{24}/, null),
  format(
    'a key of Tailscale',
    /(?<![A-Za-z0-9])tskey-[a-z]{2,10}-[A-Za-z0-9]{8,40}-[A-Za-z0-9]{20}/,
    'tailscale.com',
  ),
  format(
    'a token of Doppler',
    /(?<![A-Za-z0-9])dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[\w-]{1,40}\.)?[A-Za-z0-9]{40}/,
    'doppler.com',
  ),
  // Services that builds speak to.
  format('a token of Slack', /(?<![A-Za-z0-9])(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{16}/, 'slack.com'),
  format('a webhook of Slack', /hooks\.slack\.com\/services\/T\w{6,20}\/B\w{6,20}\/\w{16}/, 'slack.com'),
  format(
    'a webhook of Discord',
    /discord(?:app)?\.com\/api\/webhooks\/\d{15,22}\/[\w-]{50}/,
    'discord.com discordapp.com',
  ),
  format('a token of Telegram', /(?<![A-Za-z0-9])(?:bot)?\d{8,10}:AA[\w-]{32}/, 'telegram.org'),
  format(
    'a key of Stripe',
    /(?<![A-Za-z0-9])(?:[rs]k_live_[A-Za-z0-9]{16}|whsec_[A-Za-z0-9]{32})/,
    'stripe.com',
  ),
  format(
    'a token of Shopify',
    /(?<![A-Za-z0-9])shp(?:at|ca|pa|ss)_[0-9a-f]{32}/,
    'shopify.com myshopify.com',
  ),
  format('a token of Square', /(?<![A-Za-z0-9])sq0[a-z]{3}-[\w-]{22}/, 'squareup.com'),
  format('a key of SendGrid', /(?<![A-Za-z0-9])SG\.[\w-]{22}\.[\w-]{43}/, 'sendgrid.com'),
  format('a key of Twilio', /(?<![A-Za-z0-9])SK[0-9a-f]{32}(?![A-Za-z0-9])/, 'twilio.com'),
  format('a key of New Relic', /(?<![A-Za-z0-9])NRAK-[A-Z0-9]{27}/, 'newrelic.com'),
  format('a key of Postman', /(?<![A-Za-z0-9])PMAK-[0-9a-f]{24}-[0-9a-f]{34}/, 'getpostman.com postman.com'),
  format('a token of Grafana', /(?<![A-Za-z0-9])glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}/, null),
  format('a token of Sentry', /(?<![A-Za-z0-9])sntry[su]_[\w+/=-]{40}/, null),
  format('a token of SonarQube', /(?<![A-Za-z0-9])sq[apu]_[0-9a-f]{40}/, null),
  format('a token of Linear', /(?<![A-Za-z0-9])lin_api_[A-Za-z0-9]{40}/, 'linear.app'),
  format('a token of CircleCI', /(?<![A-Za-z0-9])CCIP(?:AT|RJ)_[A-Za-z0-9]{16}/, 'circleci.com'),
  format('a token of Buildkite', /(?<![A-Za-z0-9])bkua_[0-9a-f]{40}/, 'buildkite.com'),
  format('a token of Hugging Face', /(?<![A-Za-z0-9])hf_[A-Za-z0-9]{34}/, 'huggingface.co hf.co'),
  // Keys of this form are made by many.
  format(
    'a key that begins with sk-',
    /(?<![A-Za-z0-9])sk-(?=[\w-]{0,31}[A-Z])(?=[\w-]{0,31}[a-z])(?=[\w-]{0,31}\d)[\w-]{32}/,
    null,
  ),
  // Keys themselves.
  format('a key of age', /(?<![A-Za-z0-9])AGE-SECRET-KEY-1[A-Z0-9]{58}/, ''),
  format(
    'a private key',
    /-----BEGIN(?:[ +]|%20)(?:[A-Z0-9]{1,10}(?:[ +]|%20)){0,3}PRIVATE(?:[ +]|%20)KEY/,
    '',
  ),
];

/** What every format has in it: most texts have none of these. */
export const traces =
  /gh[pousr]_|github_pat_|gl[a-z]{2,5}-|GR1348941|AT[ACB]T|ATBB|npm_|pypi-AgE|cio|rubygems_|oy2|CLOJARS_|packagist_|dckr_|AKCp|cmVmdGtu|A[KS]IA|IQoJb3|FwoGZX|AIza|ya29\.|GOCSPX|1\/\/0|sig=|Key=|[78]Q~|_v1_|LTAI|HRKU|nfp_|dapi|atlasv1|pul-|hv[sbr]\.|tskey-|dp\.|xox[a-z]-|xapp-|hooks\.slack|webhooks|:AA|k_live_|whsec_|shp[a-z]{2}_|sq0|SG\.|SK[0-9a-f]|NRAK|PMAK|glsa_|sntry|sq[apu]_|lin_api|CCIP|bkua_|hf_|sk-|AGE-SECRET|PRIVATE/;
