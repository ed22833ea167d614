// Routes of GitHub's REST API that its description leaves out and that are called all the same: older spellings, the
// root of a path parameter, a runner's registration. The form is told in read-routes.ts.

export const ownRoutes = `
= contents:read, open
./contents GET repos/get-content
./git/matching-refs GET git/list-matching-refs
./git/refs GET git/list-matching-refs
./git/refs/{ref*} GET git/get-ref
./tarball GET repos/download-tarball-archive
./zipball GET repos/download-zipball-archive
= statuses:read, open
./statuses/{sha} GET repos/list-commit-statuses-for-ref
= beyond administration, admin
/actions/runner-registration POST runner/register
= beyond repository_hooks, admin
/hub POST repos/subscribe-by-hub
`;
