// Routes of GitHub's REST API below an organisation; the form is told in read-routes.ts.

export const organizationRoutes = `
= attestations:read
/orgs/{org}/attestations/repositories GET orgs/list-attestation-repositories
= attestations:write
/orgs/{org}/attestations/delete-request POST orgs/delete-attestations-bulk
/orgs/{org}/attestations/digest/{subject_digest} DELETE orgs/delete-attestations-by-subject-digest
/orgs/{org}/attestations/{attestation_id} DELETE orgs/delete-attestations-by-id
= contents:read | artifact-metadata:read
/orgs/{org}/artifacts/{subject_digest}/metadata/deployment-records GET orgs/list-artifact-deployment-records
/orgs/{org}/artifacts/{subject_digest}/metadata/storage-records GET orgs/list-artifact-storage-records
= contents:write | artifact-metadata:write
/orgs/{org}/artifacts/metadata/deployment-record POST orgs/create-artifact-deployment-record
/orgs/{org}/artifacts/metadata/deployment-record/cluster/{cluster} POST orgs/set-cluster-deployment-records
/orgs/{org}/artifacts/metadata/storage-record POST orgs/create-artifact-storage-record
= packages:read
/orgs/{org}/docker/conflicts GET packages/list-docker-migration-conflicting-packages-for-organization
/orgs/{org}/packages GET packages/list-packages-for-organization
/orgs/{org}/packages/{package_type}/{package_name} GET packages/get-package-for-organization
/orgs/{org}/packages/{package_type}/{package_name}/versions GET packages/get-all-package-versions-for-package-owned-by-org
/orgs/{org}/packages/{package_type}/{package_name}/versions/{package_version_id} GET packages/get-package-version-for-organization
= packages:write
/orgs/{org}/packages/{package_type}/{package_name} DELETE packages/delete-package-for-org
/orgs/{org}/packages/{package_type}/{package_name}/restore POST packages/restore-package-for-org
/orgs/{org}/packages/{package_type}/{package_name}/versions/{package_version_id} DELETE packages/delete-package-version-for-org
/orgs/{org}/packages/{package_type}/{package_name}/versions/{package_version_id}/restore POST packages/restore-package-version-for-org
= security-events:read
/orgs/{org}/code-scanning/alerts GET code-scanning/list-alerts-for-org
= vulnerability-alerts:read
/orgs/{org}/dependabot/alerts GET dependabot/list-alerts-for-org
= none
/organizations GET orgs/list
/orgs/{org} GET orgs/get
/orgs/{org}/events GET activity/list-public-org-events
/orgs/{org}/public_members GET orgs/list-public-members
/orgs/{org}/public_members/{username} GET orgs/check-public-membership-for-user
/orgs/{org}/repos GET repos/list-for-org
= beyond administration, admin
/orgs/{org}/repos POST repos/create-in-org
= beyond app-token, admin
/orgs/{org}/installation GET apps/get-org-installation
= beyond members, admin
/orgs/{org}/external-group/{group_id} GET teams/external-idp-group-info-for-org
/orgs/{org}/external-groups GET teams/list-external-idp-groups-for-org
/orgs/{org}/failed_invitations GET orgs/list-failed-invitations
/orgs/{org}/invitations GET orgs/list-pending-invitations POST orgs/create-invitation
/orgs/{org}/invitations/{invitation_id} DELETE orgs/cancel-invitation
/orgs/{org}/invitations/{invitation_id}/teams GET orgs/list-invitation-teams
/orgs/{org}/members GET orgs/list-members
/orgs/{org}/members/{username} GET orgs/check-membership-for-user DELETE orgs/remove-member
/orgs/{org}/memberships/{username} GET orgs/get-membership-for-user PUT orgs/set-membership-for-user DELETE orgs/remove-membership-for-user
/orgs/{org}/outside_collaborators GET orgs/list-outside-collaborators
/orgs/{org}/outside_collaborators/{username} PUT orgs/convert-member-to-outside-collaborator DELETE orgs/remove-outside-collaborator
/orgs/{org}/security-managers GET orgs/list-security-manager-teams
/orgs/{org}/security-managers/teams/{team_slug} PUT orgs/add-security-manager-team DELETE orgs/remove-security-manager-team
/orgs/{org}/team-sync/groups GET teams/list-idp-groups-for-org
/orgs/{org}/teams GET teams/list POST teams/create
/orgs/{org}/teams/{team_slug} GET teams/get-by-name PATCH teams/update-in-org DELETE teams/delete-in-org
/orgs/{org}/teams/{team_slug}/external-groups GET teams/list-linked-external-idp-groups-to-team-for-org PATCH teams/link-external-idp-group-to-team-for-org DELETE teams/unlink-external-idp-group-from-team-for-org
/orgs/{org}/teams/{team_slug}/invitations GET teams/list-pending-invitations-in-org
/orgs/{org}/teams/{team_slug}/members GET teams/list-members-in-org
/orgs/{org}/teams/{team_slug}/memberships/{username} GET teams/get-membership-for-user-in-org PUT teams/add-or-update-membership-for-user-in-org DELETE teams/remove-membership-for-user-in-org
/orgs/{org}/teams/{team_slug}/repos GET teams/list-repos-in-org
/orgs/{org}/teams/{team_slug}/repos/{owner}/{repo} GET teams/check-permissions-for-repo-in-org PUT teams/add-or-update-repo-permissions-in-org DELETE teams/remove-repo-in-org
/orgs/{org}/teams/{team_slug}/team-sync/group-mappings GET teams/list-idp-groups-in-org PATCH teams/create-or-update-idp-group-connections-in-org
/orgs/{org}/teams/{team_slug}/teams GET teams/list-child-in-org
= beyond organization_administration, admin
/organizations/{org}/actions/cache/retention-limit GET actions/get-actions-cache-retention-limit-for-organization PUT actions/set-actions-cache-retention-limit-for-organization
/organizations/{org}/actions/cache/storage-limit GET actions/get-actions-cache-storage-limit-for-organization PUT actions/set-actions-cache-storage-limit-for-organization
/organizations/{org}/settings/billing/ai_credit/usage GET billing/get-github-billing-ai-credit-usage-report-org
/organizations/{org}/settings/billing/budgets GET billing/get-all-budgets-org POST billing/create-organization-budget
/organizations/{org}/settings/billing/budgets/{budget_id} GET billing/get-budget-org PATCH billing/update-budget-org DELETE billing/delete-budget-org
/organizations/{org}/settings/billing/premium_request/usage GET billing/get-github-billing-premium-request-usage-report-org
/organizations/{org}/settings/billing/usage GET billing/get-github-billing-usage-report-org
/organizations/{org}/settings/billing/usage/summary GET billing/get-github-billing-usage-summary-report-org
/orgs/{org} PATCH orgs/update DELETE orgs/delete
/orgs/{org}/actions/cache/usage GET actions/get-actions-cache-usage-for-org
/orgs/{org}/actions/cache/usage-by-repository GET actions/get-actions-cache-usage-by-repo-for-org
/orgs/{org}/actions/oidc/customization/properties/repo GET oidc/list-oidc-custom-property-inclusions-for-org POST oidc/create-oidc-custom-property-inclusion-for-org
/orgs/{org}/actions/oidc/customization/properties/repo/{custom_property_name} DELETE oidc/delete-oidc-custom-property-inclusion-for-org
/orgs/{org}/actions/oidc/customization/sub GET oidc/get-oidc-custom-sub-template-for-org PUT oidc/update-oidc-custom-sub-template-for-org
/orgs/{org}/actions/permissions GET actions/get-github-actions-permissions-organization PUT actions/set-github-actions-permissions-organization
/orgs/{org}/actions/permissions/artifact-and-log-retention GET actions/get-artifact-and-log-retention-settings-organization PUT actions/set-artifact-and-log-retention-settings-organization
/orgs/{org}/actions/permissions/fork-pr-contributor-approval GET actions/get-fork-pr-contributor-approval-permissions-organization PUT actions/set-fork-pr-contributor-approval-permissions-organization
/orgs/{org}/actions/permissions/fork-pr-workflows-private-repos GET actions/get-private-repo-fork-pr-workflows-settings-organization PUT actions/set-private-repo-fork-pr-workflows-settings-organization
/orgs/{org}/actions/permissions/repositories GET actions/list-selected-repositories-enabled-github-actions-organization PUT actions/set-selected-repositories-enabled-github-actions-organization
/orgs/{org}/actions/permissions/repositories/{repository_id} PUT actions/enable-selected-repository-github-actions-organization DELETE actions/disable-selected-repository-github-actions-organization
/orgs/{org}/actions/permissions/selected-actions GET actions/get-allowed-actions-organization PUT actions/set-allowed-actions-organization
/orgs/{org}/actions/permissions/self-hosted-runners GET actions/get-self-hosted-runners-permissions-organization PUT actions/set-self-hosted-runners-permissions-organization
/orgs/{org}/actions/permissions/self-hosted-runners/repositories GET actions/list-selected-repositories-self-hosted-runners-organization PUT actions/set-selected-repositories-self-hosted-runners-organization
/orgs/{org}/actions/permissions/self-hosted-runners/repositories/{repository_id} PUT actions/enable-selected-repository-self-hosted-runners-organization DELETE actions/disable-selected-repository-self-hosted-runners-organization
/orgs/{org}/actions/permissions/workflow GET actions/get-github-actions-default-workflow-permissions-organization PUT actions/set-github-actions-default-workflow-permissions-organization
/orgs/{org}/audit-log GET orgs/get-audit-log
/orgs/{org}/bypass-requests/push-rules GET orgs/list-push-bypass-requests
/orgs/{org}/bypass-requests/secret-scanning GET secret-scanning/list-org-bypass-requests
/orgs/{org}/code-security/configurations GET code-security/get-configurations-for-org POST code-security/create-configuration
/orgs/{org}/code-security/configurations/defaults GET code-security/get-default-configurations
/orgs/{org}/code-security/configurations/detach DELETE code-security/detach-configuration
/orgs/{org}/code-security/configurations/{configuration_id} GET code-security/get-configuration PATCH code-security/update-configuration DELETE code-security/delete-configuration
/orgs/{org}/code-security/configurations/{configuration_id}/attach POST code-security/attach-configuration
/orgs/{org}/code-security/configurations/{configuration_id}/defaults PUT code-security/set-configuration-as-default
/orgs/{org}/code-security/configurations/{configuration_id}/repositories GET code-security/get-repositories-for-configuration
/orgs/{org}/credential-authorizations GET orgs/list-saml-sso-authorizations
/orgs/{org}/credential-authorizations/revoke-all POST orgs/revoke-all-credential-authorizations
/orgs/{org}/credential-authorizations/revoke-credential-type POST orgs/revoke-credential-type
/orgs/{org}/credential-authorizations/{credential_id} DELETE orgs/remove-saml-sso-authorization
/orgs/{org}/credential-authorizations/{username}/revoke POST orgs/revoke-credential-authorizations-for-user
/orgs/{org}/credential-authorizations/{username}/revoke-credential-type POST orgs/revoke-credential-type-for-user
/orgs/{org}/dependabot/repository-access GET dependabot/repository-access-for-org PATCH dependabot/update-repository-access-for-org
/orgs/{org}/dependabot/repository-access/default-level PUT dependabot/set-repository-access-default-level
/orgs/{org}/dismissal-requests/code-scanning GET code-scanning/list-org-dismissal-requests
/orgs/{org}/dismissal-requests/dependabot GET dependabot/list-dismissal-requests-for-org
/orgs/{org}/dismissal-requests/secret-scanning GET secret-scanning/list-org-dismissal-requests
/orgs/{org}/installations GET orgs/list-app-installations
/orgs/{org}/interaction-limits GET interactions/get-restrictions-for-org PUT interactions/set-restrictions-for-org DELETE interactions/remove-restrictions-for-org
/orgs/{org}/interaction-limits/pulls/creation-cap GET interactions/get-pull-request-creation-cap-for-org PATCH interactions/update-pull-request-creation-cap-for-org
/orgs/{org}/issue-fields GET orgs/list-issue-fields POST orgs/create-issue-field
/orgs/{org}/issue-fields/{issue_field_id} PATCH orgs/update-issue-field DELETE orgs/delete-issue-field
/orgs/{org}/issue-types GET orgs/list-issue-types POST orgs/create-issue-type
/orgs/{org}/issue-types/{issue_type_id} PUT orgs/update-issue-type DELETE orgs/delete-issue-type
/orgs/{org}/migrations GET migrations/list-for-org POST migrations/start-for-org
/orgs/{org}/migrations/{migration_id} GET migrations/get-status-for-org
/orgs/{org}/migrations/{migration_id}/archive GET migrations/download-archive-for-org DELETE migrations/delete-archive-for-org
/orgs/{org}/migrations/{migration_id}/repos/{repo_name}/lock DELETE migrations/unlock-repo-for-org
/orgs/{org}/migrations/{migration_id}/repositories GET migrations/list-repos-for-org
/orgs/{org}/pre-receive-hooks GET enterprise-admin/list-pre-receive-hooks-for-org
/orgs/{org}/pre-receive-hooks/{pre_receive_hook_id} GET enterprise-admin/get-pre-receive-hook-for-org PATCH enterprise-admin/update-pre-receive-hook-enforcement-for-org DELETE enterprise-admin/remove-pre-receive-hook-enforcement-for-org
/orgs/{org}/rulesets GET repos/get-org-rulesets POST repos/create-org-ruleset
/orgs/{org}/rulesets/rule-suites GET repos/get-org-rule-suites
/orgs/{org}/rulesets/rule-suites/{rule_suite_id} GET repos/get-org-rule-suite
/orgs/{org}/rulesets/{ruleset_id} GET repos/get-org-ruleset PUT repos/update-org-ruleset DELETE repos/delete-org-ruleset
/orgs/{org}/rulesets/{ruleset_id}/history GET orgs/get-org-ruleset-history
/orgs/{org}/rulesets/{ruleset_id}/history/{version_id} GET orgs/get-org-ruleset-version
/orgs/{org}/secret-scanning/pattern-configurations GET secret-scanning/list-org-pattern-configs PATCH secret-scanning/update-org-pattern-configs
/orgs/{org}/settings/billing/advanced-security GET billing/get-github-advanced-security-billing-org
/orgs/{org}/settings/immutable-releases GET orgs/get-immutable-releases-settings PUT orgs/set-immutable-releases-settings
/orgs/{org}/settings/immutable-releases/repositories GET orgs/get-immutable-releases-settings-repositories PUT orgs/set-immutable-releases-settings-repositories
/orgs/{org}/settings/immutable-releases/repositories/{repository_id} PUT orgs/enable-selected-repository-immutable-releases-organization DELETE orgs/disable-selected-repository-immutable-releases-organization
/orgs/{org}/settings/network-configurations GET hosted-compute/list-network-configurations-for-org POST hosted-compute/create-network-configuration-for-org
/orgs/{org}/settings/network-configurations/{network_configuration_id} GET hosted-compute/get-network-configuration-for-org PATCH hosted-compute/update-network-configuration-for-org DELETE hosted-compute/delete-network-configuration-from-org
/orgs/{org}/settings/network-settings/{network_settings_id} GET hosted-compute/get-network-settings-for-org
/orgs/{org}/{security_product}/{enablement} POST orgs/enable-or-disable-security-product-on-all-org-repos
= beyond organization_announcement_banners, admin
/orgs/{org}/announcement GET announcement-banners/get-announcement-banner-for-org PATCH announcement-banners/set-announcement-banner-for-org DELETE announcement-banners/remove-announcement-banner-for-org
= beyond organization_api_insights
/orgs/{org}/insights/api/route-stats/{actor_type}/{actor_id} GET api-insights/get-route-stats-by-actor
/orgs/{org}/insights/api/subject-stats GET api-insights/get-subject-stats
/orgs/{org}/insights/api/summary-stats GET api-insights/get-summary-stats
/orgs/{org}/insights/api/summary-stats/users/{user_id} GET api-insights/get-summary-stats-by-user
/orgs/{org}/insights/api/summary-stats/{actor_type}/{actor_id} GET api-insights/get-summary-stats-by-actor
/orgs/{org}/insights/api/time-stats GET api-insights/get-time-stats
/orgs/{org}/insights/api/time-stats/users/{user_id} GET api-insights/get-time-stats-by-user
/orgs/{org}/insights/api/time-stats/{actor_type}/{actor_id} GET api-insights/get-time-stats-by-actor
/orgs/{org}/insights/api/user-stats/{user_id} GET api-insights/get-user-stats
= beyond organization_campaigns
/orgs/{org}/campaigns GET campaigns/list-org-campaigns POST campaigns/create-campaign
/orgs/{org}/campaigns/{campaign_number} GET campaigns/get-campaign-summary PATCH campaigns/update-campaign DELETE campaigns/delete-campaign
= beyond organization_codespaces, admin
/orgs/{org}/codespaces GET codespaces/list-in-organization
/orgs/{org}/codespaces/access PUT codespaces/set-codespaces-access
/orgs/{org}/codespaces/access/selected_users POST codespaces/set-codespaces-access-users DELETE codespaces/delete-codespaces-access-users
/orgs/{org}/members/{username}/codespaces GET codespaces/get-codespaces-for-user-in-org
/orgs/{org}/members/{username}/codespaces/{codespace_name} DELETE codespaces/delete-from-organization
/orgs/{org}/members/{username}/codespaces/{codespace_name}/stop POST codespaces/stop-in-organization
= beyond organization_codespaces_secrets, admin
/orgs/{org}/codespaces/secrets GET codespaces/list-org-secrets
/orgs/{org}/codespaces/secrets/public-key GET codespaces/get-org-public-key
/orgs/{org}/codespaces/secrets/{secret_name} GET codespaces/get-org-secret PUT codespaces/create-or-update-org-secret DELETE codespaces/delete-org-secret
/orgs/{org}/codespaces/secrets/{secret_name}/repositories GET codespaces/list-selected-repos-for-org-secret PUT codespaces/set-selected-repos-for-org-secret
/orgs/{org}/codespaces/secrets/{secret_name}/repositories/{repository_id} PUT codespaces/add-selected-repo-to-org-secret DELETE codespaces/remove-selected-repo-from-org-secret
= beyond organization_copilot, admin
/orgs/{org}/copilot/billing GET copilot/get-copilot-organization-details
/orgs/{org}/copilot/billing/seats GET copilot/list-copilot-seats
/orgs/{org}/copilot/billing/selected_teams POST copilot/add-copilot-seats-for-teams DELETE copilot/cancel-copilot-seat-assignment-for-teams
/orgs/{org}/copilot/billing/selected_users POST copilot/add-copilot-seats-for-users DELETE copilot/cancel-copilot-seat-assignment-for-users
/orgs/{org}/copilot/coding-agent/permissions GET copilot/get-copilot-coding-agent-permissions-organization PUT copilot/set-copilot-coding-agent-permissions-organization
/orgs/{org}/copilot/coding-agent/permissions/repositories GET copilot/list-copilot-coding-agent-selected-repositories-for-organization PUT copilot/set-copilot-coding-agent-selected-repositories-for-organization
/orgs/{org}/copilot/coding-agent/permissions/repositories/{repository_id} PUT copilot/enable-copilot-coding-agent-for-repository-in-organization DELETE copilot/disable-copilot-coding-agent-for-repository-in-organization
/orgs/{org}/copilot/content_exclusion GET copilot/copilot-content-exclusion-for-organization PUT copilot/set-copilot-content-exclusion-for-organization
/orgs/{org}/copilot/metrics/reports/organization-1-day GET copilot/copilot-organization-one-day-usage-metrics
/orgs/{org}/copilot/metrics/reports/organization-28-day/latest GET copilot/copilot-organization-usage-metrics
/orgs/{org}/copilot/metrics/reports/repos-1-day GET copilot/copilot-organization-repos-one-day-report
/orgs/{org}/copilot/metrics/reports/user-teams-1-day GET copilot/copilot-organization-user-teams-one-day-report
/orgs/{org}/copilot/metrics/reports/users-1-day GET copilot/copilot-organization-users-one-day-usage-metrics
/orgs/{org}/copilot/metrics/reports/users-28-day/latest GET copilot/copilot-organization-users-usage-metrics
/orgs/{org}/members/{username}/copilot GET copilot/get-copilot-seat-details-for-user
= beyond organization_custom_properties, admin
/organizations/{org}/org-properties/values GET orgs/custom-properties-for-orgs-get-organization-values PATCH orgs/custom-properties-for-orgs-create-or-update-organization-values
/orgs/{org}/properties/schema GET orgs/custom-properties-for-repos-get-organization-definitions PATCH orgs/custom-properties-for-repos-create-or-update-organization-definitions
/orgs/{org}/properties/schema/{custom_property_name} GET orgs/custom-properties-for-repos-get-organization-definition PUT orgs/custom-properties-for-repos-create-or-update-organization-definition DELETE orgs/custom-properties-for-repos-delete-organization-definition
/orgs/{org}/properties/values GET orgs/custom-properties-for-repos-get-organization-values PATCH orgs/custom-properties-for-repos-create-or-update-organization-values
= beyond organization_custom_roles, admin
/organizations/{organization_id}/custom_roles GET orgs/list-custom-roles
/orgs/{org}/custom-repository-roles GET orgs/list-custom-repo-roles POST orgs/create-custom-repo-role
/orgs/{org}/custom-repository-roles/{role_id} GET orgs/get-custom-repo-role PATCH orgs/update-custom-repo-role DELETE orgs/delete-custom-repo-role
/orgs/{org}/custom_roles POST orgs/create-custom-role
/orgs/{org}/custom_roles/{role_id} GET orgs/get-custom-role PATCH orgs/update-custom-role DELETE orgs/delete-custom-role
/orgs/{org}/fine_grained_permissions GET orgs/list-fine-grained-permissions
/orgs/{org}/organization-fine-grained-permissions GET orgs/list-organization-fine-grained-permissions
/orgs/{org}/organization-roles GET orgs/list-org-roles POST orgs/create-custom-organization-role
/orgs/{org}/organization-roles/teams/{team_slug} DELETE orgs/revoke-all-org-roles-team
/orgs/{org}/organization-roles/teams/{team_slug}/{role_id} PUT orgs/assign-team-to-org-role DELETE orgs/revoke-org-role-team
/orgs/{org}/organization-roles/users/{username} DELETE orgs/revoke-all-org-roles-user
/orgs/{org}/organization-roles/users/{username}/{role_id} PUT orgs/assign-user-to-org-role DELETE orgs/revoke-org-role-user
/orgs/{org}/organization-roles/{role_id} GET orgs/get-org-role PATCH orgs/patch-custom-organization-role DELETE orgs/delete-custom-organization-role
/orgs/{org}/organization-roles/{role_id}/teams GET orgs/list-org-role-teams
/orgs/{org}/organization-roles/{role_id}/users GET orgs/list-org-role-users
/orgs/{org}/repository-fine-grained-permissions GET orgs/list-repo-fine-grained-permissions
= beyond organization_dependabot_secrets, admin
/orgs/{org}/dependabot/secrets GET dependabot/list-org-secrets
/orgs/{org}/dependabot/secrets/public-key GET dependabot/get-org-public-key
/orgs/{org}/dependabot/secrets/{secret_name} GET dependabot/get-org-secret PUT dependabot/create-or-update-org-secret DELETE dependabot/delete-org-secret
/orgs/{org}/dependabot/secrets/{secret_name}/repositories GET dependabot/list-selected-repos-for-org-secret PUT dependabot/set-selected-repos-for-org-secret
/orgs/{org}/dependabot/secrets/{secret_name}/repositories/{repository_id} PUT dependabot/add-selected-repo-to-org-secret DELETE dependabot/remove-selected-repo-from-org-secret
= beyond organization_hooks, admin
/orgs/{org}/hooks GET orgs/list-webhooks POST orgs/create-webhook
/orgs/{org}/hooks/{hook_id} GET orgs/get-webhook PATCH orgs/update-webhook DELETE orgs/delete-webhook
/orgs/{org}/hooks/{hook_id}/config GET orgs/get-webhook-config-for-org PATCH orgs/update-webhook-config-for-org
/orgs/{org}/hooks/{hook_id}/deliveries GET orgs/list-webhook-deliveries
/orgs/{org}/hooks/{hook_id}/deliveries/{delivery_id} GET orgs/get-webhook-delivery
/orgs/{org}/hooks/{hook_id}/deliveries/{delivery_id}/attempts POST orgs/redeliver-webhook-delivery
/orgs/{org}/hooks/{hook_id}/pings POST orgs/ping-webhook
= beyond organization_hosted_runners, admin
/orgs/{org}/actions/hosted-runners GET actions/list-hosted-runners-for-org POST actions/create-hosted-runner-for-org
/orgs/{org}/actions/hosted-runners/images/custom GET actions/list-custom-images-for-org
/orgs/{org}/actions/hosted-runners/images/custom/{image_definition_id} GET actions/get-custom-image-for-org DELETE actions/delete-custom-image-from-org
/orgs/{org}/actions/hosted-runners/images/custom/{image_definition_id}/versions GET actions/list-custom-image-versions-for-org
/orgs/{org}/actions/hosted-runners/images/custom/{image_definition_id}/versions/{version} GET actions/get-custom-image-version-for-org DELETE actions/delete-custom-image-version-from-org
/orgs/{org}/actions/hosted-runners/images/github-owned GET actions/get-hosted-runners-github-owned-images-for-org
/orgs/{org}/actions/hosted-runners/images/partner GET actions/get-hosted-runners-partner-images-for-org
/orgs/{org}/actions/hosted-runners/limits GET actions/get-hosted-runners-limits-for-org
/orgs/{org}/actions/hosted-runners/machine-sizes GET actions/get-hosted-runners-machine-specs-for-org
/orgs/{org}/actions/hosted-runners/platforms GET actions/get-hosted-runners-platforms-for-org
/orgs/{org}/actions/hosted-runners/{hosted_runner_id} GET actions/get-hosted-runner-for-org PATCH actions/update-hosted-runner-for-org DELETE actions/delete-hosted-runner-for-org
= beyond organization_personal_access_tokens, admin
/orgs/{org}/personal-access-token-requests GET orgs/list-pat-grant-requests POST orgs/review-pat-grant-requests-in-bulk
/orgs/{org}/personal-access-token-requests/{pat_request_id} POST orgs/review-pat-grant-request
/orgs/{org}/personal-access-token-requests/{pat_request_id}/repositories GET orgs/list-pat-grant-request-repositories
/orgs/{org}/personal-access-tokens GET orgs/list-pat-grants POST orgs/update-pat-accesses
/orgs/{org}/personal-access-tokens/{pat_id} POST orgs/update-pat-access
/orgs/{org}/personal-access-tokens/{pat_id}/repositories GET orgs/list-pat-grant-repositories
= beyond organization_private_registries, admin
/orgs/{org}/private-registries GET private-registries/list-org-private-registries POST private-registries/create-org-private-registry
/orgs/{org}/private-registries/public-key GET private-registries/get-org-public-key
/orgs/{org}/private-registries/{secret_name} GET private-registries/get-org-private-registry PATCH private-registries/update-org-private-registry DELETE private-registries/delete-org-private-registry
= beyond organization_projects
/orgs/{org}/projectsV2 GET projects/list-for-org
/orgs/{org}/projectsV2/{project_number} GET projects/get-for-org
/orgs/{org}/projectsV2/{project_number}/drafts POST projects/create-draft-item-for-org
/orgs/{org}/projectsV2/{project_number}/fields GET projects/list-fields-for-org POST projects/add-field-for-org
/orgs/{org}/projectsV2/{project_number}/fields/{field_id} GET projects/get-field-for-org
/orgs/{org}/projectsV2/{project_number}/items GET projects/list-items-for-org POST projects/add-item-for-org
/orgs/{org}/projectsV2/{project_number}/items/{item_id} GET projects/get-org-item PATCH projects/update-item-for-org DELETE projects/delete-item-for-org
/orgs/{org}/projectsV2/{project_number}/views POST projects/create-view-for-org
/orgs/{org}/projectsV2/{project_number}/views/{view_number}/items GET projects/list-view-items-for-org
= beyond organization_secrets, admin
/orgs/{org}/actions/secrets GET actions/list-org-secrets
/orgs/{org}/actions/secrets/public-key GET actions/get-org-public-key
/orgs/{org}/actions/secrets/{secret_name} GET actions/get-org-secret PUT actions/create-or-update-org-secret DELETE actions/delete-org-secret
/orgs/{org}/actions/secrets/{secret_name}/repositories GET actions/list-selected-repos-for-org-secret PUT actions/set-selected-repos-for-org-secret
/orgs/{org}/actions/secrets/{secret_name}/repositories/{repository_id} PUT actions/add-selected-repo-to-org-secret DELETE actions/remove-selected-repo-from-org-secret
= beyond organization_self_hosted_runners, admin
/orgs/{org}/actions/runner-groups GET actions/list-self-hosted-runner-groups-for-org POST actions/create-self-hosted-runner-group-for-org
/orgs/{org}/actions/runner-groups/{runner_group_id} GET actions/get-self-hosted-runner-group-for-org PATCH actions/update-self-hosted-runner-group-for-org DELETE actions/delete-self-hosted-runner-group-from-org
/orgs/{org}/actions/runner-groups/{runner_group_id}/hosted-runners GET actions/list-github-hosted-runners-in-group-for-org
/orgs/{org}/actions/runner-groups/{runner_group_id}/repositories GET actions/list-repo-access-to-self-hosted-runner-group-in-org PUT actions/set-repo-access-to-self-hosted-runner-group-in-org
/orgs/{org}/actions/runner-groups/{runner_group_id}/repositories/{repository_id} PUT actions/add-repo-access-to-self-hosted-runner-group-in-org DELETE actions/remove-repo-access-to-self-hosted-runner-group-in-org
/orgs/{org}/actions/runner-groups/{runner_group_id}/runners GET actions/list-self-hosted-runners-in-group-for-org PUT actions/set-self-hosted-runners-in-group-for-org
/orgs/{org}/actions/runner-groups/{runner_group_id}/runners/{runner_id} PUT actions/add-self-hosted-runner-to-group-for-org DELETE actions/remove-self-hosted-runner-from-group-for-org
/orgs/{org}/actions/runners GET actions/list-self-hosted-runners-for-org
/orgs/{org}/actions/runners/deprecations/{version} GET actions/get-runner-version-deprecation-for-org
/orgs/{org}/actions/runners/downloads GET actions/list-runner-applications-for-org
/orgs/{org}/actions/runners/generate-jitconfig POST actions/generate-runner-jitconfig-for-org
/orgs/{org}/actions/runners/registration-token POST actions/create-registration-token-for-org
/orgs/{org}/actions/runners/remove-token POST actions/create-remove-token-for-org
/orgs/{org}/actions/runners/{runner_id} GET actions/get-self-hosted-runner-for-org DELETE actions/delete-self-hosted-runner-from-org
/orgs/{org}/actions/runners/{runner_id}/labels GET actions/list-labels-for-self-hosted-runner-for-org POST actions/add-custom-labels-to-self-hosted-runner-for-org PUT actions/set-custom-labels-for-self-hosted-runner-for-org DELETE actions/remove-all-custom-labels-from-self-hosted-runner-for-org
/orgs/{org}/actions/runners/{runner_id}/labels/{name} DELETE actions/remove-custom-label-from-self-hosted-runner-for-org
= beyond organization_user_blocking, admin
/orgs/{org}/blocks GET orgs/list-blocked-users
/orgs/{org}/blocks/{username} GET orgs/check-blocked-user PUT orgs/block-user DELETE orgs/unblock-user
= beyond organization_variables, admin
/orgs/{org}/actions/variables GET actions/list-org-variables POST actions/create-org-variable
/orgs/{org}/actions/variables/{name} GET actions/get-org-variable PATCH actions/update-org-variable DELETE actions/delete-org-variable
/orgs/{org}/actions/variables/{name}/repositories GET actions/list-selected-repos-for-org-variable PUT actions/set-selected-repos-for-org-variable
/orgs/{org}/actions/variables/{name}/repositories/{repository_id} PUT actions/add-selected-repo-to-org-variable DELETE actions/remove-selected-repo-from-org-variable
= beyond repository_advisories, admin
/orgs/{org}/security-advisories GET security-advisories/list-org-repository-advisories
= beyond secret_scanning_alerts
/orgs/{org}/secret-scanning/alerts GET secret-scanning/list-alerts-for-org
= beyond user-token
/orgs/{org}/public_members/{username} PUT orgs/set-public-membership-for-authenticated-user DELETE orgs/remove-public-membership-for-authenticated-user
= unknown
/orgs/{org}/agents/secrets GET agents/list-org-secrets
/orgs/{org}/agents/secrets/public-key GET agents/get-org-public-key
/orgs/{org}/agents/secrets/{secret_name} GET agents/get-org-secret
/orgs/{org}/agents/secrets/{secret_name}/repositories GET agents/list-selected-repos-for-org-secret
/orgs/{org}/agents/variables GET agents/list-org-variables
/orgs/{org}/agents/variables/{name} GET agents/get-org-variable
/orgs/{org}/agents/variables/{name}/repositories GET agents/list-selected-repos-for-org-variable
/orgs/{org}/artifacts/metadata/deployment-record/cluster/{cluster}/jobs POST orgs/create-cluster-deployment-records-job
/orgs/{org}/artifacts/metadata/deployment-record/cluster/{cluster}/jobs/{job_id} GET orgs/get-cluster-deployment-records-job
/orgs/{org}/attestations/{subject_digest} GET orgs/list-attestations
/orgs/{org}/copilot-spaces GET copilot-spaces/list-for-org
/orgs/{org}/copilot-spaces/{space_number} GET copilot-spaces/get-for-org
/orgs/{org}/copilot-spaces/{space_number}/collaborators GET copilot-spaces/list-collaborators-for-org
/orgs/{org}/copilot-spaces/{space_number}/resources GET copilot-spaces/list-resources-for-org
/orgs/{org}/copilot-spaces/{space_number}/resources/{space_resource_id} GET copilot-spaces/get-resource-for-org
/orgs/{org}/issues GET issues/list-for-org
/orgs/{org}/secret-scanning/custom-patterns GET secret-scanning/list-org-custom-patterns
= unknown, admin
/orgs/{org}/agents/secrets/{secret_name} PUT agents/create-or-update-org-secret DELETE agents/delete-org-secret
/orgs/{org}/agents/secrets/{secret_name}/repositories PUT agents/set-selected-repos-for-org-secret
/orgs/{org}/agents/secrets/{secret_name}/repositories/{repository_id} PUT agents/add-selected-repo-to-org-secret DELETE agents/remove-selected-repo-from-org-secret
/orgs/{org}/agents/variables POST agents/create-org-variable
/orgs/{org}/agents/variables/{name} PATCH agents/update-org-variable DELETE agents/delete-org-variable
/orgs/{org}/agents/variables/{name}/repositories PUT agents/set-selected-repos-for-org-variable
/orgs/{org}/agents/variables/{name}/repositories/{repository_id} PUT agents/add-selected-repo-to-org-variable DELETE agents/remove-selected-repo-from-org-variable
/orgs/{org}/copilot-spaces POST copilot-spaces/create-for-org
/orgs/{org}/copilot-spaces/{space_number} PUT copilot-spaces/update-for-org DELETE copilot-spaces/delete-for-org
/orgs/{org}/copilot-spaces/{space_number}/collaborators POST copilot-spaces/add-collaborator-for-org
/orgs/{org}/copilot-spaces/{space_number}/collaborators/{actor_type}/{actor_identifier} PUT copilot-spaces/update-collaborator-for-org DELETE copilot-spaces/remove-collaborator-for-org
/orgs/{org}/copilot-spaces/{space_number}/resources POST copilot-spaces/create-resource-for-org
/orgs/{org}/copilot-spaces/{space_number}/resources/{space_resource_id} PUT copilot-spaces/update-resource-for-org DELETE copilot-spaces/delete-resource-for-org
/orgs/{org}/secret-scanning/custom-patterns POST secret-scanning/bulk-create-org-custom-patterns DELETE secret-scanning/bulk-delete-org-custom-patterns
/orgs/{org}/secret-scanning/custom-patterns/{pattern_id} PATCH secret-scanning/update-org-custom-pattern
= unknown, reads
/orgs/{org}/attestations/bulk-list POST orgs/list-attestations-bulk
`;
