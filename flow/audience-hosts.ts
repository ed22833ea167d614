// Which hosts take identity tokens for an audience, as far as its name tells (the services' own documentation).

const named: Readonly<Record<string, readonly string[]>> = {
  'sts.amazonaws.com': [
    'sts.amazonaws.com',
    'sts.*.amazonaws.com',
    'sts-fips.*.amazonaws.com',
    'sts.*.api.aws',
  ],
  'sts.amazonaws.com.cn': ['sts.*.amazonaws.com.cn'],
  'api://azureadtokenexchange': ['login.microsoftonline.com', 'login.windows.net', 'sts.windows.net'],
  'api://azureadtokenexchangeusgov': ['login.microsoftonline.us'],
  'api://azureadtokenexchangechina': ['login.partner.microsoftonline.cn', 'login.chinacloudapi.cn'],
  pypi: ['pypi.org', 'upload.pypi.org'],
  testpypi: ['test.pypi.org'],
  sigstore: ['**.sigstore.dev', '**.sigstage.dev', 'fulcio.githubapp.com', 'timestamp.githubapp.com'],
};
const google = ['sts.googleapis.com', 'sts.mtls.googleapis.com', 'sts.*.rep.googleapis.com'];
const maxAudience = 2_048;

/** Hosts (`*` is one label, a leading `**.` any depth below); null: it names none, or the platform's default was asked for. */
export function hostsOfAudience(audience: string | null): readonly string[] | null {
  if (audience === null || audience.length > maxAudience) return null;
  const text = audience.toLowerCase();
  if (Object.hasOwn(named, text)) return named[text]!;
  if (/^(?:https:)?\/\/iam\.googleapis\.com\//.test(text)) return google;
  const host = /^(?:https:\/\/|npm:)?([a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,20})(?::\d{1,5})?(?:\/|$)/.exec(
    text,
  )?.[1];
  // A forge's own name is what tokens have by default, whoever they are for.
  if (host === undefined || host === 'github.com' || host === 'gitlab.com' || host.endsWith('.ghe.com'))
    return null;
  return [host, `**.${host}`];
}
