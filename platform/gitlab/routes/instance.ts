// Routes of GitLab's REST API on the platform itself, its runners and its users; the form is told in read-routes.ts.

export const instanceRoutes = `
= none
/job GET jobs/get-own
/job/allowed_agents GET agents/list-allowed
/jobs/request POST runner/request-job
/runners/verify POST runners/verify
/runners/router/discovery GET runner/discover-router
= none, own
/jobs/{job_number} PUT runner/update-job
/jobs/{job_number}/trace PATCH runner/append-trace
/jobs/{job_number}/artifacts POST artifacts/upload
/jobs/{job_number}/artifacts/authorize POST artifacts/upload
= none, own, reads
/jobs/{job_number}/artifacts GET artifacts/download-own
= none, admin
/runners POST runners/register DELETE runners/unregister
/runners/managers DELETE runners/unregister
/runners/reset_authentication_token POST runners/reset-token
= none, open
/templates/{kind} GET templates/list
/templates/{kind}/{key} GET templates/get
/avatar GET avatars/get
/broadcast_messages GET broadcast-messages/list
= api, open
/projects GET projects/list
/groups GET groups/list
/search GET search/all
/topics GET topics/list
/snippets/public GET snippets/list-public
= api
/version GET instance/version
/metadata GET instance/version
/ci/lint POST ci/lint
/issues GET issues/list-all
/issues_statistics GET issues/statistics-of-all
/merge_requests GET merge-requests/list-all
/events GET events/list
/user GET users/get-own
/users GET users/list
/users/{user} GET users/get
/users/{user}/projects GET users/list-projects
/users/{user}/starred_projects GET users/list-starred
/users/{user}/keys GET users/list-keys
/users/{user}/events GET events/list-of-user
/user/keys GET users/list-own-keys
/user/emails GET users/list-own-emails
/namespaces GET namespaces/list
/namespaces/{namespace} GET namespaces/get
/personal_access_tokens GET access-tokens/list-own
/personal_access_tokens/self GET access-tokens/get-own
/runners GET runners/list
/runners/all GET runners/list-all
/runners/{runner_id} GET runners/get
/todos GET todos/list
/todos/{todo_id}/mark_as_done POST todos/finish
/markdown POST markdown/render
= api, hidden
/snippets GET snippets/list POST snippets/create
/snippets/{snippet_id} GET snippets/get PUT snippets/update DELETE snippets/delete
/snippets/{snippet_id}/raw GET snippets/get-raw
/snippets/{snippet_id}/files/{ref}/{file_path}/raw GET snippets/get-file
= api, admin
/admin/{part*} GET instance/read-settings POST instance/administer PUT instance/administer PATCH instance/administer DELETE instance/administer
/application/{part*} GET instance/read-settings PUT instance/administer POST instance/administer PATCH instance/administer DELETE instance/administer
/applications GET instance/list-applications POST instance/create-application
/applications/{application_id} DELETE instance/delete-application
/deploy_keys GET deploy-keys/list-all POST deploy-keys/create-for-all
/deploy_tokens GET deploy-tokens/list-all
/hooks GET hooks/list-of-instance POST hooks/create-in-instance
/hooks/{hook_id} GET hooks/get-of-instance PUT hooks/update-of-instance DELETE hooks/delete-of-instance POST hooks/test-of-instance
/license GET instance/get-license POST instance/add-license
/personal_access_tokens/self DELETE access-tokens/revoke-own
/personal_access_tokens/self/rotate POST access-tokens/rotate-own
/personal_access_tokens/{token_id} GET access-tokens/get-of-user DELETE access-tokens/revoke-of-user
/personal_access_tokens/{token_id}/rotate POST access-tokens/rotate-of-user
/runners/{runner_id} PUT runners/update DELETE runners/delete
/runners/{runner_id}/reset_authentication_token POST runners/reset-token
/user/keys POST users/add-key
/user/keys/{key_id} GET users/get-own-key DELETE users/delete-key
/user/gpg_keys GET users/list-own-gpg-keys POST users/add-gpg-key
/user/gpg_keys/{key_id} DELETE users/delete-gpg-key
/user/emails POST users/add-email
/user/emails/{email_id} DELETE users/delete-email
/user/personal_access_tokens POST access-tokens/create-own
/user/runners POST runners/create
/users POST users/create
/users/{user} PUT users/update DELETE users/delete
/users/{user}/keys POST users/add-key-of-user
/users/{user}/keys/{key_id} DELETE users/delete-key-of-user
/users/{user}/personal_access_tokens POST access-tokens/create-of-user
/users/{user}/impersonation_tokens GET access-tokens/list-impersonations POST access-tokens/impersonate
/users/{user}/impersonation_tokens/{token_id} DELETE access-tokens/end-impersonation
/users/{user}/block POST users/block
/users/{user}/unblock POST users/unblock
`;
