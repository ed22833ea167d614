// Routes of GitLab's REST API on groups, and those that make or move what has no path yet; the form is told in
// read-routes.ts.

export const groupRoutes = `
= api, open
~ GET groups/get
~/projects GET groups/list-projects
~/projects/shared GET groups/list-shared-projects
~/subgroups GET groups/list-subgroups
~/descendant_groups GET groups/list-descendants
~/issues GET issues/list-of-group
~/issues_statistics GET issues/statistics-of-group
~/merge_requests GET merge-requests/list-of-group
~/labels GET labels/list-of-group
~/labels/{label_id} GET labels/get-of-group
~/milestones GET milestones/list-of-group
~/milestones/{milestone_id} GET milestones/get-of-group
~/members GET members/list-of-group
~/members/all GET members/list-all-of-group
~/members/{user_number} GET members/get-of-group
~/search GET search/group
~/epics GET epics/list
~/epics/{epic_iid} GET epics/get
~/boards GET boards/list-of-group
~/badges GET badges/list-of-group
~/releases GET releases/list-of-group
~/wikis GET wikis/list-of-group
~/wikis/{slug} GET wikis/get-of-group
= packages:read, open
~/packages GET packages/list-of-group
= none, open
~/registry/repositories GET registry/list-repositories-of-group
= api
~/audit_events GET audit-events/list-of-group
~/access_requests GET access-requests/list-of-group POST access-requests/create-in-group
~/badges POST badges/create-in-group
~/badges/{badge_id} GET badges/get-of-group PUT badges/update-in-group DELETE badges/delete-in-group
~/boards POST boards/create-in-group
~/boards/{board_id} GET boards/get-of-group PUT boards/update-in-group DELETE boards/delete-in-group
~/dependency_proxy/cache DELETE dependency-proxy/purge
~/deploy_tokens GET deploy-tokens/list-of-group
~/epics POST epics/create
~/epics/{epic_iid} PUT epics/update DELETE epics/delete
~/hooks GET hooks/list-of-group
~/hooks/{hook_id} GET hooks/get-of-group
~/labels POST labels/create-in-group PUT labels/update-in-group DELETE labels/delete-in-group
~/labels/{label_id} PUT labels/update-in-group DELETE labels/delete-in-group
~/milestones POST milestones/create-in-group
~/milestones/{milestone_id} PUT milestones/update-in-group DELETE milestones/delete-in-group
~/runners GET runners/list-of-group
~/variables GET variables/list-of-group
~/variables/{key} GET variables/get-of-group
~/wikis POST wikis/create-in-group
~/wikis/{slug} PUT wikis/update-in-group DELETE wikis/delete-in-group
= api, admin
~ PUT groups/update DELETE groups/delete
~/access_requests/{user_number} DELETE access-requests/delete-of-group
~/access_requests/{user_number}/approve PUT access-requests/approve-in-group
~/access_tokens GET access-tokens/list-of-group POST access-tokens/create-in-group
~/access_tokens/{token_id} GET access-tokens/get-of-group DELETE access-tokens/revoke-of-group
~/access_tokens/{token_id}/rotate POST access-tokens/rotate-of-group
~/deploy_tokens POST deploy-tokens/create-in-group
~/deploy_tokens/{token_id} GET deploy-tokens/get-of-group DELETE deploy-tokens/delete-of-group
~/hooks POST hooks/create-in-group
~/hooks/{hook_id} PUT hooks/update-of-group DELETE hooks/delete-of-group
~/invitations GET invitations/list-of-group POST invitations/create-in-group
~/invitations/{email} PUT invitations/update-of-group DELETE invitations/delete-of-group
~/members POST members/add-to-group
~/members/{user_number} PUT members/update-of-group DELETE members/remove-of-group
~/protected_branches GET protected-branches/list-of-group POST protected-branches/create-in-group
~/protected_environments GET protected-environments/list-of-group POST protected-environments/create-in-group
~/push_rule GET push-rules/get-of-group POST push-rules/create-in-group PUT push-rules/update-of-group DELETE push-rules/delete-of-group
~/runners/reset_registration_token POST runners/reset-token-of-group
~/share POST groups/share
~/share/{group_number} DELETE groups/unshare
~/restore POST groups/restore
~/ldap_sync POST groups/sync-ldap
~/service_accounts GET service-accounts/list POST service-accounts/create
~/service_accounts/{user_number} DELETE service-accounts/delete
~/service_accounts/{user_number}/personal_access_tokens POST service-accounts/create-token
~/ssh_certificates GET ssh-certificates/list POST ssh-certificates/create
~/variables POST variables/create-in-group
~/variables/{key} PUT variables/update-of-group DELETE variables/delete-of-group
= api, admin, elsewhere
~/transfer POST groups/transfer
~/projects/{project} POST groups/move-project-in
/groups POST groups/create
/groups/import POST groups/import
/projects POST projects/create
/projects/user/{user_number} POST projects/create-for-user
/projects/import POST projects/import
/projects/remote-import POST projects/import
/projects/remote-import-s3 POST projects/import
/bulk_imports POST imports/start
/import/github POST imports/start
/import/bitbucket POST imports/start
/import/bitbucket_server POST imports/start
`;
