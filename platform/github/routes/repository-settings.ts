// Routes of GitHub's REST API below a repository that need nothing but its metadata, or what no workflow can grant,
// and those that are unknown on purpose. `.` is /repos/{owner}/{repo}; the form is told in read-routes.ts.

export const repositorySettingRoutes = `
= none
. GET repos/get
./collaborators GET repos/list-collaborators
./collaborators/{username} GET repos/check-collaborator
./collaborators/{username}/permission GET repos/get-collaborator-permission-level
./comments GET repos/list-commit-comments-for-repo
./comments/{comment_id} GET repos/get-commit-comment
./comments/{comment_id}/reactions GET reactions/list-for-commit-comment
./commits/{ref*}/comments GET repos/list-comments-for-commit
./contributors GET repos/list-contributors
./events GET activity/list-repo-events
./forks GET repos/list-forks
./languages GET repos/list-languages
./license GET licenses/get-for-repo
./properties/values GET repos/custom-properties-for-repos-get-repository-values
./replicas/caches GET repos/list-cache-info
./rules/branches/{branch*} GET repos/get-branch-rules
./rulesets GET repos/get-repo-rulesets
./rulesets/{ruleset_id} GET repos/get-repo-ruleset
./stargazers GET activity/list-stargazers-for-repo
./stats/code_frequency GET repos/get-code-frequency-stats
./stats/commit_activity GET repos/get-commit-activity-stats
./stats/contributors GET repos/get-contributors-stats
./stats/participation GET repos/get-participation-stats
./stats/punch_card GET repos/get-punch-card-stats
./subscribers GET activity/list-watchers-for-repo
./tags GET repos/list-tags
./topics GET repos/get-all-topics
= beyond administration, admin
. PATCH repos/update DELETE repos/delete
./actions/cache/retention-limit GET actions/get-actions-cache-retention-limit-for-repository PUT actions/set-actions-cache-retention-limit-for-repository
./actions/cache/storage-limit PUT actions/set-actions-cache-storage-limit-for-repository
./actions/cache/usage-policy GET actions/get-actions-cache-usage-policy PATCH actions/set-actions-cache-usage-policy
./actions/permissions GET actions/get-github-actions-permissions-repository PUT actions/set-github-actions-permissions-repository
./actions/permissions/access GET actions/get-workflow-access-to-repository PUT actions/set-workflow-access-to-repository
./actions/permissions/artifact-and-log-retention GET actions/get-artifact-and-log-retention-settings-repository PUT actions/set-artifact-and-log-retention-settings-repository
./actions/permissions/fork-pr-contributor-approval GET actions/get-fork-pr-contributor-approval-permissions-repository PUT actions/set-fork-pr-contributor-approval-permissions-repository
./actions/permissions/fork-pr-workflows-private-repos GET actions/get-private-repo-fork-pr-workflows-settings-repository PUT actions/set-private-repo-fork-pr-workflows-settings-repository
./actions/permissions/selected-actions GET actions/get-allowed-actions-repository PUT actions/set-allowed-actions-repository
./actions/permissions/workflow GET actions/get-github-actions-default-workflow-permissions-repository PUT actions/set-github-actions-default-workflow-permissions-repository
./actions/runners GET actions/list-self-hosted-runners-for-repo
./actions/runners/deprecations/{version} GET actions/get-runner-version-deprecation-for-repo
./actions/runners/downloads GET actions/list-runner-applications-for-repo
./actions/runners/generate-jitconfig POST actions/generate-runner-jitconfig-for-repo
./actions/runners/registration-token POST actions/create-registration-token-for-repo
./actions/runners/remove-token POST actions/create-remove-token-for-repo
./actions/runners/{runner_id} GET actions/get-self-hosted-runner-for-repo DELETE actions/delete-self-hosted-runner-from-repo
./actions/runners/{runner_id}/labels GET actions/list-labels-for-self-hosted-runner-for-repo POST actions/add-custom-labels-to-self-hosted-runner-for-repo PUT actions/set-custom-labels-for-self-hosted-runner-for-repo DELETE actions/remove-all-custom-labels-from-self-hosted-runner-for-repo
./actions/runners/{runner_id}/labels/{name} DELETE actions/remove-custom-label-from-self-hosted-runner-for-repo
./autolinks GET repos/list-autolinks POST repos/create-autolink
./autolinks/{autolink_id} GET repos/get-autolink DELETE repos/delete-autolink
./automated-security-fixes GET repos/check-automated-security-fixes PUT repos/enable-automated-security-fixes DELETE repos/disable-automated-security-fixes
./branches/{branch*}/protection GET repos/get-branch-protection PUT repos/update-branch-protection DELETE repos/delete-branch-protection
./branches/{branch*}/protection/enforce_admins GET repos/get-admin-branch-protection POST repos/set-admin-branch-protection DELETE repos/delete-admin-branch-protection
./branches/{branch*}/protection/required_pull_request_reviews GET repos/get-pull-request-review-protection PATCH repos/update-pull-request-review-protection DELETE repos/delete-pull-request-review-protection
./branches/{branch*}/protection/required_signatures GET repos/get-commit-signature-protection POST repos/create-commit-signature-protection DELETE repos/delete-commit-signature-protection
./branches/{branch*}/protection/required_status_checks GET repos/get-status-checks-protection PATCH repos/update-status-check-protection DELETE repos/remove-status-check-protection
./branches/{branch*}/protection/required_status_checks/contexts GET repos/get-all-status-check-contexts POST repos/add-status-check-contexts PUT repos/set-status-check-contexts DELETE repos/remove-status-check-contexts
./branches/{branch*}/protection/restrictions GET repos/get-access-restrictions DELETE repos/delete-access-restrictions
./branches/{branch*}/protection/restrictions/apps GET repos/get-apps-with-access-to-protected-branch POST repos/add-app-access-restrictions PUT repos/set-app-access-restrictions DELETE repos/remove-app-access-restrictions
./branches/{branch*}/protection/restrictions/teams GET repos/get-teams-with-access-to-protected-branch POST repos/add-team-access-restrictions PUT repos/set-team-access-restrictions DELETE repos/remove-team-access-restrictions
./branches/{branch*}/protection/restrictions/users GET repos/get-users-with-access-to-protected-branch POST repos/add-user-access-restrictions PUT repos/set-user-access-restrictions DELETE repos/remove-user-access-restrictions
./code-scanning/default-setup GET code-scanning/get-default-setup PATCH code-scanning/update-default-setup
./code-security-configuration GET code-security/get-configuration-for-repository
./collaborators/{username} PUT repos/add-collaborator DELETE repos/remove-collaborator
./environments/{environment_name} PUT repos/create-or-update-environment DELETE repos/delete-an-environment
./environments/{environment_name}/deployment-branch-policies POST repos/create-deployment-branch-policy
./environments/{environment_name}/deployment-branch-policies/{branch_policy_id} PUT repos/update-deployment-branch-policy DELETE repos/delete-deployment-branch-policy
./environments/{environment_name}/deployment_protection_rules POST repos/create-deployment-protection-rule
./environments/{environment_name}/deployment_protection_rules/apps GET repos/list-custom-deployment-rule-integrations
./environments/{environment_name}/deployment_protection_rules/{protection_rule_id} DELETE repos/disable-deployment-protection-rule
./immutable-releases GET repos/check-immutable-releases PUT repos/enable-immutable-releases DELETE repos/disable-immutable-releases
./import GET migrations/get-import-status PUT migrations/start-import PATCH migrations/update-import DELETE migrations/cancel-import
./import/authors GET migrations/get-commit-authors
./import/authors/{author_id} PATCH migrations/map-commit-author
./import/large_files GET migrations/get-large-files
./import/lfs PATCH migrations/set-lfs-preference
./interaction-limits GET interactions/get-restrictions-for-repo PUT interactions/set-restrictions-for-repo DELETE interactions/remove-restrictions-for-repo
./invitations GET repos/list-invitations
./invitations/{invitation_id} PATCH repos/update-invitation DELETE repos/delete-invitation
./keys GET repos/list-deploy-keys POST repos/create-deploy-key
./keys/{key_id} GET repos/get-deploy-key DELETE repos/delete-deploy-key
./lfs PUT repos/enable-lfs-for-repo DELETE repos/disable-lfs-for-repo
./pre-receive-hooks GET enterprise-admin/list-pre-receive-hooks-for-repo
./pre-receive-hooks/{pre_receive_hook_id} GET enterprise-admin/get-pre-receive-hook-for-repo PATCH enterprise-admin/update-pre-receive-hook-enforcement-for-repo DELETE enterprise-admin/remove-pre-receive-hook-enforcement-for-repo
./private-vulnerability-reporting GET repos/check-private-vulnerability-reporting PUT repos/enable-private-vulnerability-reporting DELETE repos/disable-private-vulnerability-reporting
./rulesets POST repos/create-repo-ruleset
./rulesets/rule-suites GET repos/get-repo-rule-suites
./rulesets/rule-suites/{rule_suite_id} GET repos/get-repo-rule-suite
./rulesets/{ruleset_id} PUT repos/update-repo-ruleset DELETE repos/delete-repo-ruleset
./rulesets/{ruleset_id}/history GET repos/get-repo-ruleset-history
./rulesets/{ruleset_id}/history/{version_id} GET repos/get-repo-ruleset-version
./tags/protection GET repos/list-tag-protection POST repos/create-tag-protection
./tags/protection/{tag_protection_id} DELETE repos/delete-tag-protection
./teams GET repos/list-teams
./topics PUT repos/replace-all-topics
./traffic/clones GET repos/get-clones
./traffic/popular/paths GET repos/get-top-paths
./traffic/popular/referrers GET repos/get-top-referrers
./traffic/views GET repos/get-views
./transfer POST repos/transfer
./vulnerability-alerts GET repos/check-vulnerability-alerts PUT repos/enable-vulnerability-alerts DELETE repos/disable-vulnerability-alerts
= beyond app-token, admin
./installation GET apps/get-repo-installation
= beyond codespaces
./codespaces GET codespaces/list-in-repository-for-authenticated-user POST codespaces/create-with-repo-for-authenticated-user
./codespaces/devcontainers GET codespaces/list-devcontainers-in-repository-for-authenticated-user
./codespaces/machines GET codespaces/repo-machines-for-authenticated-user
./codespaces/new GET codespaces/pre-flight-with-repo-for-authenticated-user
./codespaces/permissions_check GET codespaces/check-permissions-for-devcontainer
./pulls/{pull_number}/codespaces POST codespaces/create-with-pr-for-authenticated-user
= beyond codespaces_secrets, admin
./codespaces/secrets GET codespaces/list-repo-secrets
./codespaces/secrets/public-key GET codespaces/get-repo-public-key
./codespaces/secrets/{secret_name} GET codespaces/get-repo-secret PUT codespaces/create-or-update-repo-secret DELETE codespaces/delete-repo-secret
= beyond dependabot_secrets, admin
./dependabot/secrets GET dependabot/list-repo-secrets
./dependabot/secrets/public-key GET dependabot/get-repo-public-key
./dependabot/secrets/{secret_name} GET dependabot/get-repo-secret PUT dependabot/create-or-update-repo-secret DELETE dependabot/delete-repo-secret
= beyond environments, admin
./environments/{environment_name}/secrets GET actions/list-environment-secrets
./environments/{environment_name}/secrets/public-key GET actions/get-environment-public-key
./environments/{environment_name}/secrets/{secret_name} GET actions/get-environment-secret PUT actions/create-or-update-environment-secret DELETE actions/delete-environment-secret
./environments/{environment_name}/variables GET actions/list-environment-variables POST actions/create-environment-variable
./environments/{environment_name}/variables/{name} GET actions/get-environment-variable PATCH actions/update-environment-variable DELETE actions/delete-environment-variable
= beyond repository_advisories
./security-advisories POST security-advisories/create-repository-advisory
./security-advisories/reports POST security-advisories/create-private-vulnerability-report
./security-advisories/{ghsa_id} PATCH security-advisories/update-repository-advisory
./security-advisories/{ghsa_id}/cve POST security-advisories/create-repository-advisory-cve-request
= beyond repository_advisories, admin
./security-advisories GET security-advisories/list-repository-advisories
./security-advisories/{ghsa_id} GET security-advisories/get-repository-advisory
./security-advisories/{ghsa_id}/forks POST security-advisories/create-fork
= beyond repository_custom_properties, admin
./properties/values PATCH repos/custom-properties-for-repos-create-or-update-repository-values
= beyond repository_hooks, admin
./hooks GET repos/list-webhooks POST repos/create-webhook
./hooks/{hook_id} GET repos/get-webhook PATCH repos/update-webhook DELETE repos/delete-webhook
./hooks/{hook_id}/config GET repos/get-webhook-config-for-repo PATCH repos/update-webhook-config-for-repo
./hooks/{hook_id}/deliveries GET repos/list-webhook-deliveries
./hooks/{hook_id}/deliveries/{delivery_id} GET repos/get-webhook-delivery
./hooks/{hook_id}/deliveries/{delivery_id}/attempts POST repos/redeliver-webhook-delivery
./hooks/{hook_id}/pings POST repos/ping-webhook
./hooks/{hook_id}/tests POST repos/test-push-webhook
= beyond secret_scanning_alerts
./secret-scanning/alerts GET secret-scanning/list-alerts-for-repo
./secret-scanning/alerts/{alert_number} GET secret-scanning/get-alert PATCH secret-scanning/update-alert
./secret-scanning/alerts/{alert_number}/locations GET secret-scanning/list-locations-for-alert
./secret-scanning/push-protection-bypasses POST secret-scanning/create-push-protection-bypass
./secret-scanning/scan-history GET secret-scanning/get-scan-history
= beyond secrets, admin
./actions/organization-secrets GET actions/list-repo-organization-secrets
./actions/secrets GET actions/list-repo-secrets
./actions/secrets/public-key GET actions/get-repo-public-key
./actions/secrets/{secret_name} GET actions/get-repo-secret PUT actions/create-or-update-repo-secret DELETE actions/delete-repo-secret
= beyond user-token
./notifications PUT activity/mark-repo-notifications-as-read
./subscription PUT activity/set-repo-subscription DELETE activity/delete-repo-subscription
= beyond user-token, admin
./notifications GET activity/list-repo-notifications-for-authenticated-user
./subscription GET activity/get-repo-subscription
= beyond variables, admin
./actions/organization-variables GET actions/list-repo-organization-variables
./actions/variables GET actions/list-repo-variables POST actions/create-repo-variable
./actions/variables/{name} GET actions/get-repo-variable PATCH actions/update-repo-variable DELETE actions/delete-repo-variable
= beyond vulnerability_alerts
./dependabot/alerts/{alert_number} PATCH dependabot/update-alert
= unknown
./actions/concurrency_groups GET actions/list-concurrency-groups-for-repository
./actions/concurrency_groups/{concurrency_group_name} GET actions/get-concurrency-group-for-repository
./actions/runs/{run_id}/concurrency_groups GET actions/list-concurrency-groups-for-workflow-run
./agents/organization-secrets GET agents/list-repo-organization-secrets
./agents/organization-variables GET agents/list-repo-organization-variables
./agents/secrets GET agents/list-repo-secrets
./agents/secrets/public-key GET agents/get-repo-public-key
./agents/secrets/{secret_name} GET agents/get-repo-secret
./agents/variables GET agents/list-repo-variables
./agents/variables/{name} GET agents/get-repo-variable
./bypass-requests/push-rules GET repos/list-repo-push-bypass-requests
./bypass-requests/push-rules/{bypass_request_number} GET repos/get-repo-push-bypass-request
./bypass-requests/secret-scanning GET secret-scanning/list-repo-bypass-requests
./bypass-requests/secret-scanning/{bypass_request_number} GET secret-scanning/get-bypass-request
./code-quality/findings GET code-quality/list-findings-for-repo
./code-quality/findings/{finding_number} GET code-quality/get-finding
./code-quality/setup GET code-quality/get-setup PATCH code-quality/update-setup
./copilot/cloud-agent/configuration GET copilot/get-copilot-cloud-agent-configuration
./dependency-graph/sbom/fetch-report/{sbom_uuid} GET dependency-graph/fetch-sbom-report
./dependency-graph/sbom/generate-report GET dependency-graph/generate-sbom-report
./dismissal-requests/code-scanning GET code-scanning/list-dismissal-requests-for-repo
./dismissal-requests/code-scanning/{alert_number} GET code-scanning/get-dismissal-request-for-repo
./dismissal-requests/dependabot GET dependabot/list-dismissal-requests-for-repo
./dismissal-requests/dependabot/{alert_number} GET dependabot/get-dismissal-request-for-repo
./dismissal-requests/secret-scanning GET secret-scanning/list-repo-dismissal-requests
./dismissal-requests/secret-scanning/{alert_number} GET secret-scanning/get-dismissal-request
./hash-algorithm GET repos/get-hash-algorithm
./interaction-limits/pulls/bypass-list GET interactions/get-pull-request-bypass-list-for-repo
./interaction-limits/pulls/creation-cap GET interactions/get-pull-request-creation-cap-for-repo
./issue-types GET repos/list-issue-types
./issues/{issue_number}/suggestions GET issues/list-suggestions
./issues/{issue_number}/suggestions/{suggestion_id}/approve POST issues/approve-suggestion
./issues/{issue_number}/suggestions/{suggestion_id}/dismiss POST issues/dismiss-suggestion
./pulls/{pull_number}/merge-async PUT pulls/merge-async
./pulls/{pull_number}/merge-async/{uuid} GET pulls/get-merge-async-result
./releases/{release_id}/reactions GET reactions/list-for-release POST reactions/create-for-release
./releases/{release_id}/reactions/{reaction_id} DELETE reactions/delete-for-release
./secret-scanning/custom-patterns GET secret-scanning/list-repo-custom-patterns
./stacks GET pull-request-stacks/list POST pull-request-stacks/create
./stacks/{stack_number} GET pull-request-stacks/get
./stacks/{stack_number}/add POST pull-request-stacks/add
./stacks/{stack_number}/unstack POST pull-request-stacks/unstack
./stargazers/count GET activity/get-stargazer-count-for-repo
= unknown, admin
./agents/secrets/{secret_name} PUT agents/create-or-update-repo-secret DELETE agents/delete-repo-secret
./agents/variables POST agents/create-repo-variable
./agents/variables/{name} PATCH agents/update-repo-variable DELETE agents/delete-repo-variable
./bypass-requests/secret-scanning/{bypass_request_number} PATCH secret-scanning/review-bypass-request
./bypass-responses/secret-scanning/{bypass_response_id} DELETE secret-scanning/dismiss-bypass-response
./dismissal-requests/code-scanning/{alert_number} PATCH code-scanning/review-dismissal-request-for-repo
./dismissal-requests/dependabot/{alert_number} POST dependabot/create-dismissal-request-for-repo PATCH dependabot/review-dismissal-request-for-repo DELETE dependabot/cancel-dismissal-request-for-repo
./dismissal-requests/secret-scanning/{alert_number} PATCH secret-scanning/review-dismissal-request
./interaction-limits/pulls/bypass-list PUT interactions/set-pull-request-bypass-list-for-repo DELETE interactions/remove-pull-request-bypass-list-for-repo
./interaction-limits/pulls/creation-cap PATCH interactions/update-pull-request-creation-cap-for-repo
./secret-scanning/custom-patterns POST secret-scanning/bulk-create-repo-custom-patterns DELETE secret-scanning/bulk-delete-repo-custom-patterns
./secret-scanning/custom-patterns/{pattern_id} PATCH secret-scanning/update-repo-custom-pattern
`;
