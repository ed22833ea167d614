// Routes of GitHub's REST API below a repository that need a scope which a workflow can grant, or that hand a
// release's file in. `.` is /repos/{owner}/{repo}; the form is told in read-routes.ts.

export const repositoryScopeRoutes = `
= actions:read
./actions/artifacts/{artifact_id}/{archive_format} GET actions/download-artifact
./actions/cache/storage-limit GET actions/get-actions-cache-storage-limit-for-repository
= actions:read, open
./actions/artifacts GET actions/list-artifacts-for-repo
./actions/artifacts/{artifact_id} GET actions/get-artifact
./actions/cache/usage GET actions/get-actions-cache-usage
./actions/caches GET actions/get-actions-cache-list
./actions/jobs/{job_id} GET actions/get-job-for-workflow-run
./actions/jobs/{job_id}/logs GET actions/download-job-logs-for-workflow-run
./actions/oidc/customization/sub GET actions/get-custom-oidc-sub-claim-for-repo
./actions/runs GET actions/list-workflow-runs-for-repo
./actions/runs/{run_id} GET actions/get-workflow-run
./actions/runs/{run_id}/approvals GET actions/get-reviews-for-run
./actions/runs/{run_id}/artifacts GET actions/list-workflow-run-artifacts
./actions/runs/{run_id}/attempts/{attempt_number} GET actions/get-workflow-run-attempt
./actions/runs/{run_id}/attempts/{attempt_number}/jobs GET actions/list-jobs-for-workflow-run-attempt
./actions/runs/{run_id}/attempts/{attempt_number}/logs GET actions/download-workflow-run-attempt-logs
./actions/runs/{run_id}/jobs GET actions/list-jobs-for-workflow-run
./actions/runs/{run_id}/logs GET actions/download-workflow-run-logs
./actions/runs/{run_id}/pending_deployments GET actions/get-pending-deployments-for-run
./actions/runs/{run_id}/timing GET actions/get-workflow-run-usage
./actions/workflows GET actions/list-repo-workflows
./actions/workflows/{workflow_id} GET actions/get-workflow
./actions/workflows/{workflow_id}/runs GET actions/list-workflow-runs
./actions/workflows/{workflow_id}/timing GET actions/get-workflow-usage
./environments GET repos/get-all-environments
./environments/{environment_name} GET repos/get-environment
./environments/{environment_name}/deployment-branch-policies GET repos/list-deployment-branch-policies
./environments/{environment_name}/deployment-branch-policies/{branch_policy_id} GET repos/get-deployment-branch-policy
./environments/{environment_name}/deployment_protection_rules GET repos/get-all-deployment-protection-rules
./environments/{environment_name}/deployment_protection_rules/{protection_rule_id} GET repos/get-custom-deployment-protection-rule
= actions:write
./actions/artifacts/{artifact_id} DELETE actions/delete-artifact
./actions/caches DELETE actions/delete-actions-cache-by-key
./actions/caches/{cache_id} DELETE actions/delete-actions-cache-by-id
./actions/jobs/{job_id}/rerun POST actions/re-run-job-for-workflow-run
./actions/oidc/customization/sub PUT actions/set-custom-oidc-sub-claim-for-repo
./actions/runs/{run_id} DELETE actions/delete-workflow-run
./actions/runs/{run_id}/approve POST actions/approve-workflow-run
./actions/runs/{run_id}/cancel POST actions/cancel-workflow-run
./actions/runs/{run_id}/force-cancel POST actions/force-cancel-workflow-run
./actions/runs/{run_id}/logs DELETE actions/delete-workflow-run-logs
./actions/runs/{run_id}/rerun POST actions/re-run-workflow
./actions/runs/{run_id}/rerun-failed-jobs POST actions/re-run-workflow-failed-jobs
./actions/workflows/{workflow_id}/disable PUT actions/disable-workflow
./actions/workflows/{workflow_id}/dispatches POST actions/create-workflow-dispatch
./actions/workflows/{workflow_id}/enable PUT actions/enable-workflow
= attestations:read, open
./attestations/{subject_digest} GET repos/list-attestations
= attestations:write
./attestations POST repos/create-attestation
= checks:read, open
./check-runs/{check_run_id} GET checks/get
./check-runs/{check_run_id}/annotations GET checks/list-annotations
./check-suites/{check_suite_id} GET checks/get-suite
./check-suites/{check_suite_id}/check-runs GET checks/list-for-suite
./commits/{ref*}/check-runs GET checks/list-for-ref
./commits/{ref*}/check-suites GET checks/list-suites-for-ref
= checks:write
./check-runs POST checks/create
./check-runs/{check_run_id} PATCH checks/update
./check-runs/{check_run_id}/rerequest POST checks/rerequest-run
./check-suites POST checks/create-suite
./check-suites/preferences PATCH checks/set-suites-preferences
./check-suites/{check_suite_id}/rerequest POST checks/rerequest-suite
= contents:read
./code-scanning/codeql/variant-analyses/{codeql_variant_analysis_id}/repos/{repo_owner}/{repo_name} GET code-scanning/get-variant-analysis-repo-task
./commits/{ref*}/comments POST repos/create-commit-comment
= contents:read, beyond administration, admin
./forks POST repos/create-fork
/repos/{template_owner}/{template_repo}/generate POST repos/create-using-template
= contents:read, open
./activity GET repos/list-activities
./branches GET repos/list-branches
./branches/{branch*} GET repos/get-branch
./code-scanning/codeql/databases GET code-scanning/list-codeql-databases
./code-scanning/codeql/databases/{language} GET code-scanning/get-codeql-database
./code-scanning/codeql/variant-analyses/{codeql_variant_analysis_id} GET code-scanning/get-variant-analysis
./codeowners/errors GET repos/codeowners-errors
./commits GET repos/list-commits
./commits/{ref*} GET repos/get-commit
./commits/{ref*}/branches-where-head GET repos/list-branches-for-head-commit
./community/profile GET repos/get-community-profile-metrics
./compare/{basehead*} GET repos/compare-commits
./contents/{path*} GET repos/get-content
./dependency-graph/compare/{basehead*} GET dependency-graph/diff-range
./dependency-graph/sbom GET dependency-graph/export-sbom
./git/blobs/{file_sha} GET git/get-blob
./git/commits/{commit_sha} GET git/get-commit
./git/matching-refs/{ref*} GET git/list-matching-refs
./git/ref/{ref*} GET git/get-ref
./git/tags/{tag_sha} GET git/get-tag
./git/trees/{tree_sha*} GET git/get-tree
./readme GET repos/get-readme
./readme/{dir*} GET repos/get-readme-in-directory
./releases GET repos/list-releases
./releases/assets/{asset_id} GET repos/get-release-asset
./releases/latest GET repos/get-latest-release
./releases/tags/{tag*} GET repos/get-release-by-tag
./releases/{release_id} GET repos/get-release
./releases/{release_id}/assets GET repos/list-release-assets
./tarball/{ref*} GET repos/download-tarball-archive
./zipball/{ref*} GET repos/download-zipball-archive
= contents:write
./branches/{branch*}/rename POST repos/rename-branch
./code-scanning/alerts/{alert_number}/autofix/commits POST code-scanning/commit-autofix
./code-scanning/codeql/databases/{language} DELETE code-scanning/delete-codeql-database
./code-scanning/codeql/variant-analyses POST code-scanning/create-variant-analysis
./comments/{comment_id} PATCH repos/update-commit-comment DELETE repos/delete-commit-comment
./comments/{comment_id}/reactions POST reactions/create-for-commit-comment
./comments/{comment_id}/reactions/{reaction_id} DELETE reactions/delete-for-commit-comment
./contents/{path*} PUT repos/create-or-update-file-contents DELETE repos/delete-file
./dependency-graph/snapshots POST dependency-graph/create-repository-snapshot
./dispatches POST repos/create-dispatch-event
./git/blobs POST git/create-blob
./git/commits POST git/create-commit
./git/refs POST git/create-ref
./git/refs/{ref*} PATCH git/update-ref DELETE git/delete-ref
./git/tags POST git/create-tag
./git/trees POST git/create-tree
./merge-upstream POST repos/merge-upstream
./merges POST repos/merge
./pulls/{pull_number}/merge PUT pulls/merge
./releases POST repos/create-release
./releases/assets/{asset_id} PATCH repos/update-release-asset DELETE repos/delete-release-asset
./releases/generate-notes POST repos/generate-release-notes
./releases/{release_id} PATCH repos/update-release DELETE repos/delete-release
./releases/{release_id}/assets POST repos/upload-release-asset
= deployments:read, open
./deployments GET repos/list-deployments
./deployments/{deployment_id} GET repos/get-deployment
./deployments/{deployment_id}/statuses GET repos/list-deployment-statuses
./deployments/{deployment_id}/statuses/{status_id} GET repos/get-deployment-status
= deployments:write
./actions/runs/{run_id}/deployment_protection_rule POST actions/review-custom-gates-for-run
./actions/runs/{run_id}/pending_deployments POST actions/review-pending-deployments-for-run
./deployments POST repos/create-deployment
./deployments/{deployment_id} DELETE repos/delete-deployment
./deployments/{deployment_id}/statuses POST repos/create-deployment-status
= issues:read | pull-requests:read, open
./assignees GET issues/list-assignees
./assignees/{assignee} GET issues/check-user-can-be-assigned
./issues/comments GET issues/list-comments-for-repo
./issues/comments/{comment_id} GET issues/get-comment
./issues/events/{event_id} GET issues/get-event
./issues/{issue_number}/assignees/{assignee} GET issues/check-user-can-be-assigned-to-issue
./issues/{issue_number}/comments GET issues/list-comments
./issues/{issue_number}/events GET issues/list-events
./issues/{issue_number}/labels GET issues/list-labels-on-issue
./issues/{issue_number}/timeline GET issues/list-events-for-timeline
./labels GET issues/list-labels-for-repo
./labels/{name} GET issues/get-label
./milestones GET issues/list-milestones
./milestones/{milestone_number} GET issues/get-milestone
./milestones/{milestone_number}/labels GET issues/list-labels-for-milestone
= issues:read, open
./issues GET issues/list-for-repo
./issues/comments/{comment_id}/reactions GET reactions/list-for-issue-comment
./issues/events GET issues/list-events-for-repo
./issues/{issue_number} GET issues/get
./issues/{issue_number}/dependencies/blocked_by GET issues/list-dependencies-blocked-by
./issues/{issue_number}/dependencies/blocking GET issues/list-dependencies-blocking
./issues/{issue_number}/issue-field-values GET issues/list-issue-field-values-for-issue
./issues/{issue_number}/parent GET issues/get-parent
./issues/{issue_number}/reactions GET reactions/list-for-issue
./issues/{issue_number}/sub_issues GET issues/list-sub-issues
= issues:write
./issues POST issues/create
./issues/comments/{comment_id}/pin PUT issues/pin-comment DELETE issues/unpin-comment
./issues/comments/{comment_id}/reactions POST reactions/create-for-issue-comment
./issues/comments/{comment_id}/reactions/{reaction_id} DELETE reactions/delete-for-issue-comment
./issues/{issue_number}/dependencies/blocked_by POST issues/add-blocked-by-dependency
./issues/{issue_number}/dependencies/blocked_by/{issue_id} DELETE issues/remove-dependency-blocked-by
./issues/{issue_number}/reactions POST reactions/create-for-issue
./issues/{issue_number}/reactions/{reaction_id} DELETE reactions/delete-for-issue
./issues/{issue_number}/sub_issue DELETE issues/remove-sub-issue
./issues/{issue_number}/sub_issues POST issues/add-sub-issue
./issues/{issue_number}/sub_issues/priority PATCH issues/reprioritize-sub-issue
= issues:write | pull-requests:write
./issues/comments/{comment_id} PATCH issues/update-comment DELETE issues/delete-comment
./issues/{issue_number} PATCH issues/update
./issues/{issue_number}/assignees POST issues/add-assignees DELETE issues/remove-assignees
./issues/{issue_number}/comments POST issues/create-comment
./issues/{issue_number}/issue-field-values POST issues/add-issue-field-values PUT issues/set-issue-field-values
./issues/{issue_number}/issue-field-values/{issue_field_id} DELETE issues/delete-issue-field-value
./issues/{issue_number}/labels POST issues/add-labels PUT issues/set-labels DELETE issues/remove-all-labels
./issues/{issue_number}/labels/{name} DELETE issues/remove-label
./issues/{issue_number}/lock PUT issues/lock DELETE issues/unlock
./labels POST issues/create-label
./labels/{name} PATCH issues/update-label DELETE issues/delete-label
./milestones POST issues/create-milestone
./milestones/{milestone_number} PATCH issues/update-milestone DELETE issues/delete-milestone
= pages:read, open
./pages GET repos/get-pages
./pages/builds GET repos/list-pages-builds
./pages/builds/latest GET repos/get-latest-pages-build
./pages/builds/{build_id} GET repos/get-pages-build
./pages/deployments/{pages_deployment_id} GET repos/get-pages-deployment
= pages:write
./pages/builds POST repos/request-pages-build
./pages/deployments POST repos/create-pages-deployment
./pages/deployments/{pages_deployment_id}/cancel POST repos/cancel-pages-deployment
= pages:write, beyond administration:write, admin
./pages POST repos/create-pages-site PUT repos/update-information-about-pages-site DELETE repos/delete-pages-site
./pages/health GET repos/get-pages-health-check
= pull-requests:read | contents:read, open
./pulls/{pull_number} GET pulls/get
= pull-requests:read, open
./commits/{ref*}/pulls GET repos/list-pull-requests-associated-with-commit
./pulls GET pulls/list
./pulls/comments GET pulls/list-review-comments-for-repo
./pulls/comments/{comment_id} GET pulls/get-review-comment
./pulls/comments/{comment_id}/reactions GET reactions/list-for-pull-request-review-comment
./pulls/{pull_number}/comments GET pulls/list-review-comments
./pulls/{pull_number}/commits GET pulls/list-commits
./pulls/{pull_number}/files GET pulls/list-files
./pulls/{pull_number}/merge GET pulls/check-if-merged
./pulls/{pull_number}/requested_reviewers GET pulls/list-requested-reviewers
./pulls/{pull_number}/reviews GET pulls/list-reviews
./pulls/{pull_number}/reviews/{review_id} GET pulls/get-review
./pulls/{pull_number}/reviews/{review_id}/comments GET pulls/list-comments-for-review
= pull-requests:write
./pulls POST pulls/create
./pulls/comments/{comment_id} PATCH pulls/update-review-comment DELETE pulls/delete-review-comment
./pulls/comments/{comment_id}/reactions POST reactions/create-for-pull-request-review-comment
./pulls/comments/{comment_id}/reactions/{reaction_id} DELETE reactions/delete-for-pull-request-comment
./pulls/{pull_number} PATCH pulls/update
./pulls/{pull_number}/comments POST pulls/create-review-comment
./pulls/{pull_number}/comments/{comment_id}/replies POST pulls/create-reply-for-review-comment
./pulls/{pull_number}/requested_reviewers POST pulls/request-reviewers DELETE pulls/remove-requested-reviewers
./pulls/{pull_number}/reviews POST pulls/create-review
./pulls/{pull_number}/reviews/{review_id} PUT pulls/update-review DELETE pulls/delete-pending-review
./pulls/{pull_number}/reviews/{review_id}/dismissals PUT pulls/dismiss-review
./pulls/{pull_number}/reviews/{review_id}/events POST pulls/submit-review
./pulls/{pull_number}/update-branch PUT pulls/update-branch
= security-events:read
./code-scanning/alerts GET code-scanning/list-alerts-for-repo
./code-scanning/alerts/{alert_number} GET code-scanning/get-alert
./code-scanning/alerts/{alert_number}/autofix GET code-scanning/get-autofix
./code-scanning/alerts/{alert_number}/instances GET code-scanning/list-alert-instances
./code-scanning/analyses GET code-scanning/list-recent-analyses
./code-scanning/analyses/{analysis_id} GET code-scanning/get-analysis
./code-scanning/sarifs/{sarif_id} GET code-scanning/get-sarif
= security-events:write
./code-scanning/alerts/{alert_number} PATCH code-scanning/update-alert
./code-scanning/alerts/{alert_number}/autofix POST code-scanning/create-autofix
./code-scanning/analyses/{analysis_id} DELETE code-scanning/delete-analysis
./code-scanning/sarifs POST code-scanning/upload-sarif
= statuses:read, open
./commits/{ref*}/status GET repos/get-combined-status-for-ref
./commits/{ref*}/statuses GET repos/list-commit-statuses-for-ref
= statuses:write
./statuses/{sha} POST repos/create-commit-status
= vulnerability-alerts:read
./dependabot/alerts GET dependabot/list-alerts-for-repo
./dependabot/alerts/{alert_number} GET dependabot/get-alert
`;
