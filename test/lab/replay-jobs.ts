// What the jobs of the replays should do, as scripts of real clients: a build of a branch and a release by a tag.

import { identityHost, resultsHost } from './replay-answers.ts';
import { pushOf } from './replay-steps.ts';
import { npmHost, tokens } from './replays.ts';

const bearer = `-H 'authorization: Bearer ${tokens.job}'`;
const json = "-H 'content-type: application/json'";
const twirp = `https://${resultsHost}/twirp/github.actions.results.api.v1.ArtifactService`;

const resolve = `https://launch-1.actions.githubusercontent.com/actions/build/plan/jobs/first/runnerresolve/actions`;
const used = JSON.stringify({
  actions: [
    { action: 'actions/checkout', version: 'v4', path: '' },
    { action: 'some-vendor/setup-tool', version: 'v1', path: '' },
  ],
});

/** Actions with their archives, checkout, another repository of one's own, `npm ci`, tests, a check, an artifact; prints `build=CODE`. */
export function buildScript(folder: string): string {
  const api = 'https://api.github.com/repos/acme/storefront';
  return `cd ${folder}
(set -e
for archive in $(curl -fsS ${json} -d '${used}' ${resolve} | grep -o 'https:[^"]*tar.gz[^"]*'); do curl -fsS $archive >/dev/null; done
git clone -q https://github.com/acme/storefront.git own
git ls-remote -q https://github.com/acme/handbook.git >/dev/null
curl -fsS ${bearer} ${api}/pulls >/dev/null
npm ci >/dev/null
node -e 'require("plain-lib/package.json")'
curl -fsS ${bearer} ${json} -d '{"name":"lint","head_sha":"0"}' ${api}/check-runs >/dev/null
url=$(curl -fsS ${json} -d '{"name":"site"}' ${twirp}/CreateArtifact | sed 's/.*"signed_upload_url":"\\([^"]*\\)".*/\\1/')
curl -fsS -X PUT -H 'x-ms-blob-type: BlockBlob' --data-binary @package.json "$url" >/dev/null
curl -fsS ${json} -d '{"name":"site"}' ${twirp}/FinalizeArtifact >/dev/null)
echo build=$?
`;
}

/** A push, a release with an asset, an identity token, a package; prints `release=CODE`. `work` is a clone. */
export function releaseScript(folder: string, work: string): string {
  const identity = `https://${identityHost}/7//idtoken/plan/job?api-version=2.0&audience=sts.amazonaws.com`;
  return `cd ${folder}
(set -e
${pushOf(work, 'github.com/acme/storefront', tokens.job)} HEAD:refs/heads/notes
curl -fsS ${bearer} ${json} -d '{"tag_name":"v1.2.0"}' https://api.github.com/repos/acme/storefront/releases >/dev/null
curl -fsS ${bearer} --data-binary @steal.sh 'https://uploads.github.com/repos/acme/storefront/releases/1/assets?name=a.sh' >/dev/null
curl -fsS ${bearer} '${identity}' >/dev/null
curl -fsS -X PUT -H 'authorization: Bearer ${tokens.registry}' ${json} -d '{"name":"@acme/palette"}' https://${npmHost}/@acme%2fpalette >/dev/null)
echo release=$?
`;
}

/** A version of two hours, by npm; prints the code. */
export function youngScript(folder: string): string {
  return `mkdir -p ${folder}/young && cd ${folder}/young && npm install flatmap-stream@0.1.1 >/dev/null 2>&1\necho $?`;
}
