// Routes of GitLab's REST API on one project; the form is told in read-routes.ts.

export const projectRoutes = `
= deployments:read, open
./deployments GET deployments/list
./deployments/{deployment_id} GET deployments/get
./deployments/{deployment_id}/merge_requests GET deployments/list-merge-requests
= deployments:write+environments:write
./deployments POST deployments/create
= deployments:write
./deployments/{deployment_id} PUT deployments/update DELETE deployments/delete
./deployments/{deployment_id}/approval POST deployments/approve
= environments:read, open
./environments GET environments/list
./environments/{environment_id} GET environments/get
= environments:write
./environments POST environments/create
./environments/{environment_id} PUT environments/update DELETE environments/delete
./environments/{environment_id}/stop POST environments/stop
./environments/review_apps DELETE environments/delete-review-apps
./environments/stop_stale POST environments/stop-stale
= jobs:read, open
./jobs GET jobs/list
./jobs/{job_id} GET jobs/get
./jobs/{job_id}/trace GET jobs/get-trace
./jobs/{job_id}/artifacts GET artifacts/download
./jobs/{job_id}/artifacts/{artifact_path*} GET artifacts/download-file
./jobs/artifacts/{ref*} GET artifacts/download-of-ref
./pipelines/{pipeline_id}/jobs GET jobs/list-of-pipeline
./pipelines/{pipeline_id}/bridges GET jobs/list-bridges
= pipelines:read, open
./pipelines GET pipelines/list
./pipelines/latest GET pipelines/get-latest
./pipelines/{pipeline_id} GET pipelines/get
./pipelines/{pipeline_id}/variables GET pipelines/list-variables
./pipelines/{pipeline_id}/test_report GET pipelines/get-test-report
./pipelines/{pipeline_id}/test_report_summary GET pipelines/get-test-report-summary
= pipelines:write
./pipeline POST pipelines/create
./pipelines/{pipeline_id} DELETE pipelines/delete
./pipelines/{pipeline_id}/metadata PUT pipelines/update-metadata
./pipelines/{pipeline_id}/cancel POST pipelines/cancel
./pipelines/{pipeline_id}/retry POST pipelines/retry
./trigger/pipeline POST pipelines/trigger
./ref/{ref}/trigger/pipeline POST pipelines/trigger
= releases:read, open
./releases GET releases/list
./releases/permalink/latest GET releases/get-latest
./releases/permalink/latest/{path*} GET releases/get-latest
./releases/{tag} GET releases/get
./releases/{tag}/downloads/{path*} GET releases/download
./releases/{tag}/assets/links GET releases/list-links
./releases/{tag}/assets/links/{link_id} GET releases/get-link
= releases:write
./releases POST releases/create
./releases/{tag} PUT releases/update DELETE releases/delete
./releases/{tag}/evidence POST releases/collect-evidence
./releases/{tag}/assets/links POST releases/create-link
./releases/{tag}/assets/links/{link_id} PUT releases/update-link DELETE releases/delete-link
= secure_files:read
./secure_files GET secure-files/list
./secure_files/{secure_file_id} GET secure-files/get
./secure_files/{secure_file_id}/download GET secure-files/download
= secure_files:write, admin
./secure_files POST secure-files/create
./secure_files/{secure_file_id} DELETE secure-files/delete
= terraform_state:read
./terraform/state/{name} GET terraform-state/get
./terraform/state/{name}/versions/{serial} GET terraform-state/get-version
= terraform_state:write
./terraform/state/{name} POST terraform-state/update DELETE terraform-state/delete
./terraform/state/{name}/lock POST terraform-state/lock DELETE terraform-state/unlock
./terraform/state/{name}/versions/{serial} DELETE terraform-state/delete-version
= packages:read, open
./packages GET packages/list
./packages/{package_id} GET packages/get
./packages/{package_id}/package_files GET packages/list-files
./packages/{package_id}/package_files/{package_file_id}/download GET packages/download-file
./packages/{package_id}/pipelines GET packages/list-pipelines
= packages:write
./packages/{package_id} DELETE packages/delete
./packages/{package_id}/package_files/{package_file_id} DELETE packages/delete-file
= none, open
./registry/repositories GET registry/list-repositories
./registry/repositories/{repository_id} DELETE registry/delete-repository
./registry/repositories/{repository_id}/tags GET registry/list-tags DELETE registry/delete-tags
./registry/repositories/{repository_id}/tags/{tag_name} GET registry/get-tag DELETE registry/delete-tag
./repository/changelog GET repository/generate-changelog
= api, open
. GET projects/get
./badges GET badges/list
./badges/{badge_id} GET badges/get
./boards GET boards/list
./boards/{board_id} GET boards/get
./boards/{board_id}/lists GET boards/list-lists
./events GET events/list-of-project
./forks GET projects/list-forks
./groups GET projects/list-groups
./issues GET issues/list
./issues/{issue_iid} GET issues/get
./issues/{issue_iid}/{part*} GET issues/read-part
./issues_statistics GET issues/statistics
./labels GET labels/list
./labels/{label_id} GET labels/get
./languages GET projects/list-languages
./members GET members/list
./members/all GET members/list-all
./members/{user_number} GET members/get
./members/all/{user_number} GET members/get-inherited
./merge_requests GET merge-requests/list
./merge_requests/{merge_request_iid} GET merge-requests/get
./merge_requests/{merge_request_iid}/{part*} GET merge-requests/read-part
./milestones GET milestones/list
./milestones/{milestone_id} GET milestones/get
./milestones/{milestone_id}/{part*} GET milestones/read-part
./repository/archive GET repository/archive
./repository/archive.tar.gz GET repository/archive
./repository/archive.tar.bz2 GET repository/archive
./repository/archive.tar GET repository/archive
./repository/archive.zip GET repository/archive
./repository/branches GET branches/list
./repository/branches/{branch} GET branches/get
./repository/commits GET commits/list
./repository/commits/{sha} GET commits/get
./repository/commits/{sha}/{part*} GET commits/read-part
./repository/contributors GET repository/list-contributors
./repository/files/{file_path} GET files/get
./repository/files/{file_path}/raw GET files/get-raw
./repository/files/{file_path}/blame GET files/get-blame
./repository/merge_base GET repository/get-merge-base
./repository/blobs/{sha} GET repository/get-blob
./repository/blobs/{sha}/raw GET repository/get-raw-blob
./repository/tags GET tags/list
./repository/tags/{tag_name} GET tags/get
./repository/tags/{tag_name}/signature GET tags/get-signature
./repository/tree GET repository/list-tree
./search GET search/project
./snippets GET snippets/list-of-project
./snippets/{snippet_id} GET snippets/get-of-project
./snippets/{snippet_id}/{part*} GET snippets/read-part
./starrers GET projects/list-starrers
./statistics GET projects/statistics
./uploads/{upload_id} GET uploads/get
./uploads/{secret}/{filename} GET uploads/get
./users GET projects/list-users
./wikis GET wikis/list
./wikis/{slug} GET wikis/get
= api
./access_requests GET access-requests/list POST access-requests/create
./alert_management_alerts/{alert_iid}/metric_images GET alerts/list-images POST alerts/add-image
./approvals GET approvals/get
./approval_rules GET approvals/list-rules
./approval_rules/{approval_rule_id} GET approvals/get-rule
./audit_events GET audit-events/list
./badges POST badges/create
./badges/{badge_id} PUT badges/update DELETE badges/delete
./boards POST boards/create
./boards/{board_id} PUT boards/update DELETE boards/delete
./boards/{board_id}/lists POST boards/create-list
./boards/{board_id}/lists/{list_id} GET boards/get-list PUT boards/update-list DELETE boards/delete-list
./ci/lint GET ci/lint-project
./cluster_agents GET agents/list
./cluster_agents/{agent_id} GET agents/get
./custom_attributes GET projects/list-attributes
./dependencies GET dependencies/list
./dependency_list_exports POST dependencies/export
./deploy_keys GET deploy-keys/list
./deploy_keys/{key_id} GET deploy-keys/get
./deploy_tokens GET deploy-tokens/list
./deploy_tokens/{token_id} GET deploy-tokens/get
./error_tracking/settings GET error-tracking/get-settings
./export GET projects/export-status
./export/download GET projects/download-export
./feature_flags GET feature-flags/list POST feature-flags/create
./feature_flags/{feature_flag_name} GET feature-flags/get PUT feature-flags/update DELETE feature-flags/delete
./feature_flags_user_lists GET feature-flags/list-lists POST feature-flags/create-list
./feature_flags_user_lists/{list_iid} GET feature-flags/get-list PUT feature-flags/update-list DELETE feature-flags/delete-list
./freeze_periods GET freeze-periods/list
./freeze_periods/{freeze_period_id} GET freeze-periods/get
./hooks GET hooks/list
./hooks/{hook_id} GET hooks/get
./integrations GET integrations/list
./integrations/{slug} GET integrations/get
./invitations GET invitations/list
./issues POST issues/create
./issues/{issue_iid} PUT issues/update DELETE issues/delete
./issues/{issue_iid}/subscribe POST issues/subscribe
./issues/{issue_iid}/unsubscribe POST issues/unsubscribe
./issues/{issue_iid}/todo POST issues/create-todo
./issues/{issue_iid}/reorder PUT issues/reorder
./issues/{issue_iid}/notes POST notes/create
./issues/{issue_iid}/notes/{note_id} PUT notes/update DELETE notes/delete
./issues/{issue_iid}/discussions POST discussions/create
./issues/{issue_iid}/discussions/{discussion_id}/notes POST discussions/add-note
./issues/{issue_iid}/discussions/{discussion_id}/notes/{note_id} PUT discussions/update-note DELETE discussions/delete-note
./issues/{issue_iid}/award_emoji POST award-emoji/create
./issues/{issue_iid}/award_emoji/{award_id} DELETE award-emoji/delete
./issues/{issue_iid}/time_estimate POST issues/estimate
./issues/{issue_iid}/reset_time_estimate POST issues/reset-estimate
./issues/{issue_iid}/add_spent_time POST issues/add-time
./issues/{issue_iid}/reset_spent_time POST issues/reset-time
./issues/{issue_iid}/links/{link_id} DELETE issues/delete-link
./job_token_scope GET job-token-scope/get
./job_token_scope/allowlist GET job-token-scope/list-projects
./job_token_scope/groups_allowlist GET job-token-scope/list-groups
./jobs/{job_id}/cancel POST jobs/cancel
./jobs/{job_id}/retry POST jobs/retry
./jobs/{job_id}/play POST jobs/play
./jobs/{job_id}/erase POST jobs/erase
./jobs/{job_id}/artifacts DELETE artifacts/delete
./jobs/{job_id}/artifacts/keep POST artifacts/keep
./artifacts DELETE artifacts/delete-all
./labels POST labels/create PUT labels/update DELETE labels/delete
./labels/{label_id} PUT labels/update DELETE labels/delete
./labels/{label_id}/promote PUT labels/promote
./labels/{label_id}/subscribe POST labels/subscribe
./labels/{label_id}/unsubscribe POST labels/unsubscribe
./merge_requests/{merge_request_iid} PUT merge-requests/update DELETE merge-requests/delete
./merge_requests/{merge_request_iid}/approve POST merge-requests/approve
./merge_requests/{merge_request_iid}/unapprove POST merge-requests/unapprove
./merge_requests/{merge_request_iid}/merge PUT merge-requests/merge
./merge_requests/{merge_request_iid}/cancel_merge_when_pipeline_succeeds POST merge-requests/cancel-auto-merge
./merge_requests/{merge_request_iid}/rebase PUT merge-requests/rebase
./merge_requests/{merge_request_iid}/pipelines POST merge-requests/create-pipeline
./merge_requests/{merge_request_iid}/notes POST notes/create
./merge_requests/{merge_request_iid}/notes/{note_id} PUT notes/update DELETE notes/delete
./merge_requests/{merge_request_iid}/discussions POST discussions/create
./merge_requests/{merge_request_iid}/discussions/{discussion_id} PUT discussions/resolve
./merge_requests/{merge_request_iid}/discussions/{discussion_id}/notes POST discussions/add-note
./merge_requests/{merge_request_iid}/discussions/{discussion_id}/notes/{note_id} PUT discussions/update-note DELETE discussions/delete-note
./merge_requests/{merge_request_iid}/draft_notes POST draft-notes/create
./merge_requests/{merge_request_iid}/draft_notes/bulk_publish POST draft-notes/publish-all
./merge_requests/{merge_request_iid}/draft_notes/{draft_note_id} PUT draft-notes/update DELETE draft-notes/delete
./merge_requests/{merge_request_iid}/award_emoji POST award-emoji/create
./merge_requests/{merge_request_iid}/award_emoji/{award_id} DELETE award-emoji/delete
./merge_requests/{merge_request_iid}/subscribe POST merge-requests/subscribe
./merge_requests/{merge_request_iid}/unsubscribe POST merge-requests/unsubscribe
./merge_requests/{merge_request_iid}/todo POST merge-requests/create-todo
./milestones POST milestones/create
./milestones/{milestone_id} PUT milestones/update DELETE milestones/delete
./packages/protection/rules GET packages/list-protection-rules
./pages GET pages/get
./pages/domains GET pages/list-domains
./pages/domains/{domain} GET pages/get-domain
./pipeline_schedules GET pipeline-schedules/list
./pipeline_schedules/{pipeline_schedule_id} GET pipeline-schedules/get
./pipeline_schedules/{pipeline_schedule_id}/pipelines GET pipeline-schedules/list-pipelines
./pipeline_schedules/{pipeline_schedule_id}/play POST pipeline-schedules/play
./protected_branches GET protected-branches/list
./protected_branches/{name} GET protected-branches/get
./protected_environments GET protected-environments/list
./protected_environments/{name} GET protected-environments/get
./protected_tags GET protected-tags/list
./protected_tags/{name} GET protected-tags/get
./push_rule GET push-rules/get
./registry/protection/repository/rules GET registry/list-protection-rules
./remote_mirrors GET mirrors/list
./remote_mirrors/{mirror_id} GET mirrors/get
./remote_mirrors/{mirror_id}/sync POST mirrors/sync
./repository/branches POST branches/create
./repository/branches/{branch} DELETE branches/delete
./repository/merged_branches DELETE branches/delete-merged
./repository/changelog POST repository/add-changelog
./repository/commits/{sha}/comments POST commits/comment
./repository/commits/{sha}/discussions POST discussions/create
./repository/commits/{sha}/cherry_pick POST commits/cherry-pick
./repository/commits/{sha}/revert POST commits/revert
./repository/files/{file_path} POST files/create PUT files/update DELETE files/delete
./repository/submodules/{submodule} PUT repository/update-submodule
./repository/tags POST tags/create
./repository/tags/{tag_name} DELETE tags/delete
./resource_groups GET resource-groups/list
./resource_groups/{key} GET resource-groups/get PUT resource-groups/update
./runners GET runners/list-of-project
./share_locations GET projects/list-share-locations
./snippets POST snippets/create-in-project
./snippets/{snippet_id} PUT snippets/update-in-project DELETE snippets/delete-in-project
./star POST projects/star
./unstar POST projects/unstar
./statuses/{sha} POST commits/set-status
./storage GET projects/get-storage
./triggers GET triggers/list
./triggers/{trigger_id} GET triggers/get
./uploads GET uploads/list POST uploads/create
./uploads/authorize POST uploads/create
./uploads/{upload_id} DELETE uploads/delete
./uploads/{secret}/{filename} DELETE uploads/delete
./variables GET variables/list
./variables/{key} GET variables/get
./vulnerabilities GET vulnerabilities/list POST vulnerabilities/create
./vulnerability_findings GET vulnerabilities/list-findings
./vulnerability_exports POST vulnerabilities/export
./wikis POST wikis/create
./wikis/{slug} PUT wikis/update DELETE wikis/delete
./wikis/attachments POST wikis/upload
= api, open, crosses from_project_id
./repository/compare GET repository/compare
= api, crosses target_project_id
./merge_requests POST merge-requests/create
./issues/{issue_iid}/links POST issues/create-link
= api, crosses to_project_id
./issues/{issue_iid}/move POST issues/move
./issues/{issue_iid}/clone POST issues/clone
= api, crosses start_project
./repository/commits POST commits/create
= api, admin
. PUT projects/update DELETE projects/delete
./access_requests/{user_number} DELETE access-requests/delete
./access_requests/{user_number}/approve PUT access-requests/approve
./access_tokens GET access-tokens/list POST access-tokens/create
./access_tokens/{token_id} GET access-tokens/get DELETE access-tokens/revoke
./access_tokens/{token_id}/rotate POST access-tokens/rotate
./access_tokens/self/rotate POST access-tokens/rotate
./approvals POST approvals/update
./approval_rules POST approvals/create-rule
./approval_rules/{approval_rule_id} PUT approvals/update-rule DELETE approvals/delete-rule
./merge_requests/{merge_request_iid}/approvals POST approvals/update-of-merge-request
./merge_requests/{merge_request_iid}/approval_rules POST approvals/create-rule-of-merge-request
./merge_requests/{merge_request_iid}/approval_rules/{approval_rule_id} PUT approvals/update-rule-of-merge-request DELETE approvals/delete-rule-of-merge-request
./archive POST projects/archive
./unarchive POST projects/unarchive
./avatar GET projects/get-avatar PUT projects/update-avatar
./cluster_agents POST agents/register
./cluster_agents/{agent_id} DELETE agents/delete
./cluster_agents/{agent_id}/tokens GET agents/list-tokens POST agents/create-token
./cluster_agents/{agent_id}/tokens/{token_id} GET agents/get-token DELETE agents/revoke-token
./clusters GET clusters/list
./clusters/user POST clusters/add
./clusters/{cluster_id} GET clusters/get PUT clusters/update DELETE clusters/delete
./custom_attributes/{key} PUT projects/set-attribute DELETE projects/delete-attribute
./deploy_keys POST deploy-keys/create
./deploy_keys/{key_id} PUT deploy-keys/update DELETE deploy-keys/delete
./deploy_keys/{key_id}/enable POST deploy-keys/enable
./deploy_tokens POST deploy-tokens/create
./deploy_tokens/{token_id} DELETE deploy-tokens/delete
./export POST projects/export
./export_relations POST projects/export
./fork/{forked_from_id} POST projects/set-fork
./fork DELETE projects/delete-fork-relation
./freeze_periods POST freeze-periods/create
./freeze_periods/{freeze_period_id} PUT freeze-periods/update DELETE freeze-periods/delete
./hooks POST hooks/create
./hooks/{hook_id} PUT hooks/update DELETE hooks/delete
./hooks/{hook_id}/test/{trigger} POST hooks/test
./hooks/{hook_id}/events/{hook_log_id}/resend POST hooks/resend
./housekeeping POST projects/housekeep
./import_project_members/{source_project} POST members/import
./integrations/{slug} PUT integrations/update DELETE integrations/delete
./services/{slug} PUT integrations/update DELETE integrations/delete
./invitations POST invitations/create
./invitations/{email} PUT invitations/update DELETE invitations/delete
./job_token_scope PATCH job-token-scope/update
./job_token_scope/allowlist POST job-token-scope/add-project
./job_token_scope/allowlist/{target_project_id} DELETE job-token-scope/remove-project
./job_token_scope/groups_allowlist POST job-token-scope/add-group
./job_token_scope/groups_allowlist/{target_group_id} DELETE job-token-scope/remove-group
./members POST members/add
./members/{user_number} PUT members/update DELETE members/remove
./mirror/pull GET mirrors/get-pull POST mirrors/start-pull PUT mirrors/configure-pull
./packages/protection/rules POST packages/create-protection-rule
./packages/protection/rules/{rule_id} PATCH packages/update-protection-rule DELETE packages/delete-protection-rule
./pages PATCH pages/update DELETE pages/delete
./pages/domains POST pages/create-domain
./pages/domains/{domain} PUT pages/update-domain DELETE pages/delete-domain
./pipeline_schedules POST pipeline-schedules/create
./pipeline_schedules/{pipeline_schedule_id} PUT pipeline-schedules/update DELETE pipeline-schedules/delete
./pipeline_schedules/{pipeline_schedule_id}/take_ownership POST pipeline-schedules/take-ownership
./pipeline_schedules/{pipeline_schedule_id}/variables POST pipeline-schedules/create-variable
./pipeline_schedules/{pipeline_schedule_id}/variables/{key} PUT pipeline-schedules/update-variable DELETE pipeline-schedules/delete-variable
./protected_branches POST protected-branches/create
./protected_branches/{name} PATCH protected-branches/update DELETE protected-branches/delete
./protected_environments POST protected-environments/create
./protected_environments/{name} PUT protected-environments/update DELETE protected-environments/delete
./protected_tags POST protected-tags/create
./protected_tags/{name} DELETE protected-tags/delete
./push_rule POST push-rules/create PUT push-rules/update DELETE push-rules/delete
./registry/protection/repository/rules POST registry/create-protection-rule
./registry/protection/repository/rules/{rule_id} PATCH registry/update-protection-rule DELETE registry/delete-protection-rule
./remote_mirrors POST mirrors/create
./remote_mirrors/{mirror_id} PUT mirrors/update DELETE mirrors/delete
./repository/branches/{branch}/protect PUT protected-branches/create
./repository/branches/{branch}/unprotect PUT protected-branches/delete
./repository_size POST projects/recalculate-size
./restore POST projects/restore
./runners POST runners/enable-in-project
./runners/{runner_id} DELETE runners/disable-in-project
./runners/reset_registration_token POST runners/reset-token-of-project
./share POST projects/share
./share/{group_id} DELETE projects/unshare
./triggers POST triggers/create
./triggers/{trigger_id} PUT triggers/update DELETE triggers/delete
./variables POST variables/create
./variables/{key} PUT variables/update DELETE variables/delete
= api, admin, elsewhere
./transfer PUT projects/transfer
= api, elsewhere
./fork POST projects/fork
`;
