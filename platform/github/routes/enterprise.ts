// Routes of GitHub's REST API on enterprises and on a GitHub Enterprise Server itself; the form is told in
// read-routes.ts.

export const enterpriseRoutes = `
= beyond enterprise, admin
/admin/hooks GET enterprise-admin/list-global-webhooks POST enterprise-admin/create-global-webhook
/admin/hooks/{hook_id} GET enterprise-admin/get-global-webhook PATCH enterprise-admin/update-global-webhook DELETE enterprise-admin/delete-global-webhook
/admin/hooks/{hook_id}/pings POST enterprise-admin/ping-global-webhook
/admin/keys GET enterprise-admin/list-public-keys
/admin/keys/{key_ids} DELETE enterprise-admin/delete-public-key
/admin/ldap/teams/{team_id}/mapping PATCH enterprise-admin/update-ldap-mapping-for-team
/admin/ldap/teams/{team_id}/sync POST enterprise-admin/sync-ldap-mapping-for-team
/admin/ldap/users/{username}/mapping PATCH enterprise-admin/update-ldap-mapping-for-user
/admin/ldap/users/{username}/sync POST enterprise-admin/sync-ldap-mapping-for-user
/admin/organizations POST enterprise-admin/create-org
/admin/organizations/{org} PATCH enterprise-admin/update-org-name
/admin/pre-receive-environments GET enterprise-admin/list-pre-receive-environments POST enterprise-admin/create-pre-receive-environment
/admin/pre-receive-environments/{pre_receive_environment_id} GET enterprise-admin/get-pre-receive-environment PATCH enterprise-admin/update-pre-receive-environment DELETE enterprise-admin/delete-pre-receive-environment
/admin/pre-receive-environments/{pre_receive_environment_id}/downloads POST enterprise-admin/start-pre-receive-environment-download
/admin/pre-receive-environments/{pre_receive_environment_id}/downloads/latest GET enterprise-admin/get-download-status-for-pre-receive-environment
/admin/pre-receive-hooks GET enterprise-admin/list-pre-receive-hooks POST enterprise-admin/create-pre-receive-hook
/admin/pre-receive-hooks/{pre_receive_hook_id} GET enterprise-admin/get-pre-receive-hook PATCH enterprise-admin/update-pre-receive-hook DELETE enterprise-admin/delete-pre-receive-hook
/admin/tokens GET enterprise-admin/list-personal-access-tokens
/admin/tokens/{token_id} DELETE enterprise-admin/delete-personal-access-token
/admin/users POST enterprise-admin/create-user
/admin/users/{username} PATCH enterprise-admin/update-username-for-user DELETE enterprise-admin/delete-user
/admin/users/{username}/authorizations POST enterprise-admin/create-impersonation-o-auth-token DELETE enterprise-admin/delete-impersonation-o-auth-token
/enterprise-installation/{enterprise_or_org}/server-statistics GET enterprise-admin/get-server-statistics
/enterprise/announcement GET enterprise-admin/get-announcement PATCH enterprise-admin/set-announcement DELETE enterprise-admin/remove-announcement
/enterprise/live-migrations GET enterprise-admin/live-migration-list POST enterprise-admin/live-migration-create
/enterprise/live-migrations/{migration_id} GET enterprise-admin/live-migration-get
/enterprise/live-migrations/{migration_id}/cancel POST enterprise-admin/live-migration-cancel
/enterprise/live-migrations/{migration_id}/cutover POST enterprise-admin/live-migration-cutover
/enterprise/live-migrations/{migration_id}/pause POST enterprise-admin/live-migration-pause
/enterprise/live-migrations/{migration_id}/resume POST enterprise-admin/live-migration-resume
/enterprise/live-migrations/{migration_id}/revert-cutover POST enterprise-admin/live-migration-revert-cutover
/enterprise/live-migrations/{migration_id}/start POST enterprise-admin/live-migration-start
/enterprise/settings/license GET enterprise-admin/get-license-information
/enterprise/stats/all GET enterprise-admin/get-all-stats
/enterprise/stats/comments GET enterprise-admin/get-comment-stats
/enterprise/stats/gists GET enterprise-admin/get-gist-stats
/enterprise/stats/hooks GET enterprise-admin/get-hooks-stats
/enterprise/stats/issues GET enterprise-admin/get-issue-stats
/enterprise/stats/milestones GET enterprise-admin/get-milestone-stats
/enterprise/stats/orgs GET enterprise-admin/get-org-stats
/enterprise/stats/pages GET enterprise-admin/get-pages-stats
/enterprise/stats/pulls GET enterprise-admin/get-pull-request-stats
/enterprise/stats/repos GET enterprise-admin/get-repo-stats
/enterprise/stats/security-products GET enterprise-admin/get-security-products
/enterprise/stats/users GET enterprise-admin/get-user-stats
/enterprises/{enterprise}/access-restrictions/disable POST enterprise-admin/disable-access-restrictions
/enterprises/{enterprise}/access-restrictions/enable POST enterprise-admin/enable-access-restrictions
/enterprises/{enterprise}/actions/cache/retention-limit GET actions/get-actions-cache-retention-limit-for-enterprise PUT actions/set-actions-cache-retention-limit-for-enterprise
/enterprises/{enterprise}/actions/cache/storage-limit GET actions/get-actions-cache-storage-limit-for-enterprise PUT actions/set-actions-cache-storage-limit-for-enterprise
/enterprises/{enterprise}/actions/cache/usage GET actions/get-actions-cache-usage-for-enterprise
/enterprises/{enterprise}/actions/cache/usage-policy GET actions/get-actions-cache-usage-policy-for-enterprise PATCH actions/set-actions-cache-usage-policy-for-enterprise
/enterprises/{enterprise}/actions/hosted-runners GET actions/list-hosted-runners-for-enterprise POST actions/create-hosted-runner-for-enterprise
/enterprises/{enterprise}/actions/hosted-runners/images/custom GET actions/list-custom-images-for-enterprise
/enterprises/{enterprise}/actions/hosted-runners/images/custom/{image_definition_id} GET actions/get-custom-image-for-enterprise DELETE actions/delete-custom-image-from-enterprise
/enterprises/{enterprise}/actions/hosted-runners/images/custom/{image_definition_id}/versions GET actions/list-custom-image-versions-for-enterprise
/enterprises/{enterprise}/actions/hosted-runners/images/custom/{image_definition_id}/versions/{version} GET actions/get-custom-image-version-for-enterprise DELETE actions/delete-custom-image-version-from-enterprise
/enterprises/{enterprise}/actions/hosted-runners/images/github-owned GET actions/get-hosted-runners-github-owned-images-for-enterprise
/enterprises/{enterprise}/actions/hosted-runners/images/partner GET actions/get-hosted-runners-partner-images-for-enterprise
/enterprises/{enterprise}/actions/hosted-runners/limits GET actions/get-hosted-runners-limits-for-enterprise
/enterprises/{enterprise}/actions/hosted-runners/machine-sizes GET actions/get-hosted-runners-machine-specs-for-enterprise
/enterprises/{enterprise}/actions/hosted-runners/platforms GET actions/get-hosted-runners-platforms-for-enterprise
/enterprises/{enterprise}/actions/hosted-runners/{hosted_runner_id} GET actions/get-hosted-runner-for-enterprise PATCH actions/update-hosted-runner-for-enterprise DELETE actions/delete-hosted-runner-for-enterprise
/enterprises/{enterprise}/actions/oidc/customization/issuer PUT actions/set-actions-oidc-custom-issuer-policy-for-enterprise
/enterprises/{enterprise}/actions/oidc/customization/properties/repo GET oidc/list-oidc-custom-property-inclusions-for-enterprise POST oidc/create-oidc-custom-property-inclusion-for-enterprise
/enterprises/{enterprise}/actions/oidc/customization/properties/repo/{custom_property_name} DELETE oidc/delete-oidc-custom-property-inclusion-for-enterprise
/enterprises/{enterprise}/actions/permissions GET enterprise-admin/get-github-actions-permissions-enterprise PUT enterprise-admin/set-github-actions-permissions-enterprise
/enterprises/{enterprise}/actions/permissions/artifact-and-log-retention GET enterprise-admin/get-artifact-and-log-retention-settings PUT enterprise-admin/set-artifact-and-log-retention-settings
/enterprises/{enterprise}/actions/permissions/fork-pr-contributor-approval GET enterprise-admin/get-fork-pr-contributor-approval-permissions PUT enterprise-admin/set-fork-pr-contributor-approval-permissions
/enterprises/{enterprise}/actions/permissions/fork-pr-workflows-private-repos GET enterprise-admin/get-private-repo-fork-pr-workflows-settings PUT enterprise-admin/set-private-repo-fork-pr-workflows-settings
/enterprises/{enterprise}/actions/permissions/organizations GET enterprise-admin/list-selected-organizations-enabled-github-actions-enterprise PUT enterprise-admin/set-selected-organizations-enabled-github-actions-enterprise
/enterprises/{enterprise}/actions/permissions/organizations/{org_id} PUT enterprise-admin/enable-selected-organization-github-actions-enterprise DELETE enterprise-admin/disable-selected-organization-github-actions-enterprise
/enterprises/{enterprise}/actions/permissions/selected-actions GET enterprise-admin/get-allowed-actions-enterprise PUT enterprise-admin/set-allowed-actions-enterprise
/enterprises/{enterprise}/actions/permissions/self-hosted-runners GET enterprise-admin/get-self-hosted-runners-permissions PUT enterprise-admin/set-self-hosted-runners-permissions
/enterprises/{enterprise}/actions/permissions/workflow GET actions/get-github-actions-default-workflow-permissions-enterprise PUT actions/set-github-actions-default-workflow-permissions-enterprise
/enterprises/{enterprise}/actions/runner-groups GET enterprise-admin/list-self-hosted-runner-groups-for-enterprise POST enterprise-admin/create-self-hosted-runner-group-for-enterprise
/enterprises/{enterprise}/actions/runner-groups/{runner_group_id} GET enterprise-admin/get-self-hosted-runner-group-for-enterprise PATCH enterprise-admin/update-self-hosted-runner-group-for-enterprise DELETE enterprise-admin/delete-self-hosted-runner-group-from-enterprise
/enterprises/{enterprise}/actions/runner-groups/{runner_group_id}/organizations GET enterprise-admin/list-org-access-to-self-hosted-runner-group-in-enterprise PUT enterprise-admin/set-org-access-to-self-hosted-runner-group-in-enterprise
/enterprises/{enterprise}/actions/runner-groups/{runner_group_id}/organizations/{org_id} PUT enterprise-admin/add-org-access-to-self-hosted-runner-group-in-enterprise DELETE enterprise-admin/remove-org-access-to-self-hosted-runner-group-in-enterprise
/enterprises/{enterprise}/actions/runner-groups/{runner_group_id}/runners GET enterprise-admin/list-self-hosted-runners-in-group-for-enterprise PUT enterprise-admin/set-self-hosted-runners-in-group-for-enterprise
/enterprises/{enterprise}/actions/runner-groups/{runner_group_id}/runners/{runner_id} PUT enterprise-admin/add-self-hosted-runner-to-group-for-enterprise DELETE enterprise-admin/remove-self-hosted-runner-from-group-for-enterprise
/enterprises/{enterprise}/actions/runners GET enterprise-admin/list-self-hosted-runners-for-enterprise
/enterprises/{enterprise}/actions/runners/deprecations/{version} GET enterprise-admin/get-runner-version-deprecation-for-enterprise
/enterprises/{enterprise}/actions/runners/downloads GET enterprise-admin/list-runner-applications-for-enterprise
/enterprises/{enterprise}/actions/runners/generate-jitconfig POST actions/generate-runner-jitconfig-for-enterprise
/enterprises/{enterprise}/actions/runners/registration-token POST enterprise-admin/create-registration-token-for-enterprise
/enterprises/{enterprise}/actions/runners/remove-token POST enterprise-admin/create-remove-token-for-enterprise
/enterprises/{enterprise}/actions/runners/{runner_id} GET enterprise-admin/get-self-hosted-runner-for-enterprise DELETE enterprise-admin/delete-self-hosted-runner-from-enterprise
/enterprises/{enterprise}/actions/runners/{runner_id}/labels GET enterprise-admin/list-labels-for-self-hosted-runner-for-enterprise POST enterprise-admin/add-custom-labels-to-self-hosted-runner-for-enterprise PUT enterprise-admin/set-custom-labels-for-self-hosted-runner-for-enterprise DELETE enterprise-admin/remove-all-custom-labels-from-self-hosted-runner-for-enterprise
/enterprises/{enterprise}/actions/runners/{runner_id}/labels/{name} DELETE enterprise-admin/remove-custom-label-from-self-hosted-runner-for-enterprise
/enterprises/{enterprise}/announcement GET announcement-banners/get-announcement-banner-for-enterprise PATCH announcement-banners/set-announcement-banner-for-enterprise DELETE announcement-banners/remove-announcement-banner-for-enterprise
/enterprises/{enterprise}/apps/installable_organizations GET enterprise-apps/installable-organizations
/enterprises/{enterprise}/apps/installable_organizations/{org}/accessible_repositories GET enterprise-apps/installable-organization-accessible-repositories
/enterprises/{enterprise}/apps/organizations/{org}/installations GET enterprise-apps/organization-installations POST enterprise-apps/create-installation
/enterprises/{enterprise}/apps/organizations/{org}/installations/{installation_id} DELETE enterprise-apps/delete-installation
/enterprises/{enterprise}/apps/organizations/{org}/installations/{installation_id}/repositories GET enterprise-apps/organization-installation-repositories PATCH enterprise-apps/change-installation-repository-access-selection
/enterprises/{enterprise}/apps/organizations/{org}/installations/{installation_id}/repositories/add PATCH enterprise-apps/grant-repository-access-to-installation
/enterprises/{enterprise}/apps/organizations/{org}/installations/{installation_id}/repositories/remove PATCH enterprise-apps/remove-repository-access-to-installation
/enterprises/{enterprise}/audit-log GET enterprise-admin/get-audit-log
/enterprises/{enterprise}/audit-log/stream-key GET enterprise-admin/get-audit-log-stream-key
/enterprises/{enterprise}/audit-log/streams GET enterprise-admin/get-audit-log-streams POST enterprise-admin/create-audit-log-stream
/enterprises/{enterprise}/audit-log/streams/{stream_id} GET enterprise-admin/get-one-audit-log-stream PUT enterprise-admin/update-audit-log-stream DELETE enterprise-admin/delete-audit-log-stream
/enterprises/{enterprise}/bypass-requests/push-rules GET enterprise-admin/list-push-bypass-requests
/enterprises/{enterprise}/bypass-requests/secret-scanning GET secret-scanning/list-enterprise-bypass-requests
/enterprises/{enterprise}/code-scanning/alerts GET code-scanning/list-alerts-for-enterprise
/enterprises/{enterprise}/code-security/configurations GET code-security/get-configurations-for-enterprise POST code-security/create-configuration-for-enterprise
/enterprises/{enterprise}/code-security/configurations/defaults GET code-security/get-default-configurations-for-enterprise
/enterprises/{enterprise}/code-security/configurations/{configuration_id} GET code-security/get-single-configuration-for-enterprise PATCH code-security/update-enterprise-configuration DELETE code-security/delete-configuration-for-enterprise
/enterprises/{enterprise}/code-security/configurations/{configuration_id}/attach POST code-security/attach-enterprise-configuration
/enterprises/{enterprise}/code-security/configurations/{configuration_id}/defaults PUT code-security/set-configuration-as-default-for-enterprise
/enterprises/{enterprise}/code-security/configurations/{configuration_id}/repositories GET code-security/get-repositories-for-enterprise-configuration
/enterprises/{enterprise}/code_security_and_analysis GET secret-scanning/get-security-analysis-settings-for-enterprise PATCH secret-scanning/patch-security-analysis-settings-for-enterprise
/enterprises/{enterprise}/consumed-licenses GET enterprise-admin/get-consumed-licenses
/enterprises/{enterprise}/copilot/billing/seats GET copilot/list-copilot-seats-for-enterprise
/enterprises/{enterprise}/copilot/billing/selected_enterprise_teams POST copilot/add-copilot-seats-for-enterprise-teams DELETE copilot/cancel-copilot-seats-for-enterprise-teams
/enterprises/{enterprise}/copilot/billing/selected_users POST copilot/add-copilot-seats-for-enterprise-users DELETE copilot/cancel-copilot-seats-for-enterprise-users
/enterprises/{enterprise}/copilot/content_exclusion GET copilot/copilot-content-exclusion-for-enterprise PUT copilot/set-copilot-content-exclusion-for-enterprise
/enterprises/{enterprise}/copilot/custom-agents GET copilot/get-copilot-custom-agents-for-enterprise
/enterprises/{enterprise}/copilot/custom-agents/source GET copilot/get-copilot-custom-agents-source-for-enterprise PUT copilot/set-copilot-custom-agents-source-for-enterprise DELETE copilot/delete-copilot-custom-agents-source-for-enterprise
/enterprises/{enterprise}/copilot/metrics/reports/enterprise-1-day GET copilot/copilot-enterprise-one-day-usage-metrics
/enterprises/{enterprise}/copilot/metrics/reports/enterprise-28-day/latest GET copilot/copilot-enterprise-usage-metrics
/enterprises/{enterprise}/copilot/metrics/reports/repos-1-day GET copilot/copilot-enterprise-repos-one-day-report
/enterprises/{enterprise}/copilot/metrics/reports/user-teams-1-day GET copilot/copilot-enterprise-user-teams-one-day-report
/enterprises/{enterprise}/copilot/metrics/reports/users-1-day GET copilot/copilot-users-one-day-usage-metrics
/enterprises/{enterprise}/copilot/metrics/reports/users-28-day/latest GET copilot/copilot-users-usage-metrics
/enterprises/{enterprise}/copilot/policies/coding_agent PUT copilot/set-enterprise-coding-agent-policy
/enterprises/{enterprise}/copilot/policies/coding_agent/organizations POST copilot/add-organizations-to-enterprise-coding-agent-policy DELETE copilot/remove-organizations-from-enterprise-coding-agent-policy
/enterprises/{enterprise}/copilot/usage-records GET copilot/get-usage-records
/enterprises/{enterprise}/credential-authorizations/revoke-all POST enterprise-admin/revoke-all-credential-authorizations
/enterprises/{enterprise}/credential-authorizations/revoke-credential-type POST enterprise-admin/revoke-credential-type-for-enterprise
/enterprises/{enterprise}/credential-authorizations/{username}/revoke POST enterprise-admin/revoke-credential-authorizations-for-user
/enterprises/{enterprise}/credential-authorizations/{username}/revoke-credential-type POST enterprise-admin/revoke-credential-type-for-user
/enterprises/{enterprise}/dependabot/alerts GET dependabot/list-alerts-for-enterprise
/enterprises/{enterprise}/dependabot/repository-access GET dependabot/repository-access-for-enterprise PATCH dependabot/update-repository-access-for-enterprise
/enterprises/{enterprise}/dependabot/repository-access/default-level PUT dependabot/set-repository-access-default-level-for-enterprise
/enterprises/{enterprise}/dismissal-requests/secret-scanning GET secret-scanning/list-enterprise-dismissal-requests
/enterprises/{enterprise}/enterprise-roles GET enterprise-admin/list-enterprise-roles
/enterprises/{enterprise}/enterprise-roles/teams/{team_slug} DELETE enterprise-admin/revoke-all-enterprise-roles-team
/enterprises/{enterprise}/enterprise-roles/teams/{team_slug}/{role_id} PUT enterprise-admin/assign-team-to-enterprise-role DELETE enterprise-admin/revoke-enterprise-role-team
/enterprises/{enterprise}/enterprise-roles/users/{username} DELETE enterprise-admin/remove-all-enterprise-roles-from-user
/enterprises/{enterprise}/enterprise-roles/users/{username}/{role_id} PUT enterprise-admin/assign-enterprise-role-to-user DELETE enterprise-admin/remove-enterprise-user-role-assignment
/enterprises/{enterprise}/enterprise-roles/{role_id} GET enterprise-admin/get-enterprise-role
/enterprises/{enterprise}/enterprise-roles/{role_id}/teams GET enterprise-admin/list-enterprise-role-teams
/enterprises/{enterprise}/enterprise-roles/{role_id}/users GET enterprise-admin/list-enterprise-role-users
/enterprises/{enterprise}/innersource-vulnerabilities/sync POST enterprise-admin/sync-enterprise-innersource-vulnerabilities
/enterprises/{enterprise}/innersource-vulnerabilities/sync/status/{job_id} GET enterprise-admin/get-enterprise-innersource-vulnerability-sync-status
/enterprises/{enterprise}/installation GET apps/get-enterprise-installation
/enterprises/{enterprise}/license-sync-status GET enterprise-admin/get-license-sync-status
/enterprises/{enterprise}/members/{username}/copilot GET copilot/get-copilot-seat-details-for-enterprise-user
/enterprises/{enterprise}/network-configurations GET hosted-compute/list-network-configurations-for-enterprise POST hosted-compute/create-network-configuration-for-enterprise
/enterprises/{enterprise}/network-configurations/{network_configuration_id} GET hosted-compute/get-network-configuration-for-enterprise PATCH hosted-compute/update-network-configuration-for-enterprise DELETE hosted-compute/delete-network-configuration-from-enterprise
/enterprises/{enterprise}/network-settings/{network_settings_id} GET hosted-compute/get-network-settings-for-enterprise
/enterprises/{enterprise}/org-properties/schema GET enterprise-admin/custom-properties-for-orgs-get-enterprise-definitions PATCH enterprise-admin/custom-properties-for-orgs-create-or-update-enterprise-definitions
/enterprises/{enterprise}/org-properties/schema/{custom_property_name} GET enterprise-admin/custom-properties-for-orgs-get-enterprise-definition PUT enterprise-admin/custom-properties-for-orgs-create-or-update-enterprise-definition DELETE enterprise-admin/custom-properties-for-orgs-delete-enterprise-definition
/enterprises/{enterprise}/org-properties/values GET enterprise-admin/custom-properties-for-orgs-get-enterprise-values PATCH enterprise-admin/custom-properties-for-orgs-create-or-update-enterprise-values
/enterprises/{enterprise}/properties/schema GET enterprise-admin/custom-properties-for-repos-get-enterprise-definitions PATCH enterprise-admin/custom-properties-for-repos-create-or-update-enterprise-definitions
/enterprises/{enterprise}/properties/schema/organizations/{org}/{custom_property_name}/promote PUT enterprise-admin/custom-properties-for-repos-promote-definition-to-enterprise
/enterprises/{enterprise}/properties/schema/{custom_property_name} GET enterprise-admin/custom-properties-for-repos-get-enterprise-definition PUT enterprise-admin/custom-properties-for-repos-create-or-update-enterprise-definition DELETE enterprise-admin/custom-properties-for-repos-delete-enterprise-definition
/enterprises/{enterprise}/rulesets POST repos/create-enterprise-ruleset
/enterprises/{enterprise}/rulesets/{ruleset_id} GET repos/get-enterprise-ruleset PUT repos/update-enterprise-ruleset DELETE repos/delete-enterprise-ruleset
/enterprises/{enterprise}/rulesets/{ruleset_id}/history GET enterprise-admin/get-enterprise-ruleset-history
/enterprises/{enterprise}/rulesets/{ruleset_id}/history/{version_id} GET enterprise-admin/get-enterprise-ruleset-version
/enterprises/{enterprise}/secret-scanning/alerts GET secret-scanning/list-alerts-for-enterprise
/enterprises/{enterprise}/secret-scanning/custom-patterns GET secret-scanning/list-enterprise-custom-patterns POST secret-scanning/bulk-create-enterprise-custom-patterns DELETE secret-scanning/bulk-delete-enterprise-custom-patterns
/enterprises/{enterprise}/secret-scanning/custom-patterns/{pattern_id} PATCH secret-scanning/update-enterprise-custom-pattern
/enterprises/{enterprise}/secret-scanning/pattern-configurations GET secret-scanning/list-enterprise-pattern-configs PATCH secret-scanning/update-enterprise-pattern-configs
/enterprises/{enterprise}/settings/billing/advanced-security GET billing/get-github-advanced-security-billing-ghe
/enterprises/{enterprise}/settings/billing/ai_credit/usage GET billing/get-github-billing-ai-credit-usage-report-ghe
/enterprises/{enterprise}/settings/billing/budgets GET billing/get-all-budgets POST billing/create-budget
/enterprises/{enterprise}/settings/billing/budgets/{budget_id} GET billing/get-budget PATCH billing/update-budget DELETE billing/delete-budget
/enterprises/{enterprise}/settings/billing/budgets/{budget_id}/user-states GET billing/get-budget-user-states
/enterprises/{enterprise}/settings/billing/cost-centers GET billing/get-all-cost-centers POST billing/create-cost-center
/enterprises/{enterprise}/settings/billing/cost-centers/{cost_center_id} GET billing/get-cost-center PATCH billing/update-cost-center DELETE billing/delete-cost-center
/enterprises/{enterprise}/settings/billing/cost-centers/{cost_center_id}/resource POST billing/add-resource-to-cost-center DELETE billing/remove-resource-from-cost-center
/enterprises/{enterprise}/settings/billing/premium_request/usage GET billing/get-github-billing-premium-request-usage-report-ghe
/enterprises/{enterprise}/settings/billing/reports GET billing/list-usage-report-exports POST billing/create-usage-report-export
/enterprises/{enterprise}/settings/billing/reports/{report_id} GET billing/get-usage-report-export
/enterprises/{enterprise}/settings/billing/usage GET billing/get-github-billing-usage-report-ghe
/enterprises/{enterprise}/settings/billing/usage/summary GET billing/get-github-billing-usage-summary-report-ghe
/enterprises/{enterprise}/teams GET enterprise-teams/list POST enterprise-teams/create
/enterprises/{enterprise}/teams/{enterprise-team}/memberships GET enterprise-team-memberships/list
/enterprises/{enterprise}/teams/{enterprise-team}/memberships/add POST enterprise-team-memberships/bulk-add
/enterprises/{enterprise}/teams/{enterprise-team}/memberships/remove POST enterprise-team-memberships/bulk-remove
/enterprises/{enterprise}/teams/{enterprise-team}/memberships/{username} GET enterprise-team-memberships/get PUT enterprise-team-memberships/add DELETE enterprise-team-memberships/remove
/enterprises/{enterprise}/teams/{enterprise-team}/organizations GET enterprise-team-organizations/get-assignments
/enterprises/{enterprise}/teams/{enterprise-team}/organizations/add POST enterprise-team-organizations/bulk-add
/enterprises/{enterprise}/teams/{enterprise-team}/organizations/remove POST enterprise-team-organizations/bulk-remove
/enterprises/{enterprise}/teams/{enterprise-team}/organizations/{org} GET enterprise-team-organizations/get-assignment PUT enterprise-team-organizations/add DELETE enterprise-team-organizations/delete
/enterprises/{enterprise}/teams/{team_slug} GET enterprise-teams/get PATCH enterprise-teams/update DELETE enterprise-teams/delete
/enterprises/{enterprise}/visual-studio-subscriptions GET enterprise-admin/list-vss
/enterprises/{enterprise}/visual-studio-subscriptions/{visual_studio_subscription_id} PUT enterprise-admin/update-vss-manual-match DELETE enterprise-admin/delete-vss-manual-match
/enterprises/{enterprise}/{security_product}/{enablement} POST secret-scanning/post-security-product-enablement-for-enterprise
/manage/v1/access/ssh GET enterprise-admin/get-manage-ssh POST enterprise-admin/set-manage-ssh DELETE enterprise-admin/delete-manage-ssh
/manage/v1/checks/system-requirements GET enterprise-admin/get-checks-system-requirements
/manage/v1/cluster/status GET enterprise-admin/get-cluster-status
/manage/v1/config/apply GET enterprise-admin/get-manage-config-apply-status POST enterprise-admin/post-manage-run-config-apply
/manage/v1/config/apply/events GET enterprise-admin/get-manage-config-apply-events
/manage/v1/config/init POST enterprise-admin/initialize-instance-configuration
/manage/v1/config/license GET enterprise-admin/license-info PUT enterprise-admin/license-upload
/manage/v1/config/license/check GET enterprise-admin/license-check
/manage/v1/config/nodes GET enterprise-admin/get-config-nodes
/manage/v1/config/settings GET enterprise-admin/get-manage-settings PUT enterprise-admin/set-manage-settings
/manage/v1/maintenance GET enterprise-admin/get-manage-maintenance POST enterprise-admin/set-manage-maintenance
/manage/v1/replication/status GET enterprise-admin/get-replication-status
/manage/v1/version GET enterprise-admin/get-version
/scim/v2/enterprises/{enterprise}/Groups GET enterprise-admin/list-provisioned-groups-enterprise POST enterprise-admin/provision-enterprise-group
/scim/v2/enterprises/{enterprise}/Groups/{scim_group_id} GET enterprise-admin/get-provisioning-information-for-enterprise-group PUT enterprise-admin/set-information-for-provisioned-enterprise-group PATCH enterprise-admin/update-attribute-for-enterprise-group DELETE enterprise-admin/delete-scim-group-from-enterprise
/scim/v2/enterprises/{enterprise}/Users GET enterprise-admin/list-provisioned-identities-enterprise POST enterprise-admin/provision-enterprise-user
/scim/v2/enterprises/{enterprise}/Users/{scim_user_id} GET enterprise-admin/get-provisioning-information-for-enterprise-user PUT enterprise-admin/set-information-for-provisioned-enterprise-user PATCH enterprise-admin/update-attribute-for-enterprise-user DELETE enterprise-admin/delete-user-from-enterprise
/scim/v2/organizations/{org}/Users GET scim/list-provisioned-identities POST scim/provision-and-invite-user
/scim/v2/organizations/{org}/Users/{scim_user_id} GET scim/get-provisioning-information-for-user PUT scim/set-information-for-provisioned-user PATCH scim/update-attribute-for-user DELETE scim/delete-user-from-org
`;
