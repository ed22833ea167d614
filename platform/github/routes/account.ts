// Routes of GitHub's REST API on users, gists, apps, teams and the platform itself; the form is told in
// read-routes.ts.

export const accountRoutes = `
= attestations:write
/users/{username}/attestations/delete-request POST users/delete-attestations-bulk
/users/{username}/attestations/digest/{subject_digest} DELETE users/delete-attestations-by-subject-digest
/users/{username}/attestations/{attestation_id} DELETE users/delete-attestations-by-id
= contents:read, open, reads
/markdown POST markdown/render
= packages:read
/user/docker/conflicts GET packages/list-docker-migration-conflicting-packages-for-authenticated-user
/user/packages GET packages/list-packages-for-authenticated-user
/user/packages/{package_type}/{package_name} GET packages/get-package-for-authenticated-user
/user/packages/{package_type}/{package_name}/versions GET packages/get-all-package-versions-for-package-owned-by-authenticated-user
/user/packages/{package_type}/{package_name}/versions/{package_version_id} GET packages/get-package-version-for-authenticated-user
/users/{username}/docker/conflicts GET packages/list-docker-migration-conflicting-packages-for-user
/users/{username}/packages GET packages/list-packages-for-user
/users/{username}/packages/{package_type}/{package_name} GET packages/get-package-for-user
/users/{username}/packages/{package_type}/{package_name}/versions GET packages/get-all-package-versions-for-package-owned-by-user
/users/{username}/packages/{package_type}/{package_name}/versions/{package_version_id} GET packages/get-package-version-for-user
= packages:write
/user/packages/{package_type}/{package_name} DELETE packages/delete-package-for-authenticated-user
/user/packages/{package_type}/{package_name}/restore POST packages/restore-package-for-authenticated-user
/user/packages/{package_type}/{package_name}/versions/{package_version_id} DELETE packages/delete-package-version-for-authenticated-user
/user/packages/{package_type}/{package_name}/versions/{package_version_id}/restore POST packages/restore-package-version-for-authenticated-user
/users/{username}/packages/{package_type}/{package_name} DELETE packages/delete-package-for-user
/users/{username}/packages/{package_type}/{package_name}/restore POST packages/restore-package-for-user
/users/{username}/packages/{package_type}/{package_name}/versions/{package_version_id} DELETE packages/delete-package-version-for-user
/users/{username}/packages/{package_type}/{package_name}/versions/{package_version_id}/restore POST packages/restore-package-version-for-user
= none
/ GET meta/root
/advisories GET security-advisories/list-global-advisories
/advisories/{ghsa_id} GET security-advisories/get-global-advisory
/apps/{app_slug} GET apps/get-by-slug
/codes_of_conduct GET codes-of-conduct/get-all-codes-of-conduct
/codes_of_conduct/{key} GET codes-of-conduct/get-conduct-code
/credentials/revoke POST credentials/revoke
/emojis GET emojis/get
/events GET activity/list-public-events
/feeds GET activity/get-feeds
/gists GET gists/list
/gists/public GET gists/list-public
/gists/starred GET gists/list-starred
/gists/{gist_id} GET gists/get
/gists/{gist_id}/comments GET gists/list-comments
/gists/{gist_id}/comments/{comment_id} GET gists/get-comment
/gists/{gist_id}/commits GET gists/list-commits
/gists/{gist_id}/forks GET gists/list-forks
/gists/{gist_id}/{sha} GET gists/get-revision
/gitignore/templates GET gitignore/get-all-templates
/gitignore/templates/{name} GET gitignore/get-template
/installation/repositories GET apps/list-repos-accessible-to-installation
/installation/token DELETE apps/revoke-installation-access-token
/licenses GET licenses/get-all-commonly-used
/licenses/{license} GET licenses/get
/meta GET meta/get
/networks/{owner}/{repo}/events GET activity/list-public-events-for-repo-network
/octocat GET meta/get-octocat
/rate_limit GET rate-limit/get
/repositories GET repos/list-public
/search/code GET search/code
/search/commits GET search/commits
/search/issues GET search/issues-and-pull-requests
/search/labels GET search/labels
/search/repositories GET search/repos
/search/topics GET search/topics
/search/users GET search/users
/user/{account_id} GET users/get-by-id
/users GET users/list
/users/{username} GET users/get-by-username
/users/{username}/events GET activity/list-events-for-authenticated-user
/users/{username}/events/orgs/{org} GET activity/list-org-events-for-authenticated-user
/users/{username}/events/public GET activity/list-public-events-for-user
/users/{username}/followers GET users/list-followers-for-user
/users/{username}/following GET users/list-following-for-user
/users/{username}/following/{target_user} GET users/check-following-for-user
/users/{username}/gists GET gists/list-for-user
/users/{username}/gpg_keys GET users/list-gpg-keys-for-user
/users/{username}/hovercard GET users/get-context-for-user
/users/{username}/keys GET users/list-public-keys-for-user
/users/{username}/orgs GET orgs/list-for-user
/users/{username}/received_events GET activity/list-received-events-for-user
/users/{username}/received_events/public GET activity/list-received-public-events-for-user
/users/{username}/repos GET repos/list-for-user
/users/{username}/social_accounts GET users/list-social-accounts-for-user
/users/{username}/ssh_signing_keys GET users/list-ssh-signing-keys-for-user
/users/{username}/starred GET activity/list-repos-starred-by-user
/users/{username}/subscriptions GET activity/list-repos-watched-by-user
/versions GET meta/get-all-versions
/zen GET meta/get-zen
= beyond app-token
/app/installations/{installation_id}/access_tokens POST apps/create-installation-access-token
/applications/{client_id}/grant DELETE apps/delete-authorization
/applications/{client_id}/token POST apps/check-token PATCH apps/reset-token DELETE apps/delete-token
/applications/{client_id}/token/scoped POST apps/scope-token
= beyond app-token, admin
/app GET apps/get-authenticated
/app-manifests/{code}/conversions POST apps/create-from-manifest
/app/hook/config GET apps/get-webhook-config-for-app PATCH apps/update-webhook-config-for-app
/app/hook/deliveries GET apps/list-webhook-deliveries
/app/hook/deliveries/{delivery_id} GET apps/get-webhook-delivery
/app/hook/deliveries/{delivery_id}/attempts POST apps/redeliver-webhook-delivery
/app/installation-requests GET apps/list-installation-requests-for-authenticated-app
/app/installations GET apps/list-installations
/app/installations/{installation_id} GET apps/get-installation DELETE apps/delete-installation
/app/installations/{installation_id}/suspended PUT apps/suspend-installation DELETE apps/unsuspend-installation
/marketplace_listing/accounts/{account_id} GET apps/get-subscription-plan-for-account
/marketplace_listing/plans GET apps/list-plans
/marketplace_listing/plans/{plan_id}/accounts GET apps/list-accounts-for-plan
/marketplace_listing/stubbed/accounts/{account_id} GET apps/get-subscription-plan-for-account-stubbed
/marketplace_listing/stubbed/plans GET apps/list-plans-stubbed
/marketplace_listing/stubbed/plans/{plan_id}/accounts GET apps/list-accounts-for-plan-stubbed
/users/{username}/installation GET apps/get-user-installation
= beyond enterprise, admin
/users/{username}/site_admin PUT enterprise-admin/promote-user-to-be-site-administrator DELETE enterprise-admin/demote-site-administrator
/users/{username}/suspended PUT enterprise-admin/suspend-user DELETE enterprise-admin/unsuspend-user
= beyond gists
/gists POST gists/create
/gists/{gist_id} PATCH gists/update DELETE gists/delete
/gists/{gist_id}/comments POST gists/create-comment
/gists/{gist_id}/comments/{comment_id} PATCH gists/update-comment DELETE gists/delete-comment
/gists/{gist_id}/forks POST gists/fork
/gists/{gist_id}/star PUT gists/star DELETE gists/unstar
= beyond members, admin
/teams/{team_id} GET teams/get-legacy PATCH teams/update-legacy DELETE teams/delete-legacy
/teams/{team_id}/invitations GET teams/list-pending-invitations-legacy
/teams/{team_id}/members GET teams/list-members-legacy
/teams/{team_id}/members/{username} GET teams/get-member-legacy PUT teams/add-member-legacy DELETE teams/remove-member-legacy
/teams/{team_id}/memberships/{username} GET teams/get-membership-for-user-legacy PUT teams/add-or-update-membership-for-user-legacy DELETE teams/remove-membership-for-user-legacy
/teams/{team_id}/repos GET teams/list-repos-legacy
/teams/{team_id}/repos/{owner}/{repo} GET teams/check-permissions-for-repo-legacy PUT teams/add-or-update-repo-permissions-legacy DELETE teams/remove-repo-legacy
/teams/{team_id}/team-sync/group-mappings GET teams/list-idp-groups-for-legacy PATCH teams/create-or-update-idp-group-connections-legacy
/teams/{team_id}/teams GET teams/list-child-legacy
= beyond user-token
/notifications PUT activity/mark-notifications-as-read
/notifications/threads/{thread_id} PATCH activity/mark-thread-as-read DELETE activity/mark-thread-as-done
/notifications/threads/{thread_id}/subscription PUT activity/set-thread-subscription DELETE activity/delete-thread-subscription
/user PATCH users/update-authenticated
/user/blocks/{username} PUT users/block DELETE users/unblock
/user/codespaces POST codespaces/create-for-authenticated-user
/user/codespaces/{codespace_name} PATCH codespaces/update-for-authenticated-user DELETE codespaces/delete-for-authenticated-user
/user/codespaces/{codespace_name}/exports POST codespaces/export-for-authenticated-user
/user/codespaces/{codespace_name}/publish POST codespaces/publish-for-authenticated-user
/user/codespaces/{codespace_name}/start POST codespaces/start-for-authenticated-user
/user/codespaces/{codespace_name}/stop POST codespaces/stop-for-authenticated-user
/user/following/{username} PUT users/follow DELETE users/unfollow
/user/social_accounts POST users/add-social-account-for-authenticated-user DELETE users/delete-social-account-for-authenticated-user
/user/starred/{owner}/{repo} PUT activity/star-repo-for-authenticated-user DELETE activity/unstar-repo-for-authenticated-user
/user/{user_id}/projectsV2/{project_number}/drafts POST projects/create-draft-item-for-authenticated-user
/users/{user_id}/projectsV2/{project_number}/views POST projects/create-view-for-user
/users/{username}/projectsV2/{project_number}/fields POST projects/add-field-for-user
/users/{username}/projectsV2/{project_number}/items POST projects/add-item-for-user
/users/{username}/projectsV2/{project_number}/items/{item_id} PATCH projects/update-item-for-user DELETE projects/delete-item-for-user
= beyond user-token, admin
/applications/grants GET oauth-authorizations/list-grants
/applications/grants/{grant_id} GET oauth-authorizations/get-grant DELETE oauth-authorizations/delete-grant
/assignments/{assignment_id} GET classroom/get-an-assignment
/assignments/{assignment_id}/accepted_assignments GET classroom/list-accepted-assignments-for-an-assignment
/assignments/{assignment_id}/grades GET classroom/get-assignment-grades
/authorizations GET oauth-authorizations/list-authorizations POST oauth-authorizations/create-authorization
/authorizations/clients/{client_id} PUT oauth-authorizations/get-or-create-authorization-for-app
/authorizations/clients/{client_id}/{fingerprint} PUT oauth-authorizations/get-or-create-authorization-for-app-and-fingerprint
/authorizations/{authorization_id} GET oauth-authorizations/get-authorization PATCH oauth-authorizations/update-authorization DELETE oauth-authorizations/delete-authorization
/classrooms GET classroom/list-classrooms
/classrooms/{classroom_id} GET classroom/get-a-classroom
/classrooms/{classroom_id}/assignments GET classroom/list-assignments-for-a-classroom
/gists/{gist_id}/star GET gists/check-is-starred
/issues GET issues/list
/notifications GET activity/list-notifications-for-authenticated-user
/notifications/threads/{thread_id} GET activity/get-thread
/notifications/threads/{thread_id}/subscription GET activity/get-thread-subscription-for-authenticated-user
/user GET users/get-authenticated
/user/blocks GET users/list-blocked-by-authenticated-user
/user/blocks/{username} GET users/check-blocked
/user/codespaces GET codespaces/list-for-authenticated-user
/user/codespaces/secrets GET codespaces/list-secrets-for-authenticated-user
/user/codespaces/secrets/public-key GET codespaces/get-public-key-for-authenticated-user
/user/codespaces/secrets/{secret_name} GET codespaces/get-secret-for-authenticated-user PUT codespaces/create-or-update-secret-for-authenticated-user DELETE codespaces/delete-secret-for-authenticated-user
/user/codespaces/secrets/{secret_name}/repositories GET codespaces/list-repositories-for-secret-for-authenticated-user PUT codespaces/set-repositories-for-secret-for-authenticated-user
/user/codespaces/secrets/{secret_name}/repositories/{repository_id} PUT codespaces/add-repository-for-secret-for-authenticated-user DELETE codespaces/remove-repository-for-secret-for-authenticated-user
/user/codespaces/{codespace_name} GET codespaces/get-for-authenticated-user
/user/codespaces/{codespace_name}/exports/{export_id} GET codespaces/get-export-details-for-authenticated-user
/user/codespaces/{codespace_name}/machines GET codespaces/codespace-machines-for-authenticated-user
/user/email/visibility PATCH users/set-primary-email-visibility-for-authenticated-user
/user/emails GET users/list-emails-for-authenticated-user POST users/add-email-for-authenticated-user DELETE users/delete-email-for-authenticated-user
/user/followers GET users/list-followers-for-authenticated-user
/user/following GET users/list-followed-by-authenticated-user
/user/following/{username} GET users/check-person-is-followed-by-authenticated
/user/gpg_keys GET users/list-gpg-keys-for-authenticated-user POST users/create-gpg-key-for-authenticated-user
/user/gpg_keys/{gpg_key_id} GET users/get-gpg-key-for-authenticated-user DELETE users/delete-gpg-key-for-authenticated-user
/user/installations GET apps/list-installations-for-authenticated-user
/user/installations/{installation_id}/repositories GET apps/list-installation-repos-for-authenticated-user
/user/installations/{installation_id}/repositories/{repository_id} PUT apps/add-repo-to-installation-for-authenticated-user DELETE apps/remove-repo-from-installation-for-authenticated-user
/user/interaction-limits GET interactions/get-restrictions-for-authenticated-user PUT interactions/set-restrictions-for-authenticated-user DELETE interactions/remove-restrictions-for-authenticated-user
/user/issues GET issues/list-for-authenticated-user
/user/keys GET users/list-public-ssh-keys-for-authenticated-user POST users/create-public-ssh-key-for-authenticated-user
/user/keys/{key_id} GET users/get-public-ssh-key-for-authenticated-user DELETE users/delete-public-ssh-key-for-authenticated-user
/user/marketplace_purchases GET apps/list-subscriptions-for-authenticated-user
/user/marketplace_purchases/stubbed GET apps/list-subscriptions-for-authenticated-user-stubbed
/user/memberships/orgs GET orgs/list-memberships-for-authenticated-user
/user/memberships/orgs/{org} GET orgs/get-membership-for-authenticated-user PATCH orgs/update-membership-for-authenticated-user
/user/migrations GET migrations/list-for-authenticated-user POST migrations/start-for-authenticated-user
/user/migrations/{migration_id} GET migrations/get-status-for-authenticated-user
/user/migrations/{migration_id}/archive GET migrations/get-archive-for-authenticated-user DELETE migrations/delete-archive-for-authenticated-user
/user/migrations/{migration_id}/repos/{repo_name}/lock DELETE migrations/unlock-repo-for-authenticated-user
/user/migrations/{migration_id}/repositories GET migrations/list-repos-for-authenticated-user
/user/orgs GET orgs/list-for-authenticated-user
/user/public_emails GET users/list-public-emails-for-authenticated-user
/user/repos GET repos/list-for-authenticated-user POST repos/create-for-authenticated-user
/user/repository_invitations GET repos/list-invitations-for-authenticated-user
/user/repository_invitations/{invitation_id} PATCH repos/accept-invitation-for-authenticated-user DELETE repos/decline-invitation-for-authenticated-user
/user/social_accounts GET users/list-social-accounts-for-authenticated-user
/user/ssh_signing_keys GET users/list-ssh-signing-keys-for-authenticated-user POST users/create-ssh-signing-key-for-authenticated-user
/user/ssh_signing_keys/{ssh_signing_key_id} GET users/get-ssh-signing-key-for-authenticated-user DELETE users/delete-ssh-signing-key-for-authenticated-user
/user/starred GET activity/list-repos-starred-by-authenticated-user
/user/starred/{owner}/{repo} GET activity/check-repo-is-starred-by-authenticated-user
/user/subscriptions GET activity/list-watched-repos-for-authenticated-user
/user/teams GET teams/list-for-authenticated-user
/users/{username}/projectsV2 GET projects/list-for-user
/users/{username}/projectsV2/{project_number} GET projects/get-for-user
/users/{username}/projectsV2/{project_number}/fields GET projects/list-fields-for-user
/users/{username}/projectsV2/{project_number}/fields/{field_id} GET projects/get-field-for-user
/users/{username}/projectsV2/{project_number}/items GET projects/list-items-for-user
/users/{username}/projectsV2/{project_number}/items/{item_id} GET projects/get-user-item
/users/{username}/projectsV2/{project_number}/views/{view_number}/items GET projects/list-view-items-for-user
/users/{username}/settings/billing/ai_credit/usage GET billing/get-github-billing-ai-credit-usage-report-user
/users/{username}/settings/billing/premium_request/usage GET billing/get-github-billing-premium-request-usage-report-user
/users/{username}/settings/billing/usage GET billing/get-github-billing-usage-report-user
/users/{username}/settings/billing/usage/summary GET billing/get-github-billing-usage-summary-report-user
= unknown
/agents/repos/{owner}/{repo}/tasks GET agent-tasks/list-tasks-for-repo POST agent-tasks/create-task-in-repo
/agents/repos/{owner}/{repo}/tasks/{task_id} GET agent-tasks/get-task-by-repo-and-id
/agents/tasks GET agent-tasks/list-tasks
/agents/tasks/{task_id} GET agent-tasks/get-task-by-id
/users/{username}/attestations/{subject_digest} GET users/list-attestations
/users/{username}/copilot-spaces GET copilot-spaces/list-for-user
/users/{username}/copilot-spaces/{space_number} GET copilot-spaces/get-for-user
/users/{username}/copilot-spaces/{space_number}/collaborators GET copilot-spaces/list-collaborators-for-user
/users/{username}/copilot-spaces/{space_number}/resources GET copilot-spaces/list-resources-for-user
/users/{username}/copilot-spaces/{space_number}/resources/{space_resource_id} GET copilot-spaces/get-resource-for-user
= unknown, admin
/users/{username}/copilot-spaces POST copilot-spaces/create-for-user
/users/{username}/copilot-spaces/{space_number} PUT copilot-spaces/update-for-user DELETE copilot-spaces/delete-for-user
/users/{username}/copilot-spaces/{space_number}/collaborators POST copilot-spaces/add-collaborator-for-user
/users/{username}/copilot-spaces/{space_number}/collaborators/{actor_type}/{actor_identifier} PUT copilot-spaces/update-collaborator-for-user DELETE copilot-spaces/remove-collaborator-for-user
/users/{username}/copilot-spaces/{space_number}/resources POST copilot-spaces/create-resource-for-user
/users/{username}/copilot-spaces/{space_number}/resources/{space_resource_id} PUT copilot-spaces/update-resource-for-user DELETE copilot-spaces/delete-resource-for-user
= unknown, reads
/markdown/raw POST markdown/render-raw
/users/{username}/attestations/bulk-list POST users/list-attestations-bulk
`;
